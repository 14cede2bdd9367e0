"""Two profiles in, a verdict out: drift as Evidently decides it, its report, and what a model's window says."""

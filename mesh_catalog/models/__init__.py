"""Models: frame, split, train, evaluate, compare, register."""

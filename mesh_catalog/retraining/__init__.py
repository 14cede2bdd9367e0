"""From a verdict to a better model in production, or back: a state machine that any crash leaves resumable."""

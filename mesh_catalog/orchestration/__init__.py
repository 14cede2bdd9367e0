"""Which products are stale and why, running them in the order of what reads what, and files for an orchestrator."""

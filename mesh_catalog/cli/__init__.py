"""The `mesh` command: one module a verb, each with its `command`; `main.py` loads a verb when it is called."""

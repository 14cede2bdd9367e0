"""A publish of a slice that kills itself, SIGKILL, at a step: `python -m tests.e2e.killed_slice STEP ARGUMENT…`."""

from __future__ import annotations

import sys
from typing import Any

from mesh_catalog.cli.main import run_command
from mesh_catalog.lake import audit, frames
from mesh_catalog.lake.changes import _Stream
from tests.e2e.killed_publisher import die_after, die_on

__all__ = ["STEPS"]

STEPS: dict[str, tuple[Any, str]] = {
    "a micro-batch is planned": (_Stream, "_changes"),
    "files are written": (audit, "judge_counts"),
    "Delta has committed": (frames, "record_commits"),
}
"""Step → the function that would come next: the process dies there, in a backfill in its second interval."""
AFTER: dict[str, tuple[Any, str]] = {"the catalog knows, the checkpoint does not": (_Stream, "publish_batch")}
"""Step → the function that has just returned."""


def main() -> None:
    step, arguments = sys.argv[1], sys.argv[2:]
    if step in AFTER:
        owner, name = AFTER[step]
        setattr(owner, name, die_after(getattr(owner, name)))
    else:
        owner, name = STEPS[step]
        setattr(owner, name, die_on(getattr(owner, name), 2 if "--from" in arguments else 1))
    run_command(["publish", *arguments])
    raise SystemExit("was not killed")


if __name__ == "__main__":
    main()

"""A publish of a slice that kills itself, SIGKILL, at a step: `python -m tests.e2e.killed_slice STEP ARGUMENT…`."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from mesh_catalog.cli.main import run_command
from mesh_catalog.lake import audit, publish
from mesh_catalog.lake.changes import _Stream

__all__ = ["STEPS"]

STEPS: dict[str, tuple[Any, str]] = {
    "a micro-batch is planned": (_Stream, "_changes"),
    "files are written": (audit, "judge_counts"),
    "Delta has committed": (publish, "record_commits"),
}
"""Step → the function that would come next: the process dies there, in a backfill in its second interval."""
AFTER: dict[str, tuple[Any, str]] = {"the catalog knows, the checkpoint does not": (_Stream, "publish_batch")}
"""Step → the function that has just returned."""


def die(*_arguments: Any, **_options: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_on(function: Callable[..., Any], call: int) -> Callable[..., Any]:
    calls: list[int] = []

    def called(*arguments: Any, **options: Any) -> Any:
        calls.append(1)
        return die() if len(calls) == call else function(*arguments, **options)

    return called


def die_after(function: Callable[..., Any]) -> Callable[..., Any]:
    def called(*arguments: Any, **options: Any) -> None:
        function(*arguments, **options)
        die()

    return called


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

"""A publisher that kills itself, SIGKILL, at a step: `python -m tests.e2e.killed_publisher WORKSPACE STEP [MODE ROWS]`.

Without MODE it publishes shop.orders from its source; with it the ROWS, in that write mode, as the run `killed`.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mesh_catalog.access.mesh import open_mesh
from mesh_catalog.lake import audit, batch, frames, gate, quarantine
from mesh_catalog.lake.publish import publish_product
from mesh_catalog.lake.session import open_session
from mesh_catalog.settings import load_settings
from tests.lake.states import States
from tests.lake.test_modes_machine import contract

__all__ = ["AFTER_COMMIT", "STAGED", "STEPS", "TOLD", "die", "die_after", "die_on"]


def die(*_arguments: Any, **_options: Any) -> None:
    """The process alone, whose JVM then ends by itself; or, where it leads its group, the JVM with it."""
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


def die_on(function: Callable[..., Any], call: int = 1) -> Callable[..., Any]:
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


def _second(function: Callable[..., Any]) -> Callable[..., Any]:
    """The quarantine is looked at before each publish too; the step meant is the one after the commit."""
    return die_on(function, 2)


STAGED = "rows are staged beside the table"
TOLD = ("the catalog knows", "the quarantine is published")
AFTER_COMMIT = ("Delta has committed", *TOLD)
STEPS: dict[str, tuple[Any, str, Callable[[Callable[..., Any]], Callable[..., Any]]]] = {
    "the transform is planned": (batch, "conform", die_on),
    STAGED: (audit.Audit, "check_staged", die_on),
    "files are written": (audit.Audit, "_total_rows", die_on),
    "rows are staged for quarantine": (audit, "store_profile", die_on),
    "the profile is stored": (audit, "store_manifest", die_on),
    "the audit has passed": (gate._Gate, "beginDoCommit", die_after),
    "Delta has committed": (frames, "record_commits", die_on),
    "the catalog knows": (frames, "_publish_quarantine", _second),
    "the quarantine is published": (quarantine, "_publish_folder", die_after),
}
"""Step → the function that would come next, or has just returned, and how the process dies there.

STAGED is a step only of modes that stage their batch.
"""


def main() -> None:
    root, step, *rows = Path(sys.argv[1]), *sys.argv[2:]
    owner, name, deadly = STEPS[step]
    with open_mesh(load_settings(workspace=root)) as mesh:
        spark = open_session(mesh.settings, app_name="killed")
        setattr(owner, name, deadly(getattr(owner, name)))
        if rows:
            mode, told = rows
            States(spark=spark, mesh=mesh, root=root).publish(
                contract(mode, severity="quarantine"), json.loads(told), run_id="killed"
            )
        else:
            publish_product(spark, mesh, mesh.workspace.product("shop.orders"))
    raise SystemExit("was not killed")


if __name__ == "__main__":
    main()

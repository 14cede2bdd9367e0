"""A publisher that kills itself, SIGKILL, at a step: `python -m tests.e2e.killed_publisher WORKSPACE STEP`."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mesh_catalog.access.mesh import open_mesh
from mesh_catalog.lake import audit, batch, publish
from mesh_catalog.lake.session import open_session
from mesh_catalog.settings import load_settings

__all__ = ["STEPS"]

STEPS = {
    "the transform is planned": (batch, "conform"),
    "files are written": (audit, "judge_counts"),
    "rows are staged for quarantine": (audit, "store_profile"),
    "the profile is stored": (audit, "store_manifest"),
    "Delta has committed": (publish, "record_commits"),
    "the catalog knows": (publish, "_publish_quarantine"),
}
"""Step → the function that would come next: the process dies when it is called."""


def die(*_arguments: Any, **_options: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_on_second_call(function: Callable[..., Any]) -> Callable[..., Any]:
    """The quarantine is looked at before each publish too; the step meant is the one after the commit."""
    calls: list[int] = []

    def called(*arguments: Any, **options: Any) -> Any:
        calls.append(1)
        return die() if len(calls) > 1 else function(*arguments, **options)

    return called


def main() -> None:
    root, step = Path(sys.argv[1]), sys.argv[2]
    module, name = STEPS[step]
    with open_mesh(load_settings(workspace=root)) as mesh:
        spark = open_session(mesh.settings, app_name="killed")
        setattr(module, name, die_on_second_call(getattr(module, name)) if name == "_publish_quarantine" else die)
        publish.publish_product(spark, mesh, mesh.workspace.product("shop.orders"))
    raise SystemExit("was not killed")


if __name__ == "__main__":
    main()

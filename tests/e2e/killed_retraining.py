"""A turn of the loop that kills itself, SIGKILL: `python -m tests.e2e.killed_retraining WORKSPACE MODEL STEP`."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from mesh_catalog.access.mesh import open_mesh
from mesh_catalog.lake.session import open_session
from mesh_catalog.models import train
from mesh_catalog.retraining import loop
from mesh_catalog.settings import load_settings

__all__ = ["STEPS"]

STEPS = {
    "the decision is kept": (loop, "_train"),
    "the frame is published": (train, "_fit_and_log"),
    "the challenger is trained": (loop, "advance_retraining"),
    "both are compared": (loop, "_settle"),
    "the alias has moved": (loop, "record_decision"),
    "the decision is recorded": (loop, "finish_retraining"),
}
"""Step → the function that would come next: the process dies when it is called."""


def die(*_arguments: Any, **_options: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    root, model, step = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    with open_mesh(load_settings(workspace=root)) as mesh:
        setattr(*STEPS[step], die)
        loop.retrain_model(
            lambda: open_session(mesh.settings, app_name="killed"), mesh, mesh.workspace.model(model), force=True
        )
    raise SystemExit("was not killed")


if __name__ == "__main__":
    main()

"""A turn of the loop that kills itself, SIGKILL: `python -m tests.e2e.killed_retraining WORKSPACE MODEL STEP`."""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from mesh_catalog.access.mesh import open_mesh
from mesh_catalog.catalog.decisions import read_retrainings
from mesh_catalog.lake.session import open_session
from mesh_catalog.models import train
from mesh_catalog.models.registry import Registry
from mesh_catalog.retraining import loop, steps
from mesh_catalog.settings import load_settings

__all__ = ["SETTLED", "STEPS"]

STEPS: dict[str, tuple[Any, str]] = {
    "the decision is kept": (loop, "take_steps"),
    "the frame is published": (train, "_fit_and_log"),
    "the challenger is trained": (steps, "read_alias"),
    "both are compared": (steps.Comparison, "from_state"),
    "the gate has decided": (steps, "settle_retraining"),
    "the decision is recorded": (Registry, "tag_version"),
}
"""Step → the function that would come next: the process dies when it is called."""
SETTLED = "the decision is recorded"
"""From here on only MLflow is to be told."""


def die(*_arguments: Any, **_options: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    root, model, step = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    with open_mesh(load_settings(workspace=root)) as mesh:
        setattr(*STEPS[step], die)
        loop.retrain_model(
            lambda: open_session(mesh.settings, app_name="killed"),
            mesh,
            replace(mesh.workspace.model(model), approval="automatic"),
            force=not read_retrainings(mesh.catalog, model),
        )
    raise SystemExit("was not killed")


if __name__ == "__main__":
    main()

"""A publisher that goes on: takes batches from stdin, one JSON a line, and says which is in.

`python -m tests.e2e.publishing_worker WORKSPACE`
"""

from __future__ import annotations

import json
import random
import sys
import time
from pathlib import Path

from mesh_catalog.access.mesh import open_mesh
from mesh_catalog.errors import ConflictError
from mesh_catalog.lake.session import open_session
from mesh_catalog.settings import load_settings
from tests.lake.gate_contract import states_contract
from tests.lake.states import States

__all__ = ["DONE", "READY"]

READY, DONE = "READY", "DONE"


def publish(states: States, mode: str, rows: list[tuple[int, str, str]], run_id: str) -> None:
    """Publish under the run's name until it is in, whoever else is publishing."""
    while True:
        try:
            states.publish(states_contract(mode), rows, run_id=run_id)
        except ConflictError:
            time.sleep(random.uniform(0, 0.5))
        else:
            return


def main() -> None:
    root = Path(sys.argv[1])
    with open_mesh(load_settings(workspace=root)) as mesh:
        states = States(spark=open_session(mesh.settings, app_name="publisher"), mesh=mesh, root=root)
        print(READY, flush=True)
        for line in sys.stdin:
            batch = json.loads(line)
            publish(states, batch["mode"], batch["rows"], batch["run_id"])
            print(DONE, batch["run_id"], flush=True)


if __name__ == "__main__":
    main()

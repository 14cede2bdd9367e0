"""A turn of the loop that finds nothing to do, in a process that has the workspace open.

    python -m benchmarks.turn payments.fraud --workspace .demo

Turns of `mesh retrain --watch` on a workspace as it is: each reads verdicts, trainings, requests and whatever else the
policy names, decides, and ends. A model that would be trained is not measured. Spark must not be asked for.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from mesh_catalog.access.mesh import open_mesh
from mesh_catalog.retraining.loop import plan_retraining, retrain_model
from mesh_catalog.settings import load_settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

BAR_SECONDS = 3.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--workspace", type=Path, default=Path())
    parser.add_argument("--turns", type=int, default=5, help="after a first one, which is told by itself (5)")
    options = parser.parse_args()
    with open_mesh(load_settings(workspace=options.workspace)) as mesh:
        model = mesh.workspace.model(options.model)
        decision = plan_retraining(mesh, model)
        if decision.train or decision.review:
            print(f"{model.name}: is not at rest: {'; '.join(decision.reasons)}", file=sys.stderr)
            return 1
        seconds = []
        for _ in range(options.turns + 1):
            started = time.perf_counter()
            assert retrain_model(_no_session, mesh, model).action == "keep"
            seconds.append(time.perf_counter() - started)
    first, *others = seconds
    found = statistics.median(others)
    print(f"{model.name}: {'; '.join(decision.reasons)}")
    print(f"first {first:.3f} s, median of {len(others)} more {found:.3f} s; {BAR_SECONDS:g} s is the bar")
    return 0 if found <= BAR_SECONDS else 1


def _no_session() -> SparkSession:
    raise AssertionError("a turn that finds nothing needs no Spark")


if __name__ == "__main__":
    sys.exit(main())

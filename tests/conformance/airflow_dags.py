"""Run by Airflow's own Python: print what its parser makes of a DAG file, as one JSON document."""

from __future__ import annotations

import json
import sys
from typing import Any

__all__: list[str] = []


def main() -> None:
    from airflow.models.dagbag import DagBag  # type: ignore[import-not-found]
    from airflow.serialization.serialized_objects import SerializedDAG  # type: ignore[import-not-found]

    bag: Any = DagBag(sys.argv[1], include_examples=False)
    dags = {}
    for dag in bag.dags.values():
        SerializedDAG.to_dict(dag)  # as the scheduler keeps it
        dags[dag.dag_id] = {
            "schedule": dag.timetable.summary,
            "assets": sorted(asset.name for _, asset in dag.timetable.asset_condition.iter_assets()),
            "doc": dag.doc_md,
            "tasks": {
                task.task_id: {
                    "after": sorted(task.upstream_task_ids),
                    "command": task.bash_command,
                    "makes": sorted(asset.name for asset in task.outlets),
                    "owner": task.owner,
                    "retries": task.retries,
                }
                for task in dag.tasks
            },
        }
    print(json.dumps({"errors": bag.import_errors, "dags": dags}))


if __name__ == "__main__":
    main()

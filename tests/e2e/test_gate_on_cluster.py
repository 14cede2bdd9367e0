"""The commit gate's contract on a real cluster, mode by mode: also with an executor killed in the middle of a write."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import REPOSITORY
from tests.e2e.cluster import Cluster, spark_submit
from tests.e2e.gate_driver import ANSWERS, PERSONAL
from tests.lake.gate_contract import MODES, SCENARIOS

ALL = [f"{case}:{mode}" for case in ("refused", "lost", *SCENARIOS) for mode in MODES]
SLOW = [f"lost:{mode}" for mode in MODES if mode not in ("append", "upsert")]
SMALL = {
    "spark.executor.memory": "1g",
    "spark.driver.memory": "1g",
    "spark.sql.shuffle.partitions": "2",
    "spark.databricks.delta.snapshotPartitions": "2",
}
"""For tables of a few rows."""


@dataclass(frozen=True)
class Done:
    """What one driver did, and all that it wrote but for the tables."""

    answers: Mapping[str, str]
    written: bytes


@pytest.fixture(scope="module")
def done(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Done:
    """The cases that this run asks for, and those that refuse, by one driver on the cluster."""
    root = tmp_path_factory.mktemp("gate")
    for folder in ("conf", "domains", "tables"):
        (root / folder).mkdir()
    asked = {item.callspec.params.get("case") for item in request.session.items if hasattr(item, "callspec")}
    process = spark_submit(
        REPOSITORY / "tests" / "e2e" / "gate_driver.py",
        str(root / "tables"),
        *(word for word in ALL if word in asked or word.startswith("refused")),
        master=cluster.url,
        conf=SMALL,
        environment={"MESH_WORKSPACE": str(root)},
        seconds=900,
    )
    said = process.stdout + process.stderr
    assert process.returncode == 0, said[-3000:]
    told: Mapping[str, Any] = json.loads(process.stdout.split(ANSWERS)[1])
    kept = [path.read_bytes() for path in _records(root)]
    assert kept
    return Done(told, said.encode() + cluster.executor_output().encode() + b"".join(kept))


def _records(root: Path) -> list[Path]:
    """The catalog with its journal, and the events of lineage."""
    state = root / ".mesh"
    return [*state.glob("*.db*"), *state.rglob("*.ndjson")]


@pytest.mark.parametrize("case", [pytest.param(case, marks=pytest.mark.slow if case in SLOW else ()) for case in ALL])
def test_the_gate_keeps_its_contract_on_a_cluster(done: Done, case: str) -> None:
    assert done.answers[case] == ""


def test_no_refused_value_is_in_a_log_the_lineage_or_the_catalog(done: Done) -> None:
    assert PERSONAL.encode() not in done.written

"""Every write mode killed with SIGKILL, process and JVM, at each of its steps: nothing is lost, nothing is twice."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from mesh_catalog.access.gate import request_read
from mesh_catalog.catalog.runs import read_versions
from mesh_catalog.lake.arrow import query_batches
from mesh_catalog.lake.modes import is_staged
from mesh_catalog.lake.quarantine import quarantine_contract
from mesh_catalog.lake.read import read_table
from tests.conftest import REPOSITORY, SHORT_JOBS
from tests.e2e.killed_publisher import AFTER_COMMIT, STAGED, STEPS, TOLD
from tests.lake.gate_contract import MODES
from tests.lake.states import States, open_states
from tests.lake.test_modes_machine import Batch, Model, _time, contract, told

FIRST: Batch = [(1, 0, "a"), (2, 25, "b")]
KILLED: Batch = [(2, 25, "c"), (3, 27, "a"), (4, 28, "out")]
"""The last row is one for the quarantine."""
NEXT: Batch = [(1, 0, "c"), (5, 51, "b")]


def cases() -> Iterator[Any]:
    """Every step of every mode; outside the full suite each step once, the modes taking turns."""
    turns = dict(zip(STEPS, cycle(reversed(MODES)), strict=False))
    for step in STEPS:
        for mode in MODES:
            if step != STAGED or is_staged(contract(mode), None):
                yield pytest.param(mode, step, marks=() if turns[step] == mode else pytest.mark.slow)


@pytest.fixture
def states(spark: SparkSession, workspace_dir: Path) -> Iterator[States]:
    with open_states(spark, workspace_dir) as opened:
        options = f"{{spark.driver.memory: 1g, spark.driver.extraJavaOptions: '{SHORT_JOBS}'}}"
        (workspace_dir / "conf" / "local.yaml").write_text(f"spark: {{master: 'local[2]', conf: {options}}}\n")
        yield opened


def rows(mode: str, batch: Batch, number: int) -> Batch:
    """The batch; of an append with keys of its own, since a key is once in the table."""
    return [(k + 10 * number, at, v) for k, at, v in batch] if mode == "append" else batch


def written(batch: Batch) -> list[tuple[int, str, str]]:
    return [(k, told(at), v) for k, at, v in batch]


class Table:
    """The table, and the plain model of what readers should see of it."""

    def __init__(self, states: States, mode: str) -> None:
        self._states = states
        self._mode = mode
        self._model = Model()
        self.contract = contract(mode, severity="quarantine")

    def publish(self, batch: Batch, *, run_id: str) -> None:
        result = self._states.publish(self.contract, written(batch), run_id=run_id)
        assert result.outcome == "published"

    def expect(self, batch: Batch) -> None:
        good = [row for row in batch if row[2] != "out"]
        assert self._model.add_states(good) if self._mode == "history" else self._model.write(self._mode, good)

    def agree(self) -> None:
        """What the mesh lets Spark and delta-rs read is what the model holds."""
        names = ["k", "at", "v"]
        if self._mode == "history":
            names += ["valid_from", "valid_to", "is_current"]
            expected = self._model.history_rows()
        else:
            expected = [(k, _time(at), v) for k, (at, v) in (self._model.rows or {}).items()]
        ticket = request_read(self._states.mesh, self.contract.id, purpose="analysis")
        by_spark = [tuple(row) for row in read_table(self._states.spark, ticket).select(*names).collect()]
        batches = query_batches({"t": ticket}, f"select {', '.join(names)} from t").read_all()
        by_delta_rs = zip(*([_naive(value) for value in batches[name].to_pylist()] for name in names), strict=True)
        assert sorted(by_spark, key=str) == sorted(by_delta_rs, key=str) == sorted(expected, key=str)


def _naive(value: Any) -> Any:
    return value.replace(tzinfo=None) if hasattr(value, "tzinfo") else value


@pytest.mark.parametrize(("mode", "step"), cases())
def test_a_killed_write_is_all_there_or_not_at_all_and_is_made_once(states: States, mode: str, step: str) -> None:
    table = Table(states, mode)
    first, killed, following = (rows(mode, batch, number) for number, batch in enumerate((FIRST, KILLED, NEXT)))
    table.publish(first, run_id="first")
    table.expect(first)
    process = subprocess.run(
        [sys.executable, "-m", "tests.e2e.killed_publisher", states.root, step, mode, json.dumps(written(killed))],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
        start_new_session=True,
    )
    assert process.returncode == -signal.SIGKILL, process.stderr[-2000:]
    if step in TOLD:
        table.expect(killed)
    table.agree()
    table.publish(following, run_id="next")
    if step in AFTER_COMMIT and step not in TOLD:
        table.expect(killed)
    table.expect(following)
    table.agree()
    table.publish(killed, run_id="killed")
    if step not in AFTER_COMMIT:
        table.expect(killed)
    table.agree()
    versions = read_versions(states.mesh.catalog, table.contract.id)
    assert sorted(record.run_id for record in versions) == ["first", "killed", "next"]
    assert versions[-1].total_rows == len(states.rows(table.contract))
    kept_out = [v for _k, v in states.rows(quarantine_contract(table.contract))]
    assert kept_out == ["out"]
    location = states.location(table.contract)
    assert [path for kind in ("_staging", "_quarantine") for path in location.glob(f"{kind}/*")] == []

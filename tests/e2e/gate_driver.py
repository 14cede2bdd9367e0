"""What the commit gate promises, tried on whatever cluster spark-submit was given: `gate_driver.py FOLDER CASE MODE…`.

Prints for each case and mode nothing, or how it failed, as JSON.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any
from uuid import uuid4

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.functions import udf
from sqlalchemy import select

from mesh_catalog.access.gate import request_read
from mesh_catalog.access.mesh import Mesh, open_mesh
from mesh_catalog.catalog.runs import read_checks, read_versions
from mesh_catalog.catalog.tables import column_edges, edges
from mesh_catalog.errors import BatchRefusedError, StorageError, TransformError
from mesh_catalog.lake.frames import publish_frame
from mesh_catalog.lake.read import read_table
from mesh_catalog.lake.session import close_session, open_session
from mesh_catalog.settings import load_settings
from tests.lake.gate_contract import FIRST, SCENARIOS, Row, files_of, seen_by_delta_rs, states, states_contract

__all__ = ["ANSWERS", "PERSONAL"]

ANSWERS = "ANSWERS"
PERSONAL = "ada-48213"
"""In every value that is refused."""
PEOPLE = "shop.people"
_EDGES = ((edges, "to_name"), (column_edges, "to_product"))
_TASKS = 7
"""Of the stage in which an executor is killed: no other stage has as many."""
_ROWS_A_TASK = 20
_SECONDS_A_ROW = 0.05


class Driver:
    """A session and a mesh."""

    def __init__(self, spark: SparkSession, mesh: Mesh, folder: Path) -> None:
        self.spark = spark
        self.mesh = mesh
        self.folder = folder

    def run(self, case: str, mode: str) -> None:
        own: dict[str, Callable[[str], None]] = {"refused": self.refused, "lost": self.lost}
        if case in own:
            own[case](mode)
        else:
            SCENARIOS[case](self.spark, self.folder / f"{case}_{mode}", mode)

    def publish(self, mode: str, name: str, frame: DataFrame, *, run_id: str = "", **more: Any) -> None:
        contract = states_contract(mode, name=name, **more)
        inputs = {PEOPLE: 0} if more else {}
        publish_frame(
            self.spark,
            self.mesh,
            contract,
            frame,
            owner="shop@example.org",
            inputs=inputs,
            run_id=run_id or uuid4().hex,
        )

    def refused(self, mode: str) -> None:
        """A batch of personal values that are not valid: no file, no edge. The caller looks for them in the logs."""
        name = f"shop.refused_{mode}"
        location = self._location(name)
        people = self._people()
        for good in (people.filter("k < 10"), None):
            before, known = files_of(location), self._edges(name)
            try:
                self.publish(mode, name, people.filter("k >= 10"), run_id=f"{name}-{good is None}", values=["a", "b"])
            except BatchRefusedError:
                pass
            else:
                raise AssertionError("was not refused")
            checks = read_checks(self.mesh.catalog, f"{name}-{good is None}")
            assert [check.broken_count for check in checks if check.verdict == "fail"] == [2], checks
            assert files_of(location) == before, files_of(location) - before
            assert self._edges(name) == known
            if good is None:
                assert known, "a publish that went through leaves edges"
                assert seen_by_delta_rs(location) == [(1, "a"), (2, "b")]
            else:
                assert not known
                assert not [path for path in location.rglob("*") if path.is_file()]
                self.publish(mode, name, good, values=["a", "b"])

    def lost(self, mode: str) -> None:
        """An executor is killed while the batch is computed: the batch is there once, at once or when repeated."""
        name = f"shop.lost_{mode}"
        self.publish(mode, name, states(self.spark, FIRST))
        rows: list[Row] = [
            (k, "2026-01-02", f"2026-01-02 {k % 24:02d}:00:00", f"v{k}") for k in range(10, 10 + _TASKS * _ROWS_A_TASK)
        ]
        with self._executor_lost():
            try:
                self.publish(mode, name, self._slow(rows), run_id=name)
            except (StorageError, TransformError):
                assert len(read_versions(self.mesh.catalog, name)) == 1
                self.publish(mode, name, self._slow(rows), run_id=name)
        stay = {"overwrite": 0, "overwrite_partitions": 1, "overwrite_interval": 1}.get(mode, 2)
        expected = [(k, v) for k, _day, _at, v in [*FIRST[:stay], *rows]]
        assert seen_by_delta_rs(self._location(name)) == expected
        told = [(record.version, record.rows, record.total_rows) for record in read_versions(self.mesh.catalog, name)]
        assert told == [(0, 2, 2), (1, len(rows), len(expected))], told

    def _location(self, name: str) -> Path:
        return Path(self.mesh.settings.lake, *name.split("."))

    def _people(self) -> DataFrame:
        if not self._location(PEOPLE).exists():
            told = [(k, "2026-01-01", "2026-01-01 01:00:00", f"{PERSONAL}-{k}@example.org") for k in (10, 11)]
            self.publish("overwrite", PEOPLE, states(self.spark, [*FIRST, *told]))
        return read_table(self.spark, request_read(self.mesh, PEOPLE, purpose="build"))

    def _edges(self, name: str) -> list[tuple[Any, ...]]:
        with self.mesh.catalog.read() as connection:
            found = [select(table).where(table.c[key] == name) for table, key in _EDGES]
            return sorted((tuple(row) for query in found for row in connection.execute(query)), key=str)

    def _slow(self, rows: list[Row]) -> DataFrame:
        seconds = _SECONDS_A_ROW

        @udf("string")
        def unchanged(value: str) -> str:
            time.sleep(seconds)
            return value

        return states(self.spark, rows).repartition(_TASKS).withColumn("v", unchanged("v"))

    @contextmanager
    def _executor_lost(self) -> Iterator[None]:
        """SIGKILL an executor once the block's slow stage runs; afterwards wait until there are two again."""
        killed, done = Event(), Event()

        def kill() -> None:
            while not done.wait(0.02):
                if self._is_slow_stage_running():
                    os.kill(self._executor(), signal.SIGKILL)
                    killed.set()
                    return

        killer = Thread(target=kill)
        killer.start()
        try:
            yield
        finally:
            done.set()
            killer.join()
        assert killed.is_set(), "no executor was killed"
        deadline = time.monotonic() + 60
        while self.spark.sparkContext._jsc.sc().getExecutorMemoryStatus().size() < 3:  # the driver is one of them
            assert time.monotonic() < deadline, "the executor was not started again"
            time.sleep(0.1)

    def _is_slow_stage_running(self) -> bool:
        tracker = self.spark.sparkContext.statusTracker()
        stages = [tracker.getStageInfo(number) for number in tracker.getActiveStageIds()]
        return any(stage and stage.numTasks == _TASKS and stage.numActiveTasks for stage in stages)

    def _executor(self) -> int:
        """The process of one of this application's executors."""
        words = (b"CoarseGrainedExecutorBackend", str(self.spark.sparkContext.applicationId).encode())
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                command = path.read_bytes()
            except OSError:
                continue  # it has just ended
            if all(word in command for word in words):
                return int(path.parent.name)
        raise AssertionError("no executor runs on this machine")


def main() -> None:
    answers: dict[str, str] = {}
    with open_mesh(load_settings()) as mesh:
        driver = Driver(open_session(mesh.settings, app_name="gate"), mesh, Path(sys.argv[1]))
        for word in sys.argv[2:]:
            case, mode = word.split(":")
            try:
                driver.run(case, mode)
                answers[word] = ""
            except Exception:  # noqa: BLE001 - whatever it is, the test tells it
                answers[word] = traceback.format_exc()
        close_session()
    print(ANSWERS, json.dumps(answers))


if __name__ == "__main__":
    main()

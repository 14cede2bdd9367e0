"""Publishers on one table, one of which is killed at a random moment, again and again, under the eyes of a reader.

A group of keys is always written whole, by one batch. So each group that anybody reads has all its keys, and all of
them from the same batch, or a part of a batch was to be seen.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from pyspark.sql import SparkSession

from mesh_catalog.access.gate import request_read
from mesh_catalog.access.mesh import Mesh, open_mesh
from mesh_catalog.catalog.runs import read_versions
from mesh_catalog.lake.arrow import query_batches
from mesh_catalog.lake.table import read_table_state
from mesh_catalog.settings import load_settings
from tests.conftest import REPOSITORY, SHORT_JOBS
from tests.e2e.publishing_worker import DONE, READY
from tests.lake.gate_contract import NAME, states_contract
from tests.lake.states import States, open_states

PUBLISHERS = 3
KEYS = 4
"""In a group."""
SHARED_GROUPS = 5
"""That upserts of all publishers replace; each append makes one of its own."""
CONTRACT = states_contract("append")


@dataclass(frozen=True)
class Batch:
    run_id: str
    mode: str
    group: int

    @property
    def rows(self) -> list[tuple[int, str, str]]:
        return [(self.group * KEYS + n, f"2026-01-{1 + n % 2:02d} 0{n}", self.run_id) for n in range(KEYS)]


@dataclass
class Publisher:
    """A process with a session of its own, that publishes one batch after the other."""

    root: Path
    log: Path
    process: subprocess.Popen[str] = field(init=False)
    _ready: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        with self.log.open("ab") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.e2e.publishing_worker", self.root],
                cwd=REPOSITORY,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                start_new_session=True,
            )

    def publish(self, batch: Batch) -> bool:
        """Whether the batch is known to be in; else the publisher died."""
        told = {"mode": batch.mode, "rows": batch.rows, "run_id": batch.run_id}
        try:
            print(json.dumps(told), file=self.process.stdin, flush=True)
        except BrokenPipeError:
            return False
        return self._said(f"{DONE} {batch.run_id}")

    def await_ready(self) -> None:
        self._ready = self._ready or self._said(READY)
        assert self._ready, self.log.read_text()[-2000:]

    def _said(self, word: str) -> bool:
        assert self.process.stdout is not None
        return any(line.strip() == word for line in self.process.stdout)

    def kill(self, *, with_jvm: bool) -> None:
        """SIGKILL; a JVM that is left ends by itself, and may still commit what was audited."""
        if with_jvm:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.kill()
        self.process.wait()


class Reader:
    """Asks for the table again and again, and keeps what was wrong with what it was given."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._stop = Event()
        self.reads = 0

    def watch(self) -> None:
        newest = 0
        with open_mesh(load_settings(workspace=self._root), with_workspace=False) as mesh:
            while not self._stop.wait(0.1):
                version, _groups = read_groups(mesh)
                assert version >= newest, f"v{version} after v{newest}"
                newest = version
                self.reads += 1

    def stop(self) -> None:
        self._stop.set()


def read_groups(mesh: Mesh) -> tuple[int, dict[int, str]]:
    """The version that readers see, and group → the batch that all its rows are from."""
    ticket = request_read(mesh, NAME, purpose="analysis")
    found: dict[int, list[str]] = {}
    rows = query_batches({"t": ticket}, "select k, v from t").read_all()
    for k, v in zip(rows.column(0).to_pylist(), rows.column(1).to_pylist(), strict=True):
        found.setdefault(k // KEYS, []).append(v)
    for group, batches in found.items():
        assert len(batches) == KEYS and len(set(batches)) == 1, f"v{ticket.version}: group {group} holds {batches}"
    return ticket.version, {group: batches[0] for group, batches in found.items()}


@dataclass
class Game:
    """The publishers, and the model of the table."""

    states: States
    logs: Path
    pool: ThreadPoolExecutor
    publishers: list[Publisher] = field(default_factory=list)
    batches: dict[str, Batch] = field(default_factory=dict)
    publish_seconds: float = 5

    def start(self) -> Publisher:
        return Publisher(self.states.root, self.logs / f"{len(self.batches)}-{len(self.publishers)}.log")

    def play(self, seed: int) -> None:
        """One round: each publisher is given a batch, one is killed; a survivor tries the killed one's batch again."""
        rng = random.Random(seed)
        batches = [self._batch(rng, f"{seed}-{number}") for number in range(PUBLISHERS)]
        victim, moment, with_jvm = rng.randrange(PUBLISHERS), rng.random(), rng.random() < 0.5
        for publisher in self.publishers:
            publisher.await_ready()
        started = time.monotonic()
        under_way = [self.pool.submit(p.publish, batch) for p, batch in zip(self.publishers, batches, strict=True)]
        time.sleep(moment * self.publish_seconds)
        self.publishers[victim].kill(with_jvm=with_jvm)
        self.publishers[victim] = self.start()
        self._finish(under_way, victim)
        self.publish_seconds = time.monotonic() - started
        survivor = self.publishers[victim - 1]
        assert survivor.publish(batches[victim]), self._said()
        self.agree()

    def _batch(self, rng: random.Random, run_id: str) -> Batch:
        mode = rng.choice(("append", "upsert"))
        group = rng.randrange(SHARED_GROUPS) if mode == "upsert" else SHARED_GROUPS + len(self.batches)
        self.batches[run_id] = Batch(run_id, mode, group)
        return self.batches[run_id]

    def _finish(self, under_way: Iterable[Future[bool]], victim: int) -> None:
        for number, publishing in enumerate(under_way):
            done = publishing.result()
            assert done or number == victim, self._said()

    def agree(self) -> None:
        """Every batch is one version, and the table holds what these versions, one after the other, make."""
        versions = read_versions(self.states.mesh.catalog, NAME)
        assert sorted(record.run_id for record in versions) == sorted(self.batches)
        expected = {self.batches[r.run_id].group: r.run_id for r in sorted(versions, key=lambda r: r.version)}
        version, groups = read_groups(self.states.mesh)
        assert (version, groups) == (versions[-1].version, expected)
        assert versions[-1].total_rows == KEYS * len(expected)

    def _said(self) -> str:
        return "\n".join(path.read_text(errors="replace")[-1000:] for path in sorted(self.logs.glob("*.log")))


@contextmanager
def game(spark: SparkSession, root: Path, logs: Path) -> Iterator[Game]:
    with open_states(spark, root) as states, ThreadPoolExecutor(PUBLISHERS) as pool:
        options = f"{{spark.driver.memory: 1g, spark.driver.extraJavaOptions: '{SHORT_JOBS}'}}"
        (root / "conf" / "local.yaml").write_text(f"spark: {{master: 'local[1]', conf: {options}}}\n")
        found = Game(states=states, logs=logs, pool=pool)
        first = found.batches.setdefault("first", Batch("first", "append", 0))
        states.publish(CONTRACT, first.rows, run_id="first")
        try:
            found.publishers.extend(found.start() for _ in range(PUBLISHERS))
            yield found
        finally:
            for publisher in found.publishers:
                publisher.kill(with_jvm=True)


def play(spark: SparkSession, root: Path, logs: Path, seeds: range) -> None:
    reader = Reader(root)
    with game(spark, root, logs) as playing, ThreadPoolExecutor(1) as watching:
        watched = watching.submit(reader.watch)
        try:
            for seed in seeds:
                playing.play(seed)
                assert not watched.done(), watched.exception()
        finally:
            reader.stop()
        watched.result()
        assert reader.reads >= len(seeds)
        _agree_with_delta(playing)


def _agree_with_delta(playing: Game) -> None:
    """Spark and delta-rs see the same rows, and Delta's log has each run once."""
    states = playing.states
    _version, groups = read_groups(states.mesh)
    expected: list[tuple[Any, ...]] = sorted(
        (k, v) for run_id in groups.values() for k, _at, v in playing.batches[run_id].rows
    )
    assert states.rows(CONTRACT) == expected
    commits = read_table_state(NAME, str(states.location(CONTRACT)), history=len(playing.batches)).commits
    assert sorted(commit.run_id for commit in commits) == sorted(playing.batches)


def test_only_whole_batches_are_seen_and_each_is_there_once(
    spark: SparkSession, workspace_dir: Path, tmp_path: Path
) -> None:
    play(spark, workspace_dir, tmp_path, range(3))


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, 100, 20))
def test_a_hundred_random_kills_lose_and_repeat_nothing(
    spark: SparkSession, workspace_dir: Path, tmp_path: Path, first: int
) -> None:
    play(spark, workspace_dir, tmp_path, range(first, first + 20))

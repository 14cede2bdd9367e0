"""Batches in every write mode, good and refused, new and repeated, against a plain model of the table."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test
from pyspark.sql import SparkSession

from mesh_catalog.catalog.runs import latest_version
from mesh_catalog.contracts.contract import Contract
from mesh_catalog.errors import BatchRefusedError
from mesh_catalog.specs import Interval

from .gate_contract import states_contract
from .states import open_states

START = datetime(2026, 1, 1, tzinfo=UTC)
Batch = list[tuple[int, int, str]]
"""Key, hours since START, value."""

_ROW = st.tuples(st.integers(1, 12), st.integers(0, 60), st.sampled_from("abc"))
_ONCE = st.lists(_ROW, max_size=4, unique_by=lambda row: row[0])
BATCHES = st.one_of(_ONCE, _ONCE, _ONCE, st.lists(_ROW, max_size=4), st.just([(1, 1, "bad")]))


def told(hours: int) -> str:
    return f"{START + timedelta(hours=hours):%Y-%m-%d %H}"


class Model:
    """What the two tables should hold: keys with time and value, and every state that a key of the history had."""

    def __init__(self) -> None:
        self.rows: dict[int, tuple[int, str]] | None = None
        self.history: dict[int, dict[int, str]] = {}

    def write(self, mode: str, batch: Batch, span: tuple[int, int] | None = None) -> bool:
        """Whether the batch is taken; then it is in."""
        table = [(k, at, v) for k, (at, v) in (self.rows or {}).items()]
        outside = span and any(not span[0] <= at < span[1] for _k, at, _v in batch)
        if outside or any(v == "bad" for _k, _at, v in batch):
            return False
        hours, days = {at for _k, at, _v in batch}, {at // 24 for _k, at, _v in batch}
        keys = {k for k, _at, _v in batch}
        stays: Callable[[int, int], bool] = {
            "append": lambda _k, _at: True,
            "overwrite": lambda _k, _at: False,
            "overwrite_partitions": lambda _k, at: at // 24 not in days,
            "overwrite_interval": lambda _k, at: not span[0] <= at < span[1] if span else at not in hours,
            "upsert": lambda k, _at: k not in keys,
        }[mode]
        after = [row for row in table if stays(row[0], row[1])] + batch
        if len({k for k, _at, _v in after}) < len(after):
            return False
        self.rows = {k: (at, v) for k, at, v in after}
        return True

    def add_states(self, batch: Batch) -> bool:
        if any(v == "bad" for _k, _at, v in batch) or len({(k, at) for k, at, _v in batch}) < len(batch):
            return False
        for k, at, v in batch:
            self.history.setdefault(k, {})[at] = v
        for k, states in self.history.items():
            kept: dict[int, str] = {}
            before: tuple[int, str] | None = None
            for at in sorted(states):
                if before != (at // 24, states[at]):
                    kept[at] = states[at]
                before = (at // 24, states[at])
            self.history[k] = kept
        return True

    def history_rows(self) -> list[tuple[Any, ...]]:
        found: list[tuple[Any, ...]] = []
        for k, states in self.history.items():
            times: list[int | None] = [*sorted(states), None]
            for at, end in pairwise(times):
                assert at is not None
                found.append((k, _time(at), states[at], _time(at), _time(end), end is None))
        return sorted(found, key=str)


def _time(hours: int | None) -> datetime | None:
    return None if hours is None else (START + timedelta(hours=hours)).replace(tzinfo=None)


def contract(mode: str, *, severity: str = "error") -> Contract:
    name = "shop.history" if mode == "history" else "shop.states"
    return states_contract(mode, interval="1h", values=["a", "b", "c"], severity=severity, name=name)


def machine(spark: SparkSession) -> type[RuleBasedStateMachine]:
    class Publishing(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.opened = ExitStack()
            folder = self.opened.enter_context(tempfile.TemporaryDirectory())
            self.states = self.opened.enter_context(open_states(spark, Path(folder)))
            self.model = Model()
            self.runs: list[str] = []

        def teardown(self) -> None:
            self.opened.close()

        def publish(self, mode: str, batch: Batch, *, taken: bool, interval: Interval | None = None) -> None:
            rows = [(k, told(at), v) for k, at, v in batch]
            run_id = f"run-{len(self.runs)}-{mode}"
            if taken:
                result = self.states.publish(contract(mode), rows, run_id=run_id, interval=interval)
                assert (result.outcome, result.rows) == ("published", len(batch))
                self.runs.append(run_id)
            else:
                with pytest.raises(BatchRefusedError):
                    self.states.publish(contract(mode), rows, interval=interval)
            self.agree()

        def agree(self) -> None:
            if self.model.rows is not None:
                plain = contract("append")
                expected = sorted((k, _time(at), v) for k, (at, v) in self.model.rows.items())
                assert self.states.rows(plain, "k, at, v") == expected
                latest = latest_version(self.states.mesh.catalog, plain.id)
                assert latest is not None
                assert latest.total_rows == len(expected)
            if self.model.history:
                kept = contract("history")
                found = self.states.rows(kept, "k, at, v, valid_from, valid_to, is_current")
                assert sorted(found, key=str) == self.model.history_rows()
                latest = latest_version(self.states.mesh.catalog, kept.id)
                assert latest is not None
                assert latest.total_rows == len(found)

        @rule(
            mode=st.sampled_from(["append", "overwrite", "overwrite_partitions", "overwrite_interval", "upsert"]),
            batch=BATCHES,
        )
        def write(self, mode: str, batch: Batch) -> None:
            self.publish(mode, batch, taken=self.model.write(mode, batch))

        @rule(batch=_ONCE, start=st.integers(0, 40), length=st.integers(1, 40))
        def replace(self, batch: Batch, start: int, length: int) -> None:
            inside = [(k, start + at % length, v) for k, at, v in batch]
            self.given(inside, start, length)

        @rule(batch=_ONCE, start=st.integers(0, 40), length=st.integers(1, 40))
        def given(self, batch: Batch, start: int, length: int) -> None:
            span = (start, start + length)
            taken = self.model.write("overwrite_interval", batch, span)
            interval = Interval(*(START + timedelta(hours=hours) for hours in span))
            self.publish("overwrite_interval", batch, taken=taken, interval=interval)

        @rule(batch=BATCHES)
        def remember(self, batch: Batch) -> None:
            self.publish("history", batch, taken=self.model.add_states(batch))

        @precondition(lambda self: self.runs)
        @rule(data=st.data(), batch=_ONCE)
        def repeat(self, data: st.DataObject, batch: Batch) -> None:
            run_id = data.draw(st.sampled_from(self.runs))
            mode = run_id.rpartition("-")[2]
            result = self.states.publish(contract(mode), [(k, told(at), v) for k, at, v in batch], run_id=run_id)
            assert result.outcome == "published"
            self.agree()

    return Publishing


def _run(spark: SparkSession, examples: int, steps: int) -> None:
    run_state_machine_as_test(
        machine(spark),
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            derandomize=examples < 10,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_tables_hold_what_a_plain_model_of_the_modes_holds(spark: SparkSession) -> None:
    _run(spark, 4, 5)


@pytest.mark.slow
def test_tables_hold_what_a_plain_model_of_the_modes_holds_for_long(spark: SparkSession) -> None:
    _run(spark, 25, 12)

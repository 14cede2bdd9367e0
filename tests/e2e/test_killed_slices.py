"""Incremental publishes and backfills killed with SIGKILL: the next call loses nothing and writes nothing twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from mesh_catalog.catalog.runs import read_versions
from mesh_catalog.cli.main import run_command
from tests.e2e.killed_slice import AFTER, STEPS
from tests.lake import test_backfill, test_incremental
from tests.lake.conftest import Shop, order, shop
from tests.lake.test_backfill import daily
from tests.lake.test_incremental import copies, land

__all__ = ["copies", "daily", "shop"]

REPOSITORY = Path(__file__).resolve().parents[2]


def kill(shop: Shop, step: str, *arguments: str) -> None:
    killed = subprocess.run(
        [sys.executable, "-m", "tests.e2e.killed_slice", step, *arguments],
        cwd=REPOSITORY,
        env={**os.environ, "MESH_WORKSPACE": str(shop.root)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr[-2000:]


def added(shop: Shop, product: str) -> int:
    return sum(record.rows for record in read_versions(shop.mesh.catalog, product))


@pytest.mark.parametrize(
    "step",
    [pytest.param(step, marks=() if step in AFTER else pytest.mark.slow) for step in (*STEPS, *AFTER)],
)
def test_each_change_reaches_the_reader_once(copies: Shop, step: str) -> None:
    land(copies, "a", order(1), order(2))
    copies.publish("shop.copies")
    land(copies, "b", order(1, amount=11), order(3))
    kill(copies, step, "shop.copies")
    there = test_incremental.rows(copies)
    assert there == ({1: 11.0, 2: 10.5, 3: 10.5} if step in AFTER else {1: 10.5, 2: 10.5})
    land(copies, "c", order(2, email="gone"), order(4))
    copies.publish("shop.copies")
    assert test_incremental.rows(copies) == {1: 11.0, 3: 10.5, 4: 10.5}
    assert copies.publish("shop.copies").outcome == "unchanged"


@pytest.mark.parametrize(
    "step",
    [
        pytest.param("files are written", marks=pytest.mark.slow),
        "Delta has committed",
    ],
)
def test_a_backfill_goes_on_where_it_was_killed(daily: Shop, step: str) -> None:
    kill(daily, step, "shop.daily", *test_backfill.PERIOD)
    assert list(test_backfill.rows(daily)) == [date(2026, 1, 1)]
    assert run_command(["publish", "shop.daily", *test_backfill.PERIOD]) == 0
    assert sorted(test_backfill.rows(daily)) == [date(2026, 1, day) for day in (1, 2, 3, 4)]
    assert added(daily, "shop.daily") == 4
    assert test_backfill.versions(daily) == 4

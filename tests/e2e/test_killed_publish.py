"""A publish of landed files killed with SIGKILL at each step: each file is read once, and readers lose nothing."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mesh_catalog.access.gate import request_read
from mesh_catalog.catalog.runs import read_versions
from mesh_catalog.lake.read import read_table
from tests.e2e.killed_publisher import STAGED, STEPS, TOLD
from tests.lake.conftest import Shop, order, shop

__all__ = ["shop"]

REPOSITORY = Path(__file__).resolve().parents[2]


def orders(shop: Shop, product: str = "shop.orders") -> list[int]:
    frame = read_table(shop.spark, request_read(shop.mesh, product, purpose="analysis"))
    return sorted(row["order_id"] for row in frame.select("order_id").collect())


@pytest.mark.slow
@pytest.mark.parametrize("step", [step for step in STEPS if step != STAGED])
def test_readers_keep_the_old_version_and_the_next_publish_succeeds(shop: Shop, step: str) -> None:
    shop.land("a", [order(1), order(2)])
    shop.publish()
    shop.land("b", [order(3, day=2), order(4, day=2, state="lost")])
    killed = subprocess.run(
        [sys.executable, "-m", "tests.e2e.killed_publisher", str(shop.root), step],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr[-2000:]
    if step in TOLD:
        assert orders(shop) == [1, 2, 3]
    else:
        assert orders(shop) == [1, 2]
    shop.land("c", [order(5, day=3)])
    shop.publish()
    assert orders(shop) == [1, 2, 3, 5]
    assert orders(shop, "shop.orders__quarantine") == [4]
    assert sum(record.rows for record in read_versions(shop.mesh.catalog, "shop.orders")) == 4

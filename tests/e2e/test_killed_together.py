"""Products published together by a process that is killed with SIGKILL, and its JVM: all of them are new, or none."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from mesh_catalog.access.gate import request_read
from mesh_catalog.catalog.runs import read_versions
from mesh_catalog.errors import ConflictError
from mesh_catalog.lake.arrow import query_batches
from tests.conftest import REPOSITORY
from tests.e2e.killed_together import NAMES, STEPS
from tests.lake.conftest import Shop, order, shop
from tests.lake.test_together import forget_lease, pair, publish_pair, rows

__all__ = ["pair", "shop"]

CUT_OFF = ("shop.orders has committed", "shop.totals has committed")
IN_CI = (*CUT_OFF, "both have committed")


def seen(shop: Shop) -> tuple[list[int], int]:
    """The numbers of the orders, and how many the totals say there are; by Spark and by delta-rs."""
    orders = sorted(row["order_id"] for row in rows(shop, "shop.orders").collect())
    total = int(rows(shop, "shop.totals").collect()[0]["orders"])
    tickets = {name.partition(".")[2]: request_read(shop.mesh, name, purpose="analysis") for name in NAMES}
    found = query_batches(tickets, "select o.order_id, t.orders from orders o cross join totals t").read_all()
    assert sorted(found.column(0).to_pylist()) == orders
    assert set(found.column(1).to_pylist()) == {total}
    return orders, total


@pytest.mark.parametrize(
    "step", [pytest.param(step, marks=() if step in IN_CI else pytest.mark.slow) for step in STEPS]
)
def test_both_are_new_or_neither_and_the_next_publish_has_each_order_once(pair: Shop, step: str) -> None:
    pair.land("a", [order(1)])
    publish_pair(pair)
    pair.land("b", [order(2)])
    killed = subprocess.run(
        [sys.executable, "-m", "tests.e2e.killed_together", pair.root, step],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
        start_new_session=True,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr[-2000:]
    assert seen(pair) == (([1, 2], 2) if step == "the catalog knows" else ([1], 1))
    if step in CUT_OFF:
        with pytest.raises(ConflictError, match="if it was killed, in 2 minutes"):
            publish_pair(pair)
        assert seen(pair) == ([1], 1)
        forget_lease(pair)
    pair.land("c", [order(3)])
    publish_pair(pair)
    assert seen(pair) == ([1, 2, 3], 3)
    assert sum(record.rows for record in read_versions(pair.mesh.catalog, "shop.orders")) == 3
    assert not list(pair.location.parent.glob("*/_staging/*"))

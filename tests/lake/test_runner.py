"""Running products: what is stale and no more, side by side, a failure keeping to its own branch."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from mesh_catalog.catalog.leases import acquire_lease, release_lease
from mesh_catalog.catalog.runs import read_runs, read_versions
from mesh_catalog.errors import BatchRefusedError, NotFoundError
from mesh_catalog.orchestration.plan import plan_run
from mesh_catalog.orchestration.runner import ProductRun, run_products
from mesh_catalog.orchestration.staleness import check_staleness
from mesh_catalog.specs import ProductSpec

from .conftest import Shop, order

Told = list[tuple[str, str]]


def add_product(shop: Shop, name: str, sql: str, minimum: int = 0) -> None:
    """A product `shop.<name>` of one column `n`."""
    column = {"name": "n", "logicalType": "integer", "logicalTypeOptions": {"minimum": minimum}}
    contract = {
        "apiVersion": "v3.1.0",
        "kind": "DataContract",
        "id": f"shop.{name}",
        "version": "1.0.0",
        "status": "active",
        "schema": [{"name": name, "physicalType": "table", "properties": [column]}],
    }
    shop.write(f"domains/shop/{name}/contract.yaml", json.dumps(contract))
    shop.write(f"domains/shop/{name}/build.sql", sql)


def run(shop: Shop, tell: Callable[[ProductRun], None] = lambda _run: None, **options: Any) -> dict[str, ProductRun]:
    """What `mesh run` does, with the test's session."""
    shop.reload()
    plan = plan_run(shop.mesh)

    def why(product: ProductSpec) -> Sequence[str]:
        return check_staleness(shop.mesh, product).reasons

    ended = run_products(
        shop.mesh,
        [item.product for item in plan if item.to_run],
        open_spark=lambda: shop.spark,
        why=why,
        tell=tell,
        **{"jobs": 2, **options},
    )
    return {ended_run.product: ended_run for ended_run in ended}


def states(ended: dict[str, ProductRun]) -> dict[str, str]:
    return {name.removeprefix("shop."): found.state for name, found in ended.items()}


def test_products_run_side_by_side_and_a_second_run_has_nothing_to_do(shop: Shop) -> None:
    shop.land("a", [order(1), order(2)])
    for name in ("left", "right"):
        add_product(shop, name, "select order_id as n from shop.orders")
    add_product(shop, "both", "select l.n from shop.left l join shop.right r on l.n = r.n")
    together: list[frozenset[str]] = []
    running: set[str] = set()

    def tell(told: ProductRun) -> None:
        (running.add if told.state == "running" else running.discard)(told.product)
        together.append(frozenset(running))

    ended = run(shop, tell)
    assert states(ended) == dict.fromkeys(("orders", "left", "right", "both"), "published")
    assert frozenset({"shop.left", "shop.right"}) in together
    assert next(iter(ended)) == "shop.orders" and list(ended)[-1] == "shop.both"
    assert ended["shop.both"].result is not None and ended["shop.both"].result.rows == 2
    both = read_runs(shop.mesh.catalog, "shop.both", limit=1)[0]
    assert both.inputs == {"shop.left": 0, "shop.right": 0}
    assert [item.reasons for item in plan_run(shop.mesh)] == [()] * 4


def test_new_rows_reach_what_reads_them_and_leave_the_rest_alone(shop: Shop) -> None:
    shop.land("a", [order(1)])
    add_product(shop, "counted", "select count(*) as n from shop.orders")
    add_product(shop, "alone", "select 1 as n")
    run(shop)
    shop.land("b", [order(2, day=2)])
    assert states(run(shop)) == {"orders": "published", "counted": "published"}
    assert [record.version for record in read_versions(shop.mesh.catalog, "shop.alone")] == [0]


def test_a_refused_product_stops_what_reads_it_and_nothing_else(shop: Shop) -> None:
    shop.land("a", [order(1)])
    add_product(shop, "bad", "select -1 as n from shop.orders")
    add_product(shop, "reads_bad", "select n from shop.bad")
    add_product(shop, "good", "select order_id as n from shop.orders")
    add_product(shop, "missing", "select n from shop.nowhere", minimum=0)
    add_product(shop, "nowhere", "select order_id as n from source")
    shop.write(
        "domains/shop/nowhere/source.yaml",
        "path: landing/shop/nowhere/*.csv\nformat: csv\noptions: {header: true}\ncolumns: {order_id: bigint}\n",
    )
    ended = run(shop)
    assert states(ended) == {
        "orders": "published",
        "bad": "stopped",
        "reads_bad": "left out",
        "good": "published",
        "nowhere": "stopped",
        "missing": "left out",
    }
    assert isinstance(ended["shop.bad"].error, BatchRefusedError)
    assert isinstance(ended["shop.nowhere"].error, NotFoundError)
    assert "no file has arrived" in str(ended["shop.nowhere"].error)
    assert ended["shop.reads_bad"].reason == "reads shop.bad"
    planned = {item.product.name: item for item in plan_run(shop.mesh)}
    assert planned["shop.bad"].reasons == ("never published", "its last run was refused")
    assert not planned["shop.good"].to_run


def test_what_another_run_publishes_is_waited_for_and_not_published_twice(shop: Shop) -> None:
    shop.land("a", [order(1)])
    assert acquire_lease(shop.mesh.catalog, "publish:shop.orders", holder="another", seconds=60)
    told: Told = []

    def tell(found: ProductRun) -> None:
        told.append((found.product, found.state))
        if found.state == "waiting":  # the other run commits, and ends
            shop.publish()
            release_lease(shop.mesh.catalog, "publish:shop.orders", holder="another")

    assert states(run(shop, tell)) == {"orders": "fresh"}
    assert told == [("shop.orders", "waiting"), ("shop.orders", "fresh")]
    assert [record.version for record in read_versions(shop.mesh.catalog, "shop.orders")] == [0]


def test_two_runs_at_once_publish_every_product_once(shop: Shop) -> None:
    shop.land("a", [order(1)])
    add_product(shop, "left", "select order_id as n from shop.orders")
    add_product(shop, "right", "select order_id + 1 as n from shop.orders")
    shop.reload()
    products = [item.product for item in plan_run(shop.mesh)]
    ended: list[list[ProductRun]] = []

    def one_run() -> None:
        done = run_products(
            shop.mesh,
            products,
            open_spark=lambda: shop.spark,
            why=lambda product: check_staleness(shop.mesh, product).reasons,
            jobs=2,
            tell=lambda _run: None,
        )
        ended.append(done)

    threads = [threading.Thread(target=one_run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [sorted(found.product for found in done) for done in ended] == [sorted(p.name for p in products)] * 2
    for product in products:
        assert sorted(found.state for done in ended for found in done if found.product == product.name) == [
            "fresh",
            "published",
        ]
        assert [record.version for record in read_versions(shop.mesh.catalog, product.name)] == [0]


def test_an_interrupt_cancels_what_runs_and_commits_nothing_of_it(shop: Shop) -> None:
    shop.land("a", [order(1)])
    slow = "select count(*) as n from range(3000000) a join range(3000000) b on hash(a.id, b.id) = 7"
    add_product(shop, "slow", slow)
    add_product(shop, "after", "select n from shop.slow")

    def interrupt() -> None:
        time.sleep(3)  # a job of `slow` runs by then, or its publish is about to start one
        os.kill(os.getpid(), signal.SIGINT)

    def tell(found: ProductRun) -> None:
        if (found.product, found.state) == ("shop.slow", "running"):
            threading.Thread(target=interrupt, daemon=True).start()

    with pytest.raises(KeyboardInterrupt):
        run(shop, tell)
    assert read_versions(shop.mesh.catalog, "shop.slow") == []
    assert read_runs(shop.mesh.catalog, "shop.slow")[0].outcome == "failed"
    assert read_runs(shop.mesh.catalog, "shop.after") == []
    assert acquire_lease(shop.mesh.catalog, "publish:shop.slow", holder="next", seconds=1)
    add_product(shop, "slow", "select 1 as n")
    release_lease(shop.mesh.catalog, "publish:shop.slow", holder="next")
    assert states(run(shop))["after"] == "published"

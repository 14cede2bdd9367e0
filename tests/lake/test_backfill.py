"""Backfill: one interval after another, each once; stopped in the middle, it goes on where it stopped."""

from __future__ import annotations

import copy
import json
from datetime import UTC, date, datetime
from typing import Any

import pytest

from mesh_catalog.access.gate import request_read
from mesh_catalog.catalog.leases import acquire_lease
from mesh_catalog.catalog.runs import read_versions
from mesh_catalog.cli.main import run_command
from mesh_catalog.errors import InputError
from mesh_catalog.lake.backfill import plan_backfill
from mesh_catalog.lake.publish import publish_product
from mesh_catalog.lake.read import read_table
from mesh_catalog.orchestration import leases
from mesh_catalog.specs import Interval
from tests.lake.conftest import ORDERS, Shop, order

COLUMNS: list[dict[str, Any]] = [
    {"name": "day", "logicalType": "date", "required": True, "unique": True, "primaryKey": True},
    {"name": "amount", "logicalType": "number", "logicalTypeOptions": {"maximum": 1000}},
    {"name": "before", "logicalType": "number", "description": "Amount of the day before."},
]
SQL = """
with days as (select cast(ordered_at as date) as day, sum(amount) as amount from shop.orders group by 1)
select day, amount, lag(amount) over (order by day) as before from days
"""
PERIOD = ("--from", "2026-01-01", "--to", "2026-01-05")


def contract(name: str = "daily", **properties: Any) -> dict[str, Any]:
    """The contract of shop.daily, or of another product with the same columns."""
    found = copy.deepcopy(ORDERS) | {"id": f"shop.{name}"}
    found["schema"] = [{"name": name, "properties": COLUMNS}]
    custom = {"writeMode": "overwrite_interval", "eventTime": "day", "lookback": "1d"} | properties
    found["customProperties"] = [{"property": key, "value": value} for key, value in custom.items() if value]
    return found


@pytest.fixture
def daily(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """shop.orders has rows of four days; shop.daily adds them up by day."""
    monkeypatch.setenv("MESH_WORKSPACE", str(shop.root))
    orders: dict[str, Any] = copy.deepcopy(ORDERS)
    orders["customProperties"][1]["value"] = "upsert"
    shop.write("domains/shop/orders/contract.yaml", orders)
    shop.write("domains/shop/daily/contract.yaml", contract())
    shop.write("domains/shop/daily/build.sql", SQL)
    shop.reload()
    shop.land("a", [order(number, day=number) for number in (1, 2, 3, 4)])
    shop.publish()
    return shop


def rows(shop: Shop) -> dict[date, tuple[float, float | None]]:
    frame = read_table(shop.spark, request_read(shop.mesh, "shop.daily", purpose="analysis"))
    return {row["day"]: (row["amount"], row["before"]) for row in frame.collect()}


def versions(shop: Shop) -> int:
    return len(read_versions(shop.mesh.catalog, "shop.daily"))


def test_a_refused_interval_stops_it_and_the_next_call_resumes_there(
    daily: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    daily.land("b", [order(5, day=3, amount=5000)])
    daily.publish()
    daily.write("domains/shop/recent/contract.yaml", contract("recent"))
    daily.write("domains/shop/recent/build.sql", "select * from shop.daily")
    capsys.readouterr()
    assert run_command(["publish", "shop.recent", "shop.daily", *PERIOD]) == 3
    told = capsys.readouterr()
    assert [line.split("   ")[1] for line in told.out.splitlines()] == [
        "2026-01-01 to 2026-01-02",
        "2026-01-02 to 2026-01-03",
    ]
    assert "amount <= 1000" in told.err
    assert "shop.recent   left out: reads shop.daily, which was not finished" in told.err
    assert "stopped at 2026-01-03 to 2026-01-04; the same command goes on there" in told.err
    assert rows(daily) == {date(2026, 1, 1): (10.5, None), date(2026, 1, 2): (10.5, 10.5)}

    assert run_command(["publish", "shop.daily", *PERIOD, "--dry-run", "--json"]) == 0
    planned = json.loads(capsys.readouterr().out)
    assert [step["outcome"] for step in planned] == ["done", "done", "to do", "to do"]

    daily.write("domains/shop/daily/build.sql", SQL.replace("sum(amount)", "sum(least(amount, 500))"))
    assert run_command(["publish", "shop.daily", *PERIOD, "--dry-run", "--json"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert [step["outcome"] for step in again] == ["to do"] * 4  # another transform makes other rows
    daily.write("domains/shop/daily/build.sql", SQL)

    daily.land("c", [order(5, day=3, amount=50)])
    daily.publish()
    capsys.readouterr()
    assert run_command(["publish", "shop.recent", "shop.daily", *PERIOD, "--json"]) == 0
    resumed = json.loads(capsys.readouterr().out)
    assert [step["product"] for step in resumed] == ["shop.daily"] * 4 + ["shop.recent"] * 4
    assert [step["outcome"] for step in resumed] == ["done"] * 2 + ["published"] * 6
    assert rows(daily)[date(2026, 1, 3)] == (60.5, 10.5)
    assert versions(daily) == 4


@pytest.mark.parametrize("option", [PERIOD, ("--together",)])
def test_a_product_that_another_run_publishes_is_left_to_it(
    daily: Shop, capsys: pytest.CaptureFixture[str], option: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "_DEAD_SECONDS", 1.0)
    assert acquire_lease(daily.mesh.catalog, "publish:shop.daily", holder="another", seconds=60)
    products = ["shop.orders", "shop.daily"] if option == ("--together",) else ["shop.daily"]
    assert run_command(["publish", *products, *option]) == 3
    told = capsys.readouterr().err
    assert "shop.daily   waits: another run has its lease" in told
    assert "shop.daily: another run publishes it now. Try again when that has ended." in told
    assert versions(daily) == 0


def test_it_is_idempotent_and_force_does_it_again(daily: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["publish", "shop.daily", "--from", "2026-01-02", "--to", "2026-01-04", "--json"]
    assert run_command([*arguments, "--interval", "2d"]) == 0
    assert rows(daily) == {date(2026, 1, 2): (10.5, 10.5), date(2026, 1, 3): (10.5, 10.5)}
    assert run_command([*arguments, "--interval", "2d"]) == 0
    assert versions(daily) == 1
    daily.land("late", [order(9, day=3)])
    daily.publish()
    capsys.readouterr()
    assert run_command([*arguments, "--interval", "2d", "--force"]) == 0
    assert [step["outcome"] for step in json.loads(capsys.readouterr().out)] == ["published"]
    assert rows(daily) == {date(2026, 1, 2): (10.5, 10.5), date(2026, 1, 3): (21.0, 10.5)}


def test_source_files_are_cut_to_the_interval_and_none_counts_as_consumed(shop: Shop) -> None:
    orders: dict[str, Any] = copy.deepcopy(ORDERS)
    orders["customProperties"][1]["value"] = "overwrite_interval"
    shop.write("domains/shop/orders/contract.yaml", orders)
    shop.reload()
    shop.land("a", [order(1, day=1), order(2, day=2)])
    product = shop.mesh.workspace.product("shop.orders")
    days = [Interval(datetime(2026, 1, day, tzinfo=UTC), datetime(2026, 1, day + 1, tzinfo=UTC)) for day in (1, 2)]
    for step in plan_backfill(shop.mesh, product, days):
        result = publish_product(shop.spark, shop.mesh, product, run_id=step.run_id, interval=step.interval)
        assert result.rows == 1
    assert all(step.done for step in plan_backfill(shop.mesh, product, days))
    assert shop.publish().rows == 2


@pytest.mark.parametrize(
    ("properties", "told"),
    [
        ({"writeMode": "append"}, "written by append would add its rows a second time"),
        ({"writeMode": "overwrite"}, "would drop the rows of every other interval"),
        ({"writeMode": "append", "eventTime": None, "lookback": None}, "does not say when its rows happened"),
        ({"writeMode": "upsert", "readChanges": "shop.orders"}, "mesh publish shop.daily --whole"),
    ],
)
def test_a_product_whose_intervals_cannot_be_written_again_is_refused(
    shop: Shop, properties: dict[str, Any], told: str
) -> None:
    shop.write("domains/shop/daily/contract.yaml", contract(**properties))
    shop.write("domains/shop/daily/build.sql", SQL)
    shop.reload()
    with pytest.raises(InputError, match=told):
        plan_backfill(shop.mesh, shop.mesh.workspace.product("shop.daily"), [])


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["shop.daily", "--from", "2026-01-01"], "--to is missing"),
        (["--from", "2026-01-01", "--to", "2026-01-02"], "--from needs the names of the products"),
        (["shop.daily", "--from", "yesterday", "--to", "2026-01-02"], "--from: 'yesterday' is not a time"),
        (["shop.daily", "--from", "2026-01-02", "--to", "2026-01-02"], "is not after --from"),
        (["shop.daily", *PERIOD, "--interval", "often"], "--interval: 'often' is not a length of time"),
        (["shop.daily", "--from", "1970-01-01", "--to", "2026-01-02", "--interval", "1min"], "more than 10,000"),
        (
            ["shop.daily", "--from", "2026-01-02T06:00", "--to", "2026-01-03"],
            "day is a date, so an interval cannot cut",
        ),
        (["shop.daily", "--force"], "--force needs --from and --to"),
        (["shop.daily", "--whole", "--dry-run"], "--whole goes by itself"),
        (["shop.daily", "--whole"], "reads its inputs whole, so --whole means nothing"),
    ],
)
def test_a_mistyped_period_is_a_sentence(
    daily_contract: Shop, capsys: pytest.CaptureFixture[str], arguments: list[str], told: str
) -> None:
    assert run_command(["publish", *arguments]) == 2
    assert told in capsys.readouterr().err


@pytest.fixture
def daily_contract(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Shop:
    monkeypatch.setenv("MESH_WORKSPACE", str(shop.root))
    shop.write("domains/shop/daily/contract.yaml", contract())
    shop.write("domains/shop/daily/build.sql", SQL)
    return shop

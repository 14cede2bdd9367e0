"""SQL over products: DataFusion gives what Spark gives, and only what is named is opened."""

from __future__ import annotations

import json
import math
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet

import mesh_catalog
from mesh_catalog.access.gate import read_audit, request_read
from mesh_catalog.cli.main import run_command
from mesh_catalog.errors import InputError, MeshError, NotFoundError, StorageError
from mesh_catalog.lake.arrow import preview_rows

from .conftest import Shop, order
from .test_readers import add_kinds, here

__all__ = ["here"]

SAME = """
id + 1 | id - 2 * id | id / 2 | price / 3 | id div 2 | id % 3 | -id | price * 2 | price + 1 | id * 0.1
abs(id - 3) | round(price, 1) | round(id / 3, 2) | floor(price) | ceil(price) | sqrt(id) | exp(id) | ln(id + 1)
pow(id, 2) | sign(id - 2)
upper(name) | lower('ABC') | length(name) | trim('  a ') | ltrim(' a') | rtrim('a ') | substring(name, 2, 2)
substr(name, 1, 1)
concat(name, '-', id) | name || maybe | concat(name, maybe) | replace(name, '고', '구') | name rlike '[12]'
name like '고%' | startswith(name, '고') | initcap('ab cd')
coalesce(maybe, -1) | nvl(maybe, 0) | ifnull(maybe, 0) | nullif(id, 2) | if(even, 1, 2)
case when id > 2 then 'x' else 'y' end | case id when 1 then 'a' end
greatest(id, 2) | least(id, 2) | maybe is null | maybe <=> null | id between 1 and 3 | id in (1, 2) | not even
even and id > 1 | even or id > 1
year(at) | quarter(at) | month(day) | day(day) | dayofmonth(day) | dayofweek(day) | dayofyear(day) | weekofyear(day)
hour(at) | minute(at) | second(at)
extract(year from day) | date_trunc('hour', at) | date_trunc('month', day) | date_add(day, 3) | date_sub(day, 3)
datediff(day, date'2025-12-30') | datediff(at, day)
at > timestamp'2026-01-01 09:00:02' | at >= '2026-01-01 09:00' | at >= '2026-01-01 09:00:02' | day = '2026-01-03'
cast(at as date) | to_date(at) | at + interval 2 hours | day + interval 1 month
cast(id as double) | cast(id as string) | cast(price as double) | cast(day as string) | cast('12' as int)
cast(even as int) | cast(price as int) | cast(day as timestamp) | cast(id as decimal(10,2))
detail.code | detail.code + 1 | detail.tags | points
row_number() over (order by id) | rank() over (order by even) | dense_rank() over (order by even)
lag(id) over (order by id) | lead(id, 2) over (order by id) | sum(id) over (partition by even order by id)
first_value(id) over (order by id) | ntile(2) over (order by id) | count(*) over (partition by even)
"""
SAME_AGGREGATES = """
count(*) | count(maybe) | count(distinct even) | sum(id) | sum(price) | avg(id) | avg(price) | min(name) | max(at)
count_if(id > 2) | sum(maybe) | stddev(id) | stddev_pop(id) | stddev_samp(id)
variance(id) | var_pop(id) | var_samp(id) | corr(id, price) | median(id) | covar_pop(id, price)
covar_samp(id, price) | sum(id) filter (where even) | sum(distinct id) | sum(id) / count(*) | max(price) - min(price)
"""


def expressions(text: str) -> list[str]:
    return [one.strip() for line in text.strip().splitlines() for one in line.split(" | ")]


def same(left: Any, right: Any) -> bool:
    if isinstance(left, float | int) and isinstance(right, float | int) and not isinstance(left, bool):
        return math.isclose(left, right, rel_tol=1e-12)
    if isinstance(left, datetime) and isinstance(right, datetime):
        return left.replace(tzinfo=None) == right.replace(tzinfo=None)
    if type(left).__name__ == "Decimal" or type(right).__name__ == "Decimal":
        return left is not None and right is not None and math.isclose(float(left), float(right), rel_tol=1e-6)
    return bool(left == right)


@pytest.mark.parametrize(("listed", "order_by"), [(SAME, " order by id"), (SAME_AGGREGATES, "")])
def test_what_the_engine_takes_means_what_it_means_on_spark(here: Shop, listed: str, order_by: str) -> None:
    add_kinds(here)
    here.publish("shop.kinds")
    asked = expressions(listed)
    key = "id as the_id, " if order_by else ""
    named = ", ".join(f"{text} as c{number}" for number, text in enumerate(asked))
    spark = mesh_catalog.sql(f"select {key}{named} from shop.kinds{order_by}", spark=True)
    wrong = []
    for number, text in enumerate(asked):
        try:
            found = mesh_catalog.sql(f"select {key}{text} as c from shop.kinds{order_by}")
        except MeshError as error:
            wrong.append(f"{text}: {type(error).__name__} {error}")
            continue
        left, right = found["c"].to_pylist(), spark[f"c{number}"].to_pylist()
        if len(left) != len(right) or not all(map(same, left, right)):
            wrong.append(f"{text}: {left} is not {right}")
    assert not wrong, "\n".join(wrong)


def test_only_the_columns_that_a_query_uses_are_opened_at_the_version_it_names(here: Shop) -> None:
    here.land("a", [order(1), order(2, state="paid")])
    here.publish()
    here.land("b", [order(3, day=2)])
    here.publish()
    table = mesh_catalog.sql(
        "with late as (select Order_ID as Number, amount from shop.orders where state = 'open') "
        "select n.Number, o.total from late n cross join (select count(*) as total from shop.orders@v0) o order by 1"
    )
    assert table.column_names == ["Number", "total"]
    assert table.to_pylist() == [{"Number": 1, "total": 2}, {"Number": 3, "total": 2}]
    assert json.loads(table.schema.metadata[b"mesh.inputs"]) == {"shop.orders@v1": 1, "shop.orders@v0": 0}
    opened = {(event.version, event.columns, event.purpose) for event in read_audit(here.mesh, "shop.orders")}
    assert opened == {(1, ("order_id", "amount", "state"), "analysis"), (0, ("order_id",), "analysis")}


def test_a_limit_holds_also_where_no_column_is_read_and_names_may_repeat(here: Shop) -> None:
    here.land("a", [order(1), order(2), order(3)])
    here.publish()
    assert mesh_catalog.sql("select 'x' as c from shop.orders limit 2").num_rows == 2
    assert mesh_catalog.sql("select 1 as c from (select * from shop.orders limit 1 offset 1) o").num_rows == 1
    assert preview_rows(request_read(here.mesh, "shop.orders", purpose="preview", columns=["email"]), 1).num_rows == 1
    table = mesh_catalog.sql("select order_id, amount, order_id from shop.orders order by 1 limit 1")
    assert table.column_names == ["order_id", "amount", "order_id"]
    assert [column.to_pylist() for column in table.columns] == [[1], [10.5], [1]]


def test_mistakes_in_a_query_are_sentences_and_unknown_products_leave_an_event(here: Shop) -> None:
    here.land("a", [order(1, state="open")])
    here.publish()
    with pytest.raises(NotFoundError, match=r"line 2, column 8 shop\.orders has no column 'amout'.*'amount'"):
        mesh_catalog.sql("select order_id,\n       amout from shop.orders")
    with pytest.raises(NotFoundError, match=r"shop\.order: no such product.*Did you mean 'shop\.orders'"):
        mesh_catalog.sql("select * from shop.order")
    assert [event.allowed for event in read_audit(here.mesh, "shop.order")] == [False]
    with pytest.raises(NotFoundError, match="has no version v9"):
        mesh_catalog.sql("select * from shop.orders@v9")
    with pytest.raises(InputError, match=r"date_format.* --spark"):
        mesh_catalog.sql("select date_format(ordered_at, 'yyyy') from shop.orders")
    assert mesh_catalog.sql("select date_format(ordered_at, 'yyyy') as y from shop.orders", spark=True)["y"][0].as_py()
    with pytest.raises(InputError, match="a row cannot be computed") as failure:
        mesh_catalog.sql("select cast(state as int) from shop.orders")
    assert "open" not in str(failure.value)
    for path in here.location.glob("*.parquet"):
        path.unlink()
    with pytest.raises(StorageError, match=r"shop\.orders v0: 1 of its 1 data files are missing"):
        mesh_catalog.sql("select sum(amount) from shop.orders")


def test_the_verb_prints_a_table_json_csv_and_writes_a_file(
    here: Shop, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    here.land("a", [order(1, state="open"), order(2, state="paid"), order(3)])
    here.publish()
    query = "select order_id, '고객' as `이름`, amount from shop.orders order by 1"
    assert run_command(["sql", query, "--limit", "2"]) == 0
    told = capsys.readouterr()
    assert told.out.splitlines() == ["order_id  이름  amount", "       1  고객    10.5", "       2  고객    10.5"]
    assert told.err.strip() == "the first 2 rows; all: --output rows.parquet   shop.orders v0"
    assert run_command(["sql", query, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"][2] == {"order_id": 3, "이름": "고객", "amount": 10.5}
    target = tmp_path / "rows.parquet"
    assert run_command(["sql", query, "--output", str(target)]) == 0
    assert parquet.read_table(target)["order_id"].to_pylist() == [1, 2, 3]
    assert run_command(["sql", query, "--output", str(tmp_path / "rows.xlsx")]) == 2
    assert run_command(["sql", "select cast(state as int) from shop.orders", "--output", str(target)]) == 2
    assert parquet.read_table(target).num_rows == 3
    assert [path.name for path in tmp_path.glob("*rows*")] == ["rows.parquet"]

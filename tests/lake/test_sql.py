"""SQL over products: DataFusion gives what Spark gives, and only what is named is opened."""

from __future__ import annotations

import json
import math
from datetime import datetime
from typing import Any

import pyarrow as pa
import pytest

import mesh_catalog
from mesh_catalog.access.gate import read_audit
from mesh_catalog.errors import InputError, NotFoundError

from .conftest import Shop, order
from .test_readers import add_kinds, here

__all__ = ["here"]

SAME = """
id + 1 | id - 2 * id | id / 2 | price / 3 | id div 2 | id % 3 | -id | price * 2 | price + 1 | id * 0.1
abs(id - 3) | round(price, 1) | round(id / 3, 2) | floor(price) | ceil(price) | sqrt(id) | exp(id) | ln(id + 1) | pow(id, 2) | sign(id - 2)
upper(name) | lower('ABC') | length(name) | trim('  a ') | ltrim(' a') | rtrim('a ') | substring(name, 2, 2) | substr(name, 1, 1)
concat(name, '-', id) | name || maybe | concat(name, maybe) | replace(name, '고', '구') | name rlike '[12]' | name like '고%' | startswith(name, '고') | initcap('ab cd')
coalesce(maybe, -1) | nvl(maybe, 0) | ifnull(maybe, 0) | nullif(id, 2) | if(even, 1, 2) | case when id > 2 then 'x' else 'y' end | case id when 1 then 'a' end
greatest(id, 2) | least(id, 2) | maybe is null | maybe <=> null | id between 1 and 3 | id in (1, 2) | not even | even and id > 1 | even or id > 1
year(at) | quarter(at) | month(day) | day(day) | dayofmonth(day) | dayofweek(day) | dayofyear(day) | weekofyear(day) | hour(at) | minute(at) | second(at)
extract(year from day) | date_trunc('hour', at) | date_trunc('month', day) | trunc(day, 'MM') | date_add(day, 3) | date_sub(day, 3) | datediff(day, date'2025-12-30') | datediff(at, day)
at > timestamp'2026-01-01 09:00:02' | at >= '2026-01-01 09:00:02' | day = '2026-01-03' | cast(at as date) | to_date(at) | at + interval 2 hours | day + interval 1 month
cast(id as double) | cast(id as string) | cast(price as double) | cast(day as string) | cast('12' as int) | cast(even as int) | cast(price as int) | cast(day as timestamp) | cast(id as decimal(10,2))
detail.code | detail.code + 1 | detail.tags | points
row_number() over (order by id) | rank() over (order by even) | dense_rank() over (order by even) | lag(id) over (order by id) | lead(id, 2) over (order by id) | sum(id) over (partition by even order by id) | first_value(id) over (order by id) | ntile(2) over (order by id) | count(*) over (partition by even)
"""
SAME_AGGREGATES = """
count(*) | count(maybe) | count(distinct even) | sum(id) | sum(price) | avg(id) | avg(price) | min(name) | max(at) | count_if(id > 2) | sum(maybe) | stddev(id) | stddev_pop(id) | stddev_samp(id)
variance(id) | var_pop(id) | var_samp(id) | corr(id, price) | median(id) | covar_pop(id, price) | covar_samp(id, price) | sum(id) filter (where even) | sum(distinct id) | sum(id) / count(*) | max(price) - min(price)
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
        except Exception as error:
            wrong.append(f"{text}: {type(error).__name__} {error}")
            continue
        left, right = found["c"].to_pylist(), spark[f"c{number}"].to_pylist()
        if len(left) != len(right) or not all(map(same, left, right)):
            wrong.append(f"{text}: {left} is not {right}")
    assert not wrong, "\n".join(wrong)

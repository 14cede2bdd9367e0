"""What a query reads, and that it can do nothing else."""

from __future__ import annotations

import pytest

from mesh_catalog.errors import InputError, NotFoundError
from mesh_catalog.lake.sql_dialect import to_datafusion
from mesh_catalog.lake.sql_text import Query, parse_query, resolve_columns, with_views

SCHEMA = {"Id": "bigint", "email": "string", "at": "timestamp", "detail": "struct<code:bigint>"}


def reads(text: str) -> list[tuple[str, int | None, str | None]]:
    return [(one.product, one.version, one.as_of) for one in parse_query(text).inputs]


def used(text: str) -> list[tuple[str, ...]]:
    query: Query = parse_query(text)
    return list(resolve_columns(query, {one.view: SCHEMA for one in query.inputs}).columns.values())


def test_products_and_their_versions_are_found_wherever_they_stand() -> None:
    assert reads("select 1 from a.b@v3 t join a.b on true join c.d VERSION AS OF 4 e on true") == [
        ("a.b", 3, None),
        ("a.b", None, None),
        ("c.d", 4, None),
    ]
    assert reads("select * from `a`.`b` for timestamp as of '2026-05-01' where x in (select x from A.B)") == [
        ("a.b", None, "2026-05-01"),
        ("a.b", None, None),
    ]
    assert reads("select 'c.d@v3' as t, (select max(x) from c.e) from a.b union select 1, 2 from e.f@2") == [
        ("c.e", None, None),
        ("a.b", None, None),
        ("e.f", 2, None),
    ]
    assert reads("with b as (select * from a.b) select * from b") == [("a.b", None, None)]
    assert reads("select 1") == []


def test_the_text_for_spark_keeps_everything_but_the_names() -> None:
    query = parse_query("select /*+ broadcast(t) */ b.x,  'a.b@v3' from a.b@v3 where b.x > 1;")
    view = query.inputs[0].view
    assert with_views(query) == f"select /*+ broadcast(t) */ b.x,  'a.b@v3' from {view} as `b`    where b.x > 1"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("insert into a.b values (1)", "INSERT is no query"),
        ("drop table a.b", "DROP is no query"),
        ("create view a.b as select 1", "CREATE is no query"),
        ("copy a.b to '/tmp/x'", "COPY is no query"),
        ("set x = 1", "SET is no query"),
        ("with x as (select 1) insert into a.b select * from x", "only reads"),
        ("select 1; select 2", "2 statements"),
        ("", "no statements"),
        ("select * from read_files('/etc/passwd')", r"read_files\(\), which reads more"),
        ("select * from csv.`/etc/passwd`", "is no product"),
        ("select * from '/etc/passwd'", "sql: "),
        ("select * from information_schema.tables.x", "is no product"),
        ("select * from passwd", "'passwd', which is no product"),
        ("select reflect('java.lang.System', 'exit', 1) from a.b", r"calls reflect\(\)"),
        ("select java_method('a', 'b')", r"calls java_method\(\)"),
        ("select * into x from a.b", "sql: "),
        ("select transform(x) using 'cat' as y from a.b", "sql: "),
        ("select * from a.b@latest", "'@' is not followed by a version"),
        ("select * from a.b version as of 'x'", "needs a number"),
        ("select a,\n from where", "line 2, column"),
        ("select 'open from a.b", "quotation mark"),
        ("select x from a.b where (x = ", "line 1, column"),
    ],
)
def test_what_is_no_single_reading_query_is_refused(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_query(text)


def test_the_columns_that_are_used_are_told_also_through_parts_stars_and_other_spellings() -> None:
    assert used("select ID from a.b where at > '2026-01-01'") == [("Id", "at")]
    assert used("with t as (select *, 1 as one from a.b) select t.one from t") == [tuple(SCHEMA)]
    assert used("select count(*) from a.b") == [("Id",)]
    assert used("select x.id, y.email from a.b x join c.d y on x.id = y.id") == [("Id",), ("Id", "email")]
    assert used("select detail.code from a.b b1 where exists (select 1 from c.d d where d.email = b1.email)") == [
        ("email", "detail"),
        ("email",),
    ]


def test_a_column_that_is_nowhere_is_named_with_its_place_and_the_nearest() -> None:
    with pytest.raises(NotFoundError, match=r"line 2, column 3 a\.b has no column 'emial'\. Did you mean 'email'"):
        used("select id,\n  emial from a.b")
    with pytest.raises(InputError, match="Write it with its table"):
        used("select email from a.b x join c.d y on x.id = y.id")


@pytest.mark.parametrize(
    "text",
    [
        "select date_format(at, 'yyyy') from a.b",
        "select percentile_approx(id, 0.5) from a.b",
        "select explode(array(1)) from a.b",
        "select cast(at as string) from a.b",
        "select extract(dow from at) from a.b",
        "select nonsense(id) from a.b",
        "select id from a.b tablesample (10 percent)",
    ],
)
def test_what_means_something_else_without_spark_is_not_run_there(text: str) -> None:
    query = parse_query(text)
    resolved = resolve_columns(query, {one.view: SCHEMA for one in query.inputs})
    with pytest.raises(InputError, match="--spark"):
        to_datafusion(resolved.tree)

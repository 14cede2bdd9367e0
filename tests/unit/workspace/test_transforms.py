from __future__ import annotations

from pathlib import Path

import pytest

from mesh_catalog.contracts.contract import Contract
from mesh_catalog.errors import DocumentError
from mesh_catalog.specs import DomainSpec, ProductSpec, SourceSpec
from mesh_catalog.workspace import product_reads
from tests.unit.workspace.samples import write


def _product(folder: Path, name: str, text: str, *, source: bool = False) -> ProductSpec:
    return ProductSpec(
        name="shop.daily",
        domain=DomainSpec(name="shop", owner=None, path=folder),
        folder=folder,
        contract=Contract(id="shop.daily", version="1.0.0", status="active", columns=()),
        build=write(folder, name, text),
        source=SourceSpec(path="a", format="parquet") if source else None,
    )


@pytest.mark.parametrize(
    ("sql", "reads"),
    [
        ("select * from shop.orders", ("shop.orders",)),
        ("select * from shop.b join shop.a using (x) join shop.b using (y)", ("shop.b", "shop.a")),
        ("with o as (select * from shop.orders) select * from o", ("shop.orders",)),
        (
            "select (select max(x) from shop.a) from shop.b where exists (select 1 from shop.c)",
            ("shop.a", "shop.b", "shop.c"),
        ),
        ("select 1 as a union all select a from shop.orders;", ("shop.orders",)),
        ("-- nothing but numbers\nselect id from range(10)", ()),
        ("select * from shop.a lateral view explode(xs) t as x", ("shop.a",)),
        ("select * from `shop`.`orders` o", ("shop.orders",)),
        ("from shop.orders select *", ("shop.orders",)),
    ],
)
def test_a_query_names_its_inputs(tmp_path: Path, sql: str, reads: tuple[str, ...]) -> None:
    assert product_reads(_product(tmp_path, "build.sql", sql)) == reads


def test_a_product_may_read_its_own_source(tmp_path: Path) -> None:
    assert product_reads(_product(tmp_path, "build.sql", "select * from source", source=True)) == ("source",)


@pytest.mark.parametrize(
    ("sql", "line", "sentence"),
    [
        ("select\nfrom where", 2, "is not SQL"),
        ("", None, "holds 0 statements"),
        ("select", 1, "selects nothing"),
        ("select 1; select 2", None, "holds 2 statements"),
        ("drop table shop.orders", 1, "is DROP, not a query"),
        ("insert into shop.a select 1", 1, "is INSERT, not a query"),
        ("select *\nfrom orders", 2, "'orders' is not a product's name"),
        ("select * from sorce", 1, "Did you mean 'source'"),
        ("select * from a.b.c", 1, "not a product's name"),
        ("select * from parquet.`/etc/passwd`", 1, "not a product's name"),
        ("select * from read_files('/etc')", 1, "calls read_files"),
        ("select * from table_changes('shop.a', 0)", 1, "reads from table_changes"),
        ("select *\nfrom shop.a\nwhere reflect('java.lang.System', 'exit') = 1", None, "calls reflect"),
        ("select transform(a) using 'cat' from shop.a", None, "holds QUERYTRANSFORM"),
        ("select * into x from shop.a", None, "holds INTO"),
        ("select * from Shop.Orders", 1, "in lower case"),
        ("select * from shop.a version as of 3", 1, "pins versions"),
        ("select * from shop.daily", 1, "reads itself"),
        ("select * from source", 1, "has no source.yaml"),
    ],
)
def test_sql_that_is_more_than_one_query_over_products_is_refused(
    tmp_path: Path, sql: str, line: int | None, sentence: str
) -> None:
    with pytest.raises(DocumentError, match=sentence) as caught:
        product_reads(_product(tmp_path, "build.sql", sql))
    if line is not None:
        assert caught.value.line == line


def test_a_source_that_nothing_reads_or_that_a_with_part_hides_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match="does not read `source`"):
        product_reads(_product(tmp_path, "build.sql", "select * from shop.a", source=True))
    hidden = "with source as (select * from source) select * from source"
    with pytest.raises(DocumentError, match="Call it otherwise"):
        product_reads(_product(tmp_path, "build.sql", hidden, source=True))


def test_python_names_its_inputs_in_the_decorator_and_is_not_run(tmp_path: Path) -> None:
    text = """\
    import mesh_catalog
    raise SystemExit("never run")

    @mesh_catalog.build(reads=["shop.b", "shop.a"])
    def daily(b, a):
        return b
    """
    assert product_reads(_product(tmp_path, "build.py", text)) == ("shop.b", "shop.a")


@pytest.mark.parametrize(
    ("text", "line", "sentence"),
    [
        ("def f(:", 1, "is not Python"),
        ("def f(a):\n    return a\n", None, "no function is marked"),
        ("@build(reads=['s.a'])\ndef f(a): ...\n@build(reads=['s.a'])\ndef g(a): ...\n", 3, "2 functions are marked"),
        ("@build\ndef f(a): ...\n", 1, "needs reads"),
        ("@build(reads=names)\ndef f(a): ...\n", 1, "needs reads"),
        ("@build(reads=['s.a', f()])\ndef f(a): ...\n", 1, "not a plain text"),
        ("@build(reads=['s.a', 's.a'])\ndef f(a, b): ...\n", 1, "twice"),
        ("@build(reads=['s.a'])\ndef f(a, b): ...\n", 2, "takes 2 arguments, but reads names 1"),
        ("\n@build(reads=['orders'])\ndef f(a): ...\n", 2, "not a product's name"),
        ("x = '\x00'", None, "is not Python"),
    ],
)
def test_a_build_py_without_one_plain_decorator_is_refused(
    tmp_path: Path, text: str, line: int | None, sentence: str
) -> None:
    with pytest.raises(DocumentError, match=sentence) as caught:
        product_reads(_product(tmp_path, "build.py", text))
    if line is not None:
        assert caught.value.line == line

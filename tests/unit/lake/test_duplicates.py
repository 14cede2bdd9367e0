"""What is near-equal, and what only looks so: single pairs here, whole meshes in benchmarks/duplicates.py."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.duplicates import measure
from mesh_catalog.cli.main import run_command
from mesh_catalog.lake.collect import column_kind
from mesh_catalog.lake.duplicates.columns import ColumnCounts, compare_columns
from mesh_catalog.lake.duplicates.definitions import dashboard_pairs, kpi_pairs
from mesh_catalog.lake.duplicates.shapes import read_shape
from mesh_catalog.lake.duplicates.tables import TableFacts, TablePair, find_pairs
from mesh_catalog.lake.profile import Profile
from mesh_catalog.lake.tally import tally_of
from mesh_catalog.workspace import load_workspace
from tests.unit.workspace.samples import fill, write

TYPES = {"paid_at": "timestamp", "amount": "double", "shop": "string", "customer": "bigint", "pieces": "bigint"}
SCHEMAS = {"a.payments": TYPES, "source": TYPES}


def rows(seed: int, count: int = 3000) -> pa.Table:
    """Rows of one distribution; another seed gives others."""
    rng = np.random.default_rng(seed)
    return pa.table(
        {
            "paid_at": pa.array(1_760_000_000_000_000 + rng.integers(0, 2_592_000_000_000, count), pa.timestamp("us")),
            "amount": np.round(rng.lognormal(3, 1, count), 2),
            "shop": rng.choice(["north", "south", "web"], count),
            "customer": rng.integers(1, 5_000, count),
            "pieces": rng.poisson(4, count),
        }
    )


def facts(name: str, table: pa.Table, **more: Any) -> TableFacts:
    types: Mapping[str, str] = dict(zip(table.column_names, TYPES.values(), strict=False))
    columns = {}
    for column, kind in types.items():
        tally = tally_of(column_kind(kind), withheld=False)
        tally.add(table[column].combine_chunks())
        columns[column] = tally.profile()
    return TableFacts(name=name, columns=types, profile=Profile(rows=table.num_rows, columns=columns), **more)


def only(*tables: TableFacts) -> TablePair:
    (pair,) = find_pairs(tables)
    return pair


def test_a_copy_with_other_names_is_found_with_what_became_what() -> None:
    renamed = rows(1).rename_columns(["zeit", "betrag", "laden", "kunde", "stueck"])
    pair = only(facts("a.payments", rows(1)), facts("b.zahlungen", renamed))
    assert (pair.original, pair.copy, pair.kind) == ("a.payments", "b.zahlungen", "copy")
    assert pair.columns["betrag"] == "amount"
    assert len(pair.columns) == 5


def test_a_filtered_part_is_found_though_nothing_links_it() -> None:
    part = rows(1).filter(pc.greater(rows(1)["amount"], 30.0))
    pair = only(facts("a.payments", rows(1)), facts("b.large", part))
    assert (pair.original, pair.copy, pair.kind) == ("a.payments", "b.large", "subset")


@pytest.mark.parametrize("count", [300, 3000, 9000])
def test_other_rows_of_one_shape_and_distribution_are_no_duplicate(count: int) -> None:
    assert find_pairs([facts("a.kr", rows(1, count)), facts("a.us", rows(2, 3000))]) == []


def test_a_transform_written_twice_is_found_without_any_profile() -> None:
    one = (
        "select shop, sum(amount) as total, count(*) as n from a.payments where amount > 0 and pieces < 9 group by shop"
    )
    two = (
        "with p as (select * from a.payments where 9 > pieces) "
        "SELECT COUNT(*) n, p.SHOP AS shop, SUM(p.amount) total FROM p WHERE 0 < amount GROUP BY 2"
    )
    columns = {"shop": "string", "total": "double", "n": "bigint"}
    tables = [
        TableFacts(name=name, columns=columns, shape=read_shape(text, SCHEMAS), reads=frozenset({"a.payments"}))
        for name, text in (("a.one", one), ("b.two", two))
    ]
    pair = only(*tables)
    assert (pair.kind, {pair.original, pair.copy}) == ("transform", {"a.one", "b.two"})
    other = read_shape(one.replace("sum(amount)", "max(amount)").replace("count(*)", "count(customer)"), SCHEMAS)
    assert find_pairs([tables[0], TableFacts(name="b.x", columns=columns, shape=other, reads=tables[0].reads)]) == []


def test_what_reads_a_product_and_computes_more_is_derived() -> None:
    text = "select *, amount * 2 as twice, amount * 3 as thrice, pieces + 1 as more from a.payments"
    table = rows(1).append_column("twice", pc.multiply(rows(1)["amount"], 2.0))
    derived = facts("b.features", table, shape=read_shape(text, SCHEMAS), reads=frozenset({"a.payments"}))
    assert find_pairs([facts("a.payments", rows(1)), derived]) == []
    plain = read_shape(
        "select paid_at, amount, shop, customer, pieces as n from a.payments where shop = 'web'", SCHEMAS
    )
    part = rows(1).filter(pc.equal(rows(1)["shop"], "web"))
    pair = only(facts("a.payments", rows(1)), facts("b.web", part, shape=plain, reads=frozenset({"a.payments"})))
    assert pair.kind == "subset"
    assert "picks rows from a.payments" in " ".join(pair.evidence)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32), st.floats(0.02, 1.0), st.sampled_from(["amount", "shop", "customer", "pieces", "paid_at"])
)
def test_a_real_part_of_a_column_is_never_said_to_be_of_another(seed: int, share: float, name: str) -> None:
    whole = rows(seed % 7, 2000)
    kept = random.Random(seed).sample(range(2000), max(1, int(2000 * share)))
    part = facts("x.part", whole.take(kept)).counts[name]
    assert compare_columns(part, facts("x.whole", whole).counts[name]) is not None


def test_a_column_that_numbers_rows_is_no_evidence() -> None:
    def numbered(count: int) -> ColumnCounts:
        tally = tally_of("integer", withheld=False)
        tally.add(pa.array(range(1, count + 1)))
        return ColumnCounts(tally.profile())

    match = compare_columns(numbered(500), numbered(2000))
    assert match is not None
    assert match.bits == 0


def test_kpis_and_dashboards_that_mean_the_same_are_found(workspace_dir: Path) -> None:
    fill(workspace_dir)
    write(
        workspace_dir,
        "domains/shop/kpis.yaml",
        "kpis:\n  - {name: revenue, source: shop.orders, formula: sum(amount)}\n"
        "  - {name: turnover, source: shop.orders, formula: SUM( Amount )}\n"
        "  - {name: net, source: shop.orders, formula: sum(amount), filters: [not returned]}\n"
        "  - {name: orders_made, source: shop.orders, formula: count(*)}\n",
    )
    write(
        workspace_dir,
        "domains/shop/dashboards.yaml",
        "dashboards:\n  - {name: a, title: Weekly turnover, reads: [shop.orders]}\n"
        "  - {name: b, title: turnover weekly, reads: [shop.orders]}\n"
        "  - {name: c, title: Returns by city, reads: [shop.orders]}\n"
        "  - {name: d, url: 'https://bi.example.org/7', reads: [shop.orders]}\n"
        "  - {name: e, url: 'https://bi.example.org/7/', reads: [shop.activity]}\n",
    )
    workspace = load_workspace(workspace_dir)
    kpis = {(one.original, one.copy): one.relation for one in kpi_pairs(list(workspace.kpis.values()), {})}
    assert kpis == {
        ("shop.revenue", "shop.turnover"): "copy",
        ("shop.revenue", "shop.net"): "subset",
        ("shop.turnover", "shop.net"): "subset",
    }
    pairs = {(one.original, one.copy) for one in dashboard_pairs(list(workspace.dashboards.values()), {})}
    assert pairs == {("shop.a", "shop.b"), ("shop.d", "shop.e")}


def test_the_verb_says_what_is_twice_in_a_workspace(
    workspace_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(workspace_dir)
    columns = "properties:\n      - {name: customer, logicalType: integer, classification: personal}\n"
    for name in ("one", "two"):
        write(
            workspace_dir,
            f"domains/shop/{name}/contract.yaml",
            f"apiVersion: v3.1.0\nkind: DataContract\nid: shop.{name}\nversion: 1.0.0\nstatus: active\nschema:\n"
            f"  - name: {name}\n    {columns}      - {{name: paid, logicalType: number}}\n",
        )
    write(
        workspace_dir, "domains/shop/one/build.sql", "select customer, sum(amount) as paid from shop.orders group by 1"
    )
    write(
        workspace_dir,
        "domains/shop/two/build.sql",
        "select o.customer, sum(o.amount) as paid from shop.orders o group by o.customer",
    )
    monkeypatch.chdir(workspace_dir)
    assert run_command(["duplicates", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["duplicates"]
    assert (found["original"], found["copy"], found["relation"]) == ("shop.one", "shop.two", "transform")
    assert (found["size_bytes"], found["builds"]) == (None, 0)
    assert run_command(["duplicates", "shop.orders"]) == 0
    assert "nothing is there twice" in capsys.readouterr().err
    assert run_command(["duplicates", "shop.nothing"]) == 4


def test_a_small_mesh_of_the_benchmark_holds_the_bars() -> None:
    found = measure(7, 150, 12, verbose=False)
    assert found["recall"] >= 0.9
    assert found["precision"] >= 0.9

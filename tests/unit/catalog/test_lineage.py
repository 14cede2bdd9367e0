from __future__ import annotations

import pytest

from mesh_catalog.catalog.assets import register_product, sync_workspace
from mesh_catalog.catalog.edges import plan_edges
from mesh_catalog.catalog.lineage import LineageGraph, lineage, reached
from mesh_catalog.catalog.store import Catalog
from mesh_catalog.errors import NotFoundError, StorageError
from mesh_catalog.workspace import Workspace, load_workspace
from tests.unit.catalog.conftest import ON_BOTH
from tests.unit.catalog.samples import amount_edge, dataset_contract, publish, train

pytestmark = ON_BOTH

TRANSACTIONS, DAILY, MODEL = "payments.transactions", "payments.daily", "payments.fraud"


def drawn(graph: LineageGraph) -> set[tuple[str, str]]:
    return {(link.source[1], link.target[1]) for link in graph.links}


def test_what_folders_declare_is_drawn_before_anything_ran(catalog: Catalog) -> None:
    graph = lineage(catalog, DAILY, direction="upstream")
    assert drawn(graph) == {(TRANSACTIONS, DAILY), (TRANSACTIONS, TRANSACTIONS)}
    assert {node.kind for node in graph.nodes} == {"product", "source"}
    assert all(link.planned and link.seen == "declared" for link in graph.links)
    assert drawn(lineage(catalog, TRANSACTIONS, direction="downstream")) == {
        (TRANSACTIONS, DAILY),
        (TRANSACTIONS, MODEL),
    }


def test_an_edge_says_who_saw_it_and_differences_are_shown(catalog: Catalog) -> None:
    publish(catalog, TRANSACTIONS, 0, source_files=["landing/a.csv", "landing/b.csv"])
    publish(catalog, DAILY, 0, inputs={TRANSACTIONS: 0}, column_edges=[amount_edge()])
    graph = lineage(catalog, DAILY, direction="upstream")
    seen = {link.source[0]: link for link in graph.links}
    assert (seen["product"].seen, seen["product"].planned) == ("both", False)
    assert seen["source"].seen == "declared"
    assert graph.differences == ()
    assert "landing/*.csv (2 files read)" in [node.label for node in graph.nodes]

    register_product(catalog, dataset_contract("payments.rates", "rate"), domain="payments", owner="ana")
    publish(catalog, "payments.rates", 0)
    more = [amount_edge(), amount_edge(from_product="payments.rates", from_column="rate")]
    publish(catalog, DAILY, 1, inputs={TRANSACTIONS: 0}, column_edges=more)
    difference = lineage(catalog, DAILY, direction="upstream").differences
    assert [(link.source[1], link.seen) for link in difference] == [("payments.rates", "openlineage")]


def test_columns_are_followed_with_what_was_done_to_them(catalog: Catalog) -> None:
    publish(catalog, TRANSACTIONS, 0)
    edges = [amount_edge(), amount_edge(kind="CONDITION"), amount_edge(source="declared")]
    publish(catalog, DAILY, 0, inputs={TRANSACTIONS: 0}, column_edges=edges)
    for direction, name in (("upstream", DAILY), ("downstream", TRANSACTIONS)):
        (link,) = lineage(catalog, name, direction=direction, columns=True).columns  # type: ignore[arg-type]
        assert (link.from_column, link.to_column, link.seen) == ("tx_amount", "amount_eur", "both")
        assert link.kinds == ("AGGREGATION", "CONDITION")
    assert lineage(catalog, DAILY, direction="upstream").columns == ()


def test_a_model_comes_from_its_training_data_and_the_data_leads_to_the_model(catalog: Catalog) -> None:
    publish(catalog, TRANSACTIONS, 0, source_files=["a.csv"])
    train(catalog)
    predictions = dataset_contract(f"{MODEL}__predictions", "score")
    register_product(catalog, predictions, domain="payments", owner="payments-team")
    publish(catalog, predictions.id, 0, inputs={TRANSACTIONS: 0})
    assert drawn(lineage(catalog, MODEL, direction="upstream")) == {
        (f"{MODEL}@1", MODEL),
        (f"{MODEL}__training", f"{MODEL}@1"),
        (TRANSACTIONS, f"{MODEL}__training"),
        (TRANSACTIONS, TRANSACTIONS),
    }
    reached = {node.name for node in lineage(catalog, TRANSACTIONS, direction="downstream").nodes}
    assert reached == {TRANSACTIONS, DAILY, f"{MODEL}__training", f"{MODEL}@1", MODEL, predictions.id}
    train(catalog, version=2)
    assert {f"{MODEL}@1", f"{MODEL}@2"} <= {n.name for n in lineage(catalog, MODEL, direction="upstream").nodes}


def test_what_an_overwrite_replaced_is_history_and_what_an_append_kept_is_not(catalog: Catalog) -> None:
    for name in ("payments.old", "payments.new"):
        register_product(catalog, dataset_contract(name, "x"), domain="payments", owner="ana")
        publish(catalog, name, 0)
    publish(catalog, DAILY, 0, inputs={"payments.old": 0})
    publish(catalog, DAILY, 1, inputs={"payments.new": 0}, changes={"kept_from": 0})
    sources = {source for source, _ in drawn(lineage(catalog, DAILY, direction="upstream"))}
    assert {"payments.old", "payments.new"} <= sources
    publish(catalog, DAILY, 2, inputs={"payments.new": 0}, changes={"kept_from": 2})
    sources = {source for source, _ in drawn(lineage(catalog, DAILY, direction="upstream"))}
    assert "payments.new" in sources and "payments.old" not in sources
    assert drawn(lineage(catalog, "payments.old", direction="downstream")) == set()


def test_a_repair_that_tells_of_an_older_version_late_does_not_age_an_edge(catalog: Catalog) -> None:
    publish(catalog, TRANSACTIONS, 0)
    publish(catalog, DAILY, 1, inputs={TRANSACTIONS: 0}, changes={"kept_from": 1})
    publish(catalog, DAILY, 0, inputs={TRANSACTIONS: 0}, changes={"kept_from": 0})
    (link,) = [link for link in lineage(catalog, DAILY, direction="upstream").links if link.target[1] == DAILY]
    assert not link.planned


def test_a_transform_that_reads_something_else_plans_it_at_the_next_sync(
    catalog: Catalog, workspace: Workspace
) -> None:
    build = workspace.root / "domains" / "payments" / "daily" / "build.sql"
    build.write_text("select date'2026-05-01' as day, 1.0 as amount_eur")
    sync_workspace(catalog, load_workspace(workspace.root))
    assert drawn(lineage(catalog, DAILY, direction="upstream")) == set()


def test_an_edge_to_an_unknown_product_makes_the_answer_an_error(catalog: Catalog) -> None:
    publish(catalog, DAILY, 0, inputs={"ledger.ghost": 0})
    with pytest.raises(StorageError, match=r"upstream lineage is incomplete. It leads to product 'ledger\.ghost'"):
        lineage(catalog, DAILY, direction="upstream")
    with catalog.write() as connection:
        plan_edges(connection, "product", "ledger.phantom", [("product", DAILY)])
    with pytest.raises(StorageError, match=r"downstream lineage is incomplete. It leads to product 'ledger\.phantom'"):
        reached(catalog, TRANSACTIONS, direction="downstream")


def test_an_edge_to_an_unknown_column_makes_the_answer_an_error(catalog: Catalog) -> None:
    publish(catalog, TRANSACTIONS, 0)
    publish(catalog, DAILY, 0, inputs={TRANSACTIONS: 0}, column_edges=[amount_edge(from_column="ghost")])
    with pytest.raises(StorageError, match=r"column 'payments\.transactions\.ghost'"):
        lineage(catalog, DAILY, direction="upstream", columns=True)


def test_an_unknown_name_has_no_lineage(catalog: Catalog) -> None:
    with pytest.raises(NotFoundError, match=r"Did you mean 'payments\.daily'"):
        lineage(catalog, "payments.dayly", direction="upstream")


def test_a_loop_ends(catalog: Catalog) -> None:
    publish(catalog, TRANSACTIONS, 0, inputs={DAILY: 0})
    publish(catalog, DAILY, 0, inputs={TRANSACTIONS: 0})
    assert {(DAILY, TRANSACTIONS), (TRANSACTIONS, DAILY)} <= drawn(lineage(catalog, DAILY, direction="upstream"))


def test_a_long_chain_of_products_is_followed_to_its_end(catalog: Catalog) -> None:
    from mesh_catalog.catalog.edges import plan_edges

    for index in range(300):
        register_product(catalog, dataset_contract(f"payments.step{index}", "x"), domain="payments", owner="ana")
    with catalog.write() as connection:
        for index in range(1, 300):
            plan_edges(connection, "product", f"payments.step{index}", [("product", f"payments.step{index - 1}")])
    assert len(lineage(catalog, "payments.step299", direction="upstream").nodes) == 300


def test_whom_a_change_reaches_are_the_nodes_of_the_lineage_without_its_links(catalog: Catalog) -> None:
    predictions = dataset_contract(f"{MODEL}__predictions", "score")
    register_product(catalog, predictions, domain="payments", owner=None)
    register_product(catalog, dataset_contract("payments.rates", "rate"), domain="payments", owner="ana")
    register_product(catalog, dataset_contract("payments.yearly", "amount"), domain="payments", owner="bo")
    publish(catalog, TRANSACTIONS, 0, source_files=["landing/a.csv"])
    publish(catalog, DAILY, 0, inputs={TRANSACTIONS: 0, "payments.rates": 0}, column_edges=[amount_edge()])
    publish(catalog, "payments.yearly", 0, inputs={DAILY: 0})
    publish(catalog, "payments.yearly", 1, inputs={TRANSACTIONS: 0}, changes={"mode": "overwrite", "kept_from": 1})
    train(catalog)
    publish(catalog, predictions.id, 0, inputs={TRANSACTIONS: 0})
    for direction in ("downstream", "upstream"):
        for name in (TRANSACTIONS, DAILY, "payments.rates", "payments.yearly", MODEL, predictions.id):
            nodes = lineage(catalog, name, direction=direction).nodes
            assert reached(catalog, name, direction=direction) == nodes[1:]
    after = {node.name: node for node in reached(catalog, TRANSACTIONS, direction="downstream")}
    assert {DAILY, MODEL, "payments.yearly"} <= after.keys()
    assert (after["payments.yearly"].version, after["payments.yearly"].owner) == (1, "bo")
    assert reached(catalog, DAILY, direction="downstream") == ()  # yearly was replaced by one that is not of it

from __future__ import annotations

from typing import Any

import pytest

from mesh_catalog.catalog.impact import column_impact, split_column
from mesh_catalog.catalog.lineage import lineage
from mesh_catalog.catalog.openlineage.ingest import ingest, parse_events
from mesh_catalog.catalog.openlineage.naming import location_resolver
from mesh_catalog.catalog.openlineage.reading import read_outside_runs
from mesh_catalog.catalog.search import find, search
from mesh_catalog.catalog.store import Catalog
from mesh_catalog.errors import NotFoundError, StorageError
from tests.openlineage import FACET, PRODUCER, at, column_flows, columns, dataset, flows, run_event, take
from tests.unit.catalog.conftest import ON_BOTH
from tests.unit.catalog.samples import publish

pytestmark = ON_BOTH

A, B, C, LOAD = "warehouse#a", "warehouse#b", "warehouse#c", "etl#load"
RUN2, RUN3 = "605f451b-c768-4c77-9ff4-8501f6324513", "705f451b-c768-4c77-9ff4-8501f6324513"
STREAMING = {"jobType": FACET | {"processingType": "STREAMING", "integration": "FLINK"}}


def change(kind: str, **more: Any) -> dict[str, Any]:
    return {"lifecycleStateChange": kind, **more}


def alias(name: str, namespace: str = "hive") -> dict[str, Any]:
    return {"identifiers": [{"namespace": namespace, "name": name, "type": "TABLE"}]}


def test_what_a_run_reads_and_writes_adds_up_over_its_events(empty: Catalog) -> None:
    take(empty, [run_event("START", 0, inputs=[dataset("a")])])
    assert flows(empty) == set()
    take(empty, [run_event("RUNNING", 1, inputs=[dataset("b")], outputs=[dataset("c")])])
    assert flows(empty) == set()
    take(empty, [run_event("COMPLETE", 2)])
    assert flows(empty) == {(A, LOAD), (B, LOAD), (LOAD, C)}
    (run,) = read_outside_runs(empty, C)
    assert (run.state, set(run.inputs), set(run.outputs)) == ("COMPLETE", {A, B}, {C})


@pytest.mark.parametrize("end", ["FAIL", "ABORT"])
def test_a_run_that_failed_is_known_and_gives_no_edge(empty: Catalog, end: str) -> None:
    take(empty, [run_event("START", 0, inputs=[dataset("a")], outputs=[dataset("b")]), run_event(end, 1)])
    assert flows(empty) == set() and column_flows(empty) == set()
    assert [run.state for run in read_outside_runs(empty, LOAD)] == [end]


def test_a_stream_that_never_ends_counts_while_it_runs(empty: Catalog) -> None:
    took: dict[str, Any] = {"inputs": [dataset("a")], "outputs": [dataset("b")], "job_facets": STREAMING}
    take(empty, [run_event("START", 0, **took), run_event("RUNNING", 1)])
    assert flows(empty) == {(A, LOAD), (LOAD, B)}
    assert lineage(empty, B, direction="upstream").complete
    take(empty, [run_event("FAIL", 2)])
    assert flows(empty) == {(A, LOAD), (LOAD, B)}  # it had written until then


def test_names_that_symlinks_tie_together_are_one_dataset_also_when_told_late(empty: Catalog) -> None:
    take(empty, [run_event("COMPLETE", 0, outputs=[{"namespace": "hive", "name": "db.a"}])])
    take(empty, [run_event("COMPLETE", 1, run=RUN2, job="use", inputs=[dataset("a")])])
    assert flows(empty) == {(LOAD, "hive#db.a"), (A, "etl#use")}
    take(empty, [run_event("COMPLETE", 2, run=RUN3, job="tell", inputs=[dataset("a", symlinks=alias("db.a"))])])
    assert flows(empty) == {(LOAD, "hive#db.a"), ("hive#db.a", "etl#use"), ("hive#db.a", "etl#tell")}
    assert lineage(empty, A, direction="downstream").root == ("dataset", "hive#db.a")


def test_what_was_written_before_a_drop_is_history_and_what_came_after_is_not(empty: Catalog) -> None:
    events = [
        run_event("COMPLETE", 0, outputs=[dataset("b", columnLineage=columns(x=("a", "y")))], inputs=[dataset("a")]),
        run_event("COMPLETE", 5, run=RUN2, job="drop", outputs=[dataset("b", lifecycleStateChange=change("DROP"))]),
    ]
    take(empty, reversed(events))
    assert flows(empty) == {(A, LOAD)} and column_flows(empty) == set()
    take(empty, [run_event("COMPLETE", 9, run=RUN3, outputs=[dataset("b")])])
    assert flows(empty) == {(A, LOAD), (LOAD, B)}


def test_a_renamed_table_keeps_its_lineage_under_its_new_name(empty: Catalog) -> None:
    renamed = change("RENAME", previousIdentifier={"namespace": "warehouse", "name": "a"})
    take(empty, [run_event("COMPLETE", 0, outputs=[dataset("a")])])
    take(
        empty, [run_event("COMPLETE", 1, run=RUN2, job="rename", outputs=[dataset("z", lifecycleStateChange=renamed)])]
    )
    assert (LOAD, "warehouse#z") in flows(empty)
    assert lineage(empty, A, direction="upstream").root == ("dataset", "warehouse#z")


def test_a_newer_declaration_takes_the_place_of_an_older_one_whichever_comes_first(url: str, empty: Catalog) -> None:
    job = {"namespace": "etl", "name": "load"}
    old = {
        **PRODUCER,
        "eventTime": at(0),
        "job": job,
        "inputs": [dataset("a"), dataset("b")],
        "outputs": [dataset("c")],
    }
    new = {**PRODUCER, "eventTime": at(1), "job": job, "inputs": [dataset("a")], "outputs": [dataset("c")]}
    take(empty, [new])
    take(empty, [old])
    assert flows(empty) == {(A, LOAD), (LOAD, C)}
    lineage_facet = {"inputs": [{"namespace": "warehouse", "name": "b", "type": "DATASET"}]}
    take(empty, [{**PRODUCER, "eventTime": at(2), "dataset": dataset("a", lineage=lineage_facet)}])
    assert (B, A) in flows(empty)
    take(empty, [{**PRODUCER, "eventTime": at(3), "dataset": dataset("a", lineage={"inputs": []})}])
    assert (B, A) not in flows(empty)


def test_tables_of_the_mesh_are_its_products_in_one_graph_with_what_is_outside(catalog: Catalog) -> None:
    publish(catalog, "payments.transactions", 0)
    resolve = location_resolver("/data/lake", {"payments.daily": "s3a://other/daily"})
    ours = {"namespace": "file", "name": "/data/lake/payments/transactions", "facets": {}}
    adopted = {"namespace": "s3://other", "name": "daily"}
    stranger = {"namespace": "file", "name": "/data/lake/payments/unknown"}
    event = run_event("COMPLETE", 0, inputs=[ours, stranger], outputs=[adopted, dataset("b")])
    take(catalog, [event], resolve)
    assert {("payments.transactions", LOAD), (LOAD, "payments.daily"), (LOAD, B)} <= flows(catalog)
    reached = {node.name for node in lineage(catalog, "payments.transactions", direction="downstream").nodes}
    assert {B, LOAD, "payments.daily"} <= reached
    assert ("file#/data/lake/payments/unknown", LOAD) in flows(catalog)


def test_the_meshs_own_runs_are_passed_over(catalog: Catalog) -> None:
    run_id = publish(catalog, "payments.transactions", 0)
    before = flows(catalog)
    event = run_event("COMPLETE", 0, outputs=[dataset("b")], run_facets={"mesh_run": FACET | {"id": run_id}})
    done = ingest(catalog, parse_events([event]), resolve=lambda *_: None)
    assert (done.events, done.own) == (1, 1) and flows(catalog) == before


def test_a_run_that_began_and_never_ended_makes_the_answer_an_error_until_a_later_one_has(empty: Catalog) -> None:
    took: dict[str, Any] = {"inputs": [dataset("a")], "outputs": [dataset("b")]}
    take(empty, [run_event("COMPLETE", 0, **took), run_event("START", 5, run=RUN2, **took)])
    with pytest.raises(StorageError, match=rf"run {RUN2} of etl#load, which writes warehouse#b and has not ended"):
        lineage(empty, B, direction="upstream")
    graph = lineage(empty, B, direction="upstream", allow_incomplete=True)
    assert not graph.complete and len(graph.unknown) == 1 and len(graph.nodes) == 3
    take(empty, [run_event("COMPLETE", 9, run=RUN3, **took)])
    assert lineage(empty, B, direction="upstream").complete


def test_columns_that_nobody_told_of_make_an_answer_by_columns_an_error(empty: Catalog) -> None:
    take(empty, [run_event("COMPLETE", 0, inputs=[dataset("a")], outputs=[dataset("b")])])
    assert lineage(empty, B, direction="upstream").complete
    with pytest.raises(StorageError, match=r"columns of warehouse#b, which job etl#load made without telling"):
        lineage(empty, B, direction="upstream", columns=True)


def test_a_depth_cuts_where_it_says_and_says_so(empty: Catalog) -> None:
    take(empty, [run_event("COMPLETE", 0, inputs=[dataset("a")], outputs=[dataset("b")])])
    take(empty, [run_event("COMPLETE", 1, run=RUN2, job="more", inputs=[dataset("b")], outputs=[dataset("c")])])
    graph = lineage(empty, C, direction="upstream", depth=2)
    assert {node.name for node in graph.nodes} == {C, "etl#more", B} and graph.beyond == (("dataset", B),)
    assert lineage(empty, C, direction="upstream", depth=4).beyond == ()


def test_a_column_is_followed_over_tables_and_through_filters_of_whole_tables(empty: Catalog) -> None:
    whole = columns(x=("a", "x")) | {
        "dataset": [{"namespace": "warehouse", "name": "a", "field": "kept", "transformations": [{"type": "INDIRECT"}]}]
    }
    take(empty, [run_event("COMPLETE", 0, inputs=[dataset("a")], outputs=[dataset("b", columnLineage=whole)])])
    more = columns(p=("b", "x"), q=("b", "y"))
    take(empty, [run_event("COMPLETE", 1, run=RUN2, job="more", outputs=[dataset("c", columnLineage=more)])])
    down = column_impact(empty, A, "x", direction="downstream")
    assert {(one.table, one.column) for one in down.columns} == {(B, "x"), (C, "p")}
    down = column_impact(empty, A, "kept", direction="downstream")
    assert {(one.table, one.column) for one in down.columns} == {(B, "*"), (C, "p"), (C, "q")}
    up = column_impact(empty, C, "p", direction="upstream")
    assert {(one.table, one.column) for one in up.columns} == {(B, "x"), (A, "x"), (A, "kept")}
    assert split_column(empty, f"{A}.x") == (A, "x") and split_column(empty, A) is None


def test_an_unknown_dataset_is_not_found_with_the_nearest(empty: Catalog) -> None:
    take(empty, [run_event("COMPLETE", 0, inputs=[dataset("orders")])])
    with pytest.raises(NotFoundError, match=r"Did you mean 'warehouse#orders'"):
        lineage(empty, "warehouse#order", direction="upstream")


def test_a_dataset_outside_is_found_by_all_that_events_told_of_it(empty: Catalog) -> None:
    told = {
        "documentation": {"description": "every parcel that left a depot"},
        "ownership": {"owners": [{"name": "logistics", "type": "TEAM"}]},
        "schema": {"fields": [{"name": "tracking_code", "type": "string", "description": "송장 번호"}]},
        "tags": {"tags": [{"key": "gold", "value": "true"}]},
    }
    take(empty, [run_event("COMPLETE", 0, inputs=[dataset("raw.shipments", **told)], outputs=[dataset("b")])])
    for words in ("shipmnts", "depot", "tracking", "송장", "warehouse shipments"):
        hit = search(empty, words)[0]
        assert (hit.name, hit.kind, hit.owner) == ("warehouse#raw.shipments", "dataset", "logistics"), words
    narrowed = find(empty, "", where={"kind": ["dataset"], "tag": ["gold"]}, counts=True)
    assert [hit.name for hit in narrowed.hits] == ["warehouse#raw.shipments"]
    assert narrowed.facets["owner"] == {"logistics": 1}


def test_a_dataset_outside_is_found_under_its_one_name_and_no_more_once_dropped(empty: Catalog) -> None:
    take(empty, [run_event("COMPLETE", 0, outputs=[dataset("zeta")])])
    take(empty, [run_event("COMPLETE", 1, outputs=[dataset("alpha", symlinks=alias("zeta", "warehouse"))])])
    (hit,) = search(empty, "zeta")
    assert (hit.name, hit.matched) == ("warehouse#alpha", ("alias warehouse#zeta",))
    take(empty, [run_event("COMPLETE", 2, outputs=[dataset("alpha", lifecycleStateChange=change("DROP"))])])
    assert search(empty, "zeta") == search(empty, "alpha") == []
    take(empty, [run_event("COMPLETE", 3, outputs=[dataset("alpha", lifecycleStateChange=change("CREATE"))])])
    assert [hit.name for hit in search(empty, "alpha")] == ["warehouse#alpha"]

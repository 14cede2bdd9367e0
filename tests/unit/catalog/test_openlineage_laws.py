"""The law of taking events in: any order and any repetition of the same events give the same graph."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete

from mesh_catalog.catalog.store import Catalog, open_catalog
from mesh_catalog.catalog.tables import metadata
from tests.openlineage import FACET, PRODUCER, at, columns, dataset, everything, run_event, take

NAMES = st.sampled_from("abcd")
_OPENED: dict[str, Catalog] = {}


@st.composite
def datasets(draw: st.DrawFn) -> dict[str, Any]:
    facets: dict[str, Any] = {}
    name = draw(NAMES)
    if draw(st.integers(0, 3)) == 0:
        facets["symlinks"] = {"identifiers": [{"namespace": "warehouse", "name": draw(NAMES), "type": "TABLE"}]}
    if draw(st.integers(0, 3)) == 0:
        facets["columnLineage"] = columns(x=(draw(NAMES), draw(st.sampled_from("xy"))))
    kind = draw(st.sampled_from([None, None, None, "DROP", "TRUNCATE", "CREATE", "RENAME"]))
    if kind is not None:
        facets["lifecycleStateChange"] = {"lifecycleStateChange": kind} | (
            {"previousIdentifier": {"namespace": "warehouse", "name": draw(NAMES)}} if kind == "RENAME" else {}
        )
    if draw(st.booleans()):
        facets["documentation"] = {"description": draw(st.sampled_from(["one", "two"]))}
    if draw(st.booleans()):
        facets["version"] = {"datasetVersion": draw(st.sampled_from(["1", "2", "10"]))}
    return dataset(name, **facets)


@st.composite
def events(draw: st.DrawFn) -> dict[str, Any]:
    minute = draw(st.integers(0, 5))
    kind = draw(st.sampled_from(["run", "run", "run", "job", "dataset"]))
    if kind == "dataset":
        told = draw(datasets())
        if draw(st.booleans()):
            sources = draw(st.lists(NAMES, max_size=2))
            inputs = [{"namespace": "warehouse", "name": name, "type": "DATASET"} for name in sources]
            told["facets"]["lineage"] = FACET | {"inputs": inputs}
        return {**PRODUCER, "eventTime": at(minute), "dataset": told}
    event = run_event(
        draw(st.sampled_from(["START", "RUNNING", "COMPLETE", "COMPLETE", "FAIL", "ABORT", "OTHER"])),
        minute,
        run=f"00000000-0000-0000-0000-00000000000{draw(st.integers(0, 3))}",
        job=draw(st.sampled_from(["load", "copy"])),
        inputs=draw(st.lists(datasets(), max_size=2)),
        outputs=draw(st.lists(datasets(), max_size=2)),
        job_facets={"jobType": FACET | {"processingType": "STREAMING"}} if draw(st.integers(0, 5)) == 0 else None,
    )
    if kind == "job":
        del event["run"], event["eventType"]
    return event


def graph_of(name: str, chunks: list[list[dict[str, Any]]]) -> dict[str, set[tuple[Any, ...]]]:
    if name not in _OPENED:
        _OPENED[name] = open_catalog(f"sqlite:///{Path(tempfile.mkdtemp()) / 'catalog.db'}")
    catalog = _OPENED[name]
    with catalog.write() as connection:
        for table in reversed(metadata.sorted_tables):
            connection.execute(delete(table))
    for chunk in chunks:
        take(catalog, chunk)
    return everything(catalog)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(events(), min_size=1, max_size=6), st.data())
def test_any_order_and_repetition_of_events_gives_the_same_graph(
    told: list[dict[str, Any]], data: st.DataObject
) -> None:
    again = told + data.draw(st.lists(st.sampled_from(told), max_size=3))
    mixed = data.draw(st.permutations(again))
    cut = data.draw(st.integers(0, len(mixed)))
    assert graph_of("one", [told]) == graph_of("other", [mixed[:cut], mixed[cut:]])

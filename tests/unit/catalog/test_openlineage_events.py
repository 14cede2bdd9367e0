from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh_catalog.catalog.openlineage.events import EventError, parse_event
from mesh_catalog.catalog.openlineage.naming import join_name, split_name
from mesh_catalog.catalog.store import Catalog
from tests.openlineage import PRODUCER, at, dataset, flows, run_event, take

BAD: list[tuple[dict[str, Any], str]] = [
    ({"run": {}}, r"run\.runId is missing"),
    ({"job": {"namespace": "x"}}, r"job\.name is missing"),
    ({"eventTime": "yesterday"}, "eventTime is no time"),
    ({"eventType": "DONE"}, "eventType is not one of"),
    ({"inputs": {}}, "inputs is no array"),
    ({"outputs": [{"name": "a"}]}, r"outputs\.namespace is missing"),
    ({"outputs": [dataset("a", columnLineage={"fields": {"x": {"inputFields": [{}]}}})]}, "columnLineage"),
    ({"inputs": [dataset("a", symlinks={"identifiers": [{"name": "b"}]})]}, "symlinks"),
    ({"inputs": [{"namespace": "a", "name": "a\x00b"}]}, "without NUL"),
    ({"job": {"namespace": "x", "name": "y" * 3000}}, "1 to 2000 characters"),
]


@pytest.mark.parametrize(("wrong", "said"), BAD, ids=[said for _, said in BAD])
def test_an_event_that_is_wrong_is_refused_with_its_place_and_nothing_is_kept(
    empty: Catalog, wrong: dict[str, Any], said: str
) -> None:
    right = run_event("COMPLETE", 0, inputs=[dataset("a")])
    with pytest.raises(EventError, match=rf"^event 2: .*{said}"):
        take(empty, [right, right | wrong])
    assert flows(empty) == set()


def test_an_event_without_run_job_and_dataset_is_none() -> None:
    events: tuple[Any, ...] = ({**PRODUCER, "eventTime": at(0)}, [], "text", None)
    for event in events:
        with pytest.raises(EventError):
            parse_event(event)


@given(st.text(min_size=1, max_size=20), st.text(min_size=1, max_size=20), st.text(max_size=20), st.text(max_size=20))
def test_no_two_pairs_of_namespace_and_name_have_the_same_text(a: str, b: str, c: str, d: str) -> None:
    assert split_name(join_name(a, b)) == (a, b)
    assert (join_name(a, b) == join_name(c, d)) == ((a, b) == (c, d))

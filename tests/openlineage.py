"""OpenLineage events to send, the graph they should give, and the official schemas to hold events against."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import select

from mesh_catalog.catalog.openlineage.ingest import ingest, parse_events
from mesh_catalog.catalog.openlineage.naming import Resolve
from mesh_catalog.catalog.store import Catalog
from mesh_catalog.catalog.tables import (
    column_edges,
    edges,
    openlineage_datasets,
    openlineage_facets,
    openlineage_jobs,
    openlineage_runs,
    search_assets,
    search_postings,
    search_words,
)

PRODUCER = {
    "producer": "https://example.org/producer",
    "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json",
}
FACET = {"_producer": "https://example.org/producer", "_schemaURL": "https://example.org/facet.json"}


def nobody(_namespace: str, _name: str) -> str | None:
    """None of the datasets is a product."""
    return None


def at(minute: int) -> str:
    return f"2026-05-01T12:{minute:02d}:00Z"


def dataset(name: str, **facets: Any) -> dict[str, Any]:
    return {"namespace": "warehouse", "name": name, "facets": {key: FACET | value for key, value in facets.items()}}


def run_event(
    state: str,
    minute: int,
    *,
    run: str = "b7dce052-51a6-4d66-98b9-5fd8b78a79c7",
    job: str = "load",
    inputs: Iterable[Any] = (),
    outputs: Iterable[Any] = (),
    run_facets: Mapping[str, Any] | None = None,
    job_facets: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    return {
        **PRODUCER,
        "eventType": state,
        "eventTime": at(minute),
        "run": {"runId": run, "facets": dict(run_facets or {})},
        "job": {"namespace": "etl", "name": job, "facets": dict(job_facets or {})},
        "inputs": list(inputs),
        "outputs": list(outputs),
    }


def columns(**made: Any) -> dict[str, Any]:
    """A columnLineage facet: column → (dataset, column) that it came from."""
    return {
        "fields": {
            column: {
                "inputFields": [
                    {
                        "namespace": "warehouse",
                        "name": source,
                        "field": field,
                        "transformations": [{"type": "DIRECT", "subtype": "IDENTITY"}],
                    }
                ]
            }
            for column, (source, field) in made.items()
        }
    }


def take(catalog: Catalog, documents: Iterable[Any], resolve: Resolve = nobody) -> None:
    ingest(catalog, parse_events(documents), resolve=resolve)


def flows(catalog: Catalog) -> set[tuple[str, str]]:
    """The graph's edges by their ends' names."""
    with catalog.read() as connection:
        return {(row[0], row[1]) for row in connection.execute(select(edges.c.from_name, edges.c.to_name))}


def column_flows(catalog: Catalog) -> set[tuple[str, str, str]]:
    """`(table.column, table.column, kind)` of every column edge."""
    c = column_edges.c
    with catalog.read() as connection:
        rows = connection.execute(select(c.from_product, c.from_column, c.to_product, c.to_column, c.kind)).all()
    return {(f"{a}.{b}", f"{x}.{y}", kind) for a, b, x, y, kind in rows}


def everything(catalog: Catalog) -> dict[str, set[tuple[Any, ...]]]:
    """All that events can change, to compare two catalogs by."""
    tables = (edges, column_edges, openlineage_datasets, openlineage_facets, openlineage_jobs, openlineage_runs)
    a, p, w = search_assets.c, search_postings.c, search_words.c
    words = (
        select(a.name, w.word, p.impact).join(search_postings, p.asset_id == a.id).join(search_words, w.id == p.word_id)
    )
    with catalog.read() as connection:
        found = {table.name: {tuple(row) for row in connection.execute(select(table))} for table in tables}
        return found | {"found by": {tuple(row) for row in connection.execute(words)}}


@cache
def spec(folder: Path) -> Any:
    """The official schemas by their ids, to resolve references in."""
    from referencing import Registry, Resource

    files = [folder / "OpenLineage.json", *sorted((folder / "facets").glob("*.json"))]
    documents = [json.loads(path.read_text()) for path in files]
    found = [(document["$id"], Resource.from_contents(document)) for document in documents]
    # facets name the core schema in the version that they were written against
    core = Resource.from_contents(documents[0])
    older = {f"https://openlineage.io/spec/{number}/OpenLineage.json": core for number in ("1-0-2", "2-0-0", "2-0-2")}
    return Registry().with_resources([*found, *older.items()])


def event_errors(event: Any, folder: Path) -> list[str]:
    """What the official schemas say against an event and each facet in it that they know."""
    from jsonschema import Draft202012Validator

    core = json.loads((folder / "OpenLineage.json").read_text())
    errors = [error.message for error in Draft202012Validator(core, registry=spec(folder)).iter_errors(event)]
    for facets in _facets(event):
        for name, facet in facets.items():
            for path in (folder / "facets").glob("*.json"):
                schema = json.loads(path.read_text())
                if facet.get("_schemaURL", "").split("#")[0].rpartition("/")[2] == path.name:
                    checked = Draft202012Validator(schema, registry=spec(folder))
                    errors += [f"{name}: {error.message}" for error in checked.iter_errors({name: facet})]
    return errors


def _facets(found: Any) -> Iterable[dict[str, Any]]:
    if isinstance(found, dict):
        for key, value in found.items():
            if key in ("facets", "inputFacets", "outputFacets"):
                yield value
            yield from _facets(value)
    elif isinstance(found, list):
        for item in found:
            yield from _facets(item)

"""Edges of lineage as they are stored: which dataset, and which column, came from which.

An edge holds for the versions of its target up to `last_version`; one that led only to versions that an overwrite has
replaced is history. `declared`: a transform said that it reads this. `openlineage`: Spark's plan showed it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, case, delete, select

from mesh_catalog.catalog.store import dialect_insert, upsert
from mesh_catalog.catalog.tables import column_edges, edges

__all__ = [
    "SOURCE",
    "ColumnEdge",
    "NodeKind",
    "Origin",
    "plan_edges",
    "record_model_edges",
    "record_run_edges",
]

NodeKind = Literal["source", "product", "model", "model_version", "dashboard", "kpi", "dataset", "job"]
Origin = Literal["declared", "openlineage"]
SOURCE = "source"
"""How a transform names the files of its own source.yaml."""


@dataclass(frozen=True, kw_only=True)
class ColumnEdge:
    """One column made from another."""

    from_product: str
    from_column: str
    to_product: str
    to_column: str
    kind: str
    """How, in OpenLineage's words: IDENTITY, AGGREGATION, CONDITION…"""
    source: Origin = "openlineage"


def record_run_edges(
    connection: Connection,
    product: str,
    version: int,
    *,
    inputs: Mapping[str, int],
    columns: Sequence[ColumnEdge],
    has_files: bool,
) -> None:
    """Edges of a run that was committed as `product` at `version`."""
    declared = [_input_edge(name, product, "declared") for name in inputs]
    if has_files:
        declared.append(_input_edge(SOURCE, product, "declared"))
    seen = {(edge.from_product, edge.to_product, edge.source) for edge in columns}
    implied = [_input_edge(origin, target, by) for origin, target, by in sorted(seen)]
    unique = {tuple(sorted(row.items())): row for row in [*declared, *implied]}
    _raise_version(connection, edges, [{**row, "last_version": version} for row in unique.values()])
    found = {
        (e.from_product, e.from_column, e.to_product, e.to_column, e.kind, e.source): {
            "from_product": e.from_product,
            "from_column": e.from_column,
            "to_product": e.to_product,
            "to_column": e.to_column,
            "kind": e.kind,
            "origin": e.source,
            "last_version": version,
        }
        for e in columns
    }
    _raise_version(connection, column_edges, list(found.values()))


def plan_edges(connection: Connection, kind: NodeKind, name: str, reads: Sequence[tuple[NodeKind, str]]) -> None:
    """Replace what is planned for an asset by what is declared now; what has run stays."""
    connection.execute(
        delete(edges).where(
            edges.c.to_kind == kind,
            edges.c.to_name == name,
            edges.c.last_version.is_(None),
            edges.c.last_at.is_(None),
        )
    )
    rows = [_edge(origin, source, kind, name) for origin, source in reads]
    upsert(connection, edges, [{**row, "last_version": None} for row in rows])


def record_model_edges(
    connection: Connection, model: str, version: int, *, training: str | None, inputs: Sequence[str]
) -> None:
    """Edges of a trained version: what it learned from, and that it is one of the model's. Replaces the plan."""
    plan_edges(connection, "model", model, [("model_version", f"{model}@{version}"), *_versions_of(connection, model)])
    learned_from = [training] if training else inputs
    rows = [_edge("product", name, "model_version", f"{model}@{version}") for name in learned_from]
    upsert(connection, edges, [{**row, "last_version": None} for row in rows])


def _versions_of(connection: Connection, model: str) -> list[tuple[NodeKind, str]]:
    found = select(edges.c.from_name).where(
        edges.c.to_kind == "model", edges.c.to_name == model, edges.c.from_kind == "model_version"
    )
    return [("model_version", name) for name in connection.execute(found).scalars()]


def _input_edge(origin: str, product: str, by: Origin) -> dict[str, Any]:
    if origin == SOURCE:
        return _edge("source", product, "product", product, by)
    return _edge("product", origin, "product", product, by)


def _edge(
    from_kind: NodeKind, from_name: str, to_kind: NodeKind, to_name: str, origin: Origin = "declared"
) -> dict[str, Any]:
    return {
        "from_kind": from_kind,
        "from_name": from_name,
        "to_kind": to_kind,
        "to_name": to_name,
        "origin": origin,
    }


def _raise_version(connection: Connection, table: Any, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert edges; one that is known keeps its newest version, since repairs tell of runs out of order."""
    if not rows:
        return
    statement = dialect_insert(connection, table)
    known, told = table.c.last_version, statement.excluded.last_version
    newest = case((known > told, known), else_=told)
    keys = [column.name for column in table.primary_key]
    connection.execute(statement.on_conflict_do_update(index_elements=keys, set_={"last_version": newest}), list(rows))

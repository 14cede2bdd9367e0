"""Registering what figures and words mean: KPIs, with every definition they ever had, and terms of the glossary.

A definition is never overwritten. Which one held at a moment is asked for with that moment, so that a value computed
then is computed again the same, also where somebody has since changed a formula backwards in time.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, delete, insert, select

from mesh_catalog.catalog.canonical import canonical_json, digest_of, plain
from mesh_catalog.catalog.edges import plan_edges
from mesh_catalog.catalog.search_index import Entry, Indexed
from mesh_catalog.catalog.store import upsert, utc_now
from mesh_catalog.catalog.tables import kpi_definitions, kpis, owners, term_links, terms
from mesh_catalog.specs import split_name

if TYPE_CHECKING:
    from mesh_catalog.specs import KpiSpec, TermSpec

__all__ = ["kpi_fingerprint", "term_fingerprint", "write_kpi", "write_term"]


def kpi_fingerprint(kpi: KpiSpec) -> str:
    values = {key: value for key, value in kpi.__dict__.items() if key not in ("domain", "path", "index")}
    return digest_of([kpi.domain.name, kpi.owner, values])


def term_fingerprint(term: TermSpec) -> str:
    values = {key: value for key, value in term.__dict__.items() if key not in ("domain", "path", "index")}
    return digest_of([term.domain.name if term.domain else None, term.owner, values])


def write_kpi(connection: Connection, kpi: KpiSpec, fingerprint: str) -> Indexed:
    """Register a KPI; a definition that differs from the newest is added to those it had. Returns what finds it."""
    if kpi.owner is not None:
        upsert(connection, owners, [{"name": kpi.owner}])
    columns = tuple(dict.fromkeys(name for one in kpi.formulas for name in one.columns))
    row = {
        "name": kpi.name,
        "domain": kpi.domain.name,
        "owner": kpi.owner,
        "title": kpi.title,
        "description": kpi.description,
        "source": kpi.source,
        "unit": kpi.unit,
        "grain": kpi.grain,
        "cadence": kpi.cadence,
        "reason": kpi.reason,
        "same_as": kpi.same_as,
        "target": None if kpi.target is None else asdict(kpi.target),
        "drivers": kpi.drivers,
        "tags": kpi.tags,
        "columns": tuple(dict.fromkeys([*columns, *kpi.dimensions, *([kpi.time] if kpi.time else [])])),
        "fingerprint": fingerprint,
        "registered_at": utc_now(),
        "retired_at": None,
    }
    upsert(connection, kpis, [row], change=[key for key in row if key not in ("name", "registered_at")])
    _add_definition(connection, kpi)
    plan_edges(connection, "kpi", kpi.name, [("product", kpi.source)])
    return Indexed(kind="kpi", name=kpi.name, entries=_kpi_entries(kpi))


def _add_definition(connection: Connection, kpi: KpiSpec) -> None:
    newest = (
        select(kpi_definitions.c.definition)
        .where(kpi_definitions.c.kpi == kpi.name)
        .order_by(kpi_definitions.c.position.desc())
        .limit(1)
    )
    definition = _definition(kpi)
    if canonical_json(connection.execute(newest).scalar()) != canonical_json(definition):
        row = {"kpi": kpi.name, "registered_at": utc_now(), "definition": definition}
        connection.execute(insert(kpi_definitions).values(row))


def _definition(kpi: KpiSpec) -> dict[str, Any]:
    keys = ("valid_from", "formula", "filters", "reason")
    formulas = [{key: plain(getattr(one, key)) for key in keys} for one in kpi.formulas]
    return {
        "source": kpi.source,
        "time": kpi.time,
        "grain": kpi.grain,
        "dimensions": list(kpi.dimensions),
        "unit": kpi.unit,
        "formulas": formulas,
    }


def _kpi_entries(kpi: KpiSpec) -> list[Entry]:
    told = filter(None, [kpi.description, kpi.reason])
    return [
        Entry(field="name", label="name", text=split_name(kpi.name)[1]),
        Entry(field="name", label="title", text=kpi.title or ""),
        Entry(field="domain", label="domain", text=kpi.domain.name),
        Entry(field="owner", label=f"owner {kpi.owner}", text=kpi.owner or ""),
        Entry(field="description", label="description", text=" ".join(told)),
        *(Entry(field="tag", label=f"tag {tag}", text=tag) for tag in kpi.tags),
        Entry(field="detail", label="formula", text=" ".join(one.formula for one in kpi.formulas)),
        Entry(field="detail", label="source", text=kpi.source),
    ]


def write_term(connection: Connection, term: TermSpec, fingerprint: str) -> Indexed:
    """Register a term of the glossary, and what it is linked to. Returns what finds it."""
    if term.owner is not None:
        upsert(connection, owners, [{"name": term.owner}])
    row = {
        "name": term.name,
        "domain": term.domain.name if term.domain else None,
        "owner": term.owner,
        "definition": term.definition,
        "labels": dict(term.labels),
        "synonyms": term.synonyms,
        "fingerprint": fingerprint,
        "registered_at": utc_now(),
        "retired_at": None,
    }
    upsert(connection, terms, [row], change=[key for key in row if key not in ("name", "registered_at")])
    connection.execute(delete(term_links).where(term_links.c.term == term.name))
    links = [_link(link) for link in term.links]
    upsert(connection, term_links, [{"term": term.name, "asset": asset, "column": column} for asset, column in links])
    return Indexed(kind="term", name=term.name, entries=_term_entries(term))


def _link(link: str) -> tuple[str, str]:
    """Asset and column of `domain.product.column`; of `domain.product` an empty column."""
    domain, name, *column = link.split(".", 2)
    return f"{domain}.{name}", column[0] if column else ""


def _term_entries(term: TermSpec) -> list[Entry]:
    return [
        Entry(field="name", label="term", text=term.name.rpartition(".")[2]),
        *(Entry(field="name", label=f"label {label}", text=label) for label in term.labels.values()),
        *(Entry(field="tag", label=f"synonym {synonym}", text=synonym) for synonym in term.synonyms),
        Entry(field="domain", label="domain", text=term.domain.name if term.domain else ""),
        Entry(field="owner", label=f"owner {term.owner}", text=term.owner or ""),
        Entry(field="description", label="definition", text=term.definition),
        Entry(field="detail", label="links", text=" ".join(term.links)),
    ]

"""What the catalog knows of words: terms of the glossary, and which of them name an asset or its columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, RowMapping, select

from mesh_catalog.catalog.inventory import unknown_name
from mesh_catalog.catalog.store import Catalog
from mesh_catalog.catalog.tables import term_links, terms

__all__ = ["TermRecord", "read_term", "read_terms", "terms_of"]


@dataclass(frozen=True, kw_only=True)
class TermRecord:
    """A term, as registered last."""

    name: str
    domain: str | None
    """None for a word of the whole organisation."""
    owner: str | None
    definition: str
    labels: Mapping[str, str]
    """Language → how people write it."""
    synonyms: tuple[str, ...]
    links: tuple[str, ...]
    """Products, columns and KPIs."""
    registered_at: datetime
    retired_at: datetime | None


def read_term(catalog: Catalog, name: str) -> TermRecord:
    """One term.

    Raises:
        NotFoundError: There is none of this name.
    """
    with catalog.read() as connection:
        row = connection.execute(select(terms).where(terms.c.name == name)).mappings().one_or_none()
        links = _links(connection, [name])[name]
    if row is None:
        raise unknown_name(catalog, name, "term")
    return _record(row, links)


def read_terms(catalog: Catalog) -> list[TermRecord]:
    """All terms that are not retired, by name."""
    query = select(terms).where(terms.c.retired_at.is_(None)).order_by(terms.c.name)
    with catalog.read() as connection:
        rows = connection.execute(query).mappings().all()
        links = _links(connection, [row["name"] for row in rows])
    return [_record(row, links[row["name"]]) for row in rows]


def terms_of(catalog: Catalog, asset: str) -> dict[str, tuple[str, ...]]:
    """Column → the terms that name it; under an empty name those of the asset itself."""
    query = (
        select(term_links.c.column, term_links.c.term)
        .join(terms, terms.c.name == term_links.c.term)
        .where(term_links.c.asset == asset, terms.c.retired_at.is_(None))
        .order_by(term_links.c.term)
    )
    found: dict[str, list[str]] = {}
    with catalog.read() as connection:
        for column, term in connection.execute(query):
            found.setdefault(column, []).append(term)
    return {column: tuple(names) for column, names in found.items()}


def _links(connection: Connection, names: Iterable[str]) -> dict[str, tuple[str, ...]]:
    wanted = list(names)
    found: dict[str, list[str]] = {name: [] for name in wanted}
    query = select(term_links).order_by(term_links.c.asset, term_links.c.column)
    if len(wanted) == 1:
        query = query.where(term_links.c.term == wanted[0])
    for term, asset, column in connection.execute(query):
        if term in found:
            found[term].append(f"{asset}.{column}" if column else asset)
    return {name: tuple(links) for name, links in found.items()}


def _record(row: RowMapping, links: tuple[str, ...]) -> TermRecord:
    return TermRecord(
        name=row["name"],
        domain=row["domain"],
        owner=row["owner"],
        definition=row["definition"],
        labels=row["labels"],
        synonyms=tuple(row["synonyms"]),
        links=links,
        registered_at=row["registered_at"],
        retired_at=row["retired_at"],
    )

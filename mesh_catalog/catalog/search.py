"""Finding products, models, dashboards, KPIs and terms by words: ranked, in any script, forgiving a typo or two.

Every asset's words lie in one table. A query word finds its equals, words that begin with it, words that contain it (a
Korean compound, a long name), then itself without a plural or a particle; only where all that finds nothing does it
find words that are a typo away. Rare words weigh more; assets that match more of the query's words come first.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import ColumnElement, Connection, RowMapping, delete, func, select

from mesh_catalog.catalog.store import Catalog, upsert
from mesh_catalog.catalog.tables import dashboards, kpis, models, products, search_terms, terms
from mesh_catalog.catalog.words import near_words, shortened, words

__all__ = ["AssetKind", "Entry", "Hit", "drop_words", "index_words", "search"]

AssetKind = Literal["product", "model", "dashboard", "kpi", "term"]
_KINDS: dict[str, AssetKind] = {
    "product": "product",
    "model": "model",
    "dashboard": "dashboard",
    "kpi": "kpi",
    "term": "term",
}
_WEIGHTS = {"name": 10.0, "tag": 6.0, "domain": 4.0, "owner": 4.0, "column": 5.0, "description": 3.0, "detail": 1.5}
_DATASET_FACTOR = 0.7
"""Of datasets that the framework writes itself: whoever searches mostly means the product."""
_NAMES_A_QUERY = 500


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A text to find an asset by."""

    field: Literal["name", "tag", "domain", "owner", "column", "description", "detail"]
    label: str
    """What is shown when it matched, for example `column tx_amount`."""
    text: str


@dataclass(frozen=True, kw_only=True)
class Hit:
    """A product, a model, a dashboard, a KPI or a term that matches."""

    name: str
    kind: AssetKind
    domain: str | None
    """None for a term of the whole organisation."""
    owner: str | None
    description: str | None
    score: float
    matched: tuple[str, ...]
    """Where the words were found, the best first."""


@dataclass(frozen=True)
class _Match:
    kind: str
    asset: str
    label: str
    score: float


def index_words(connection: Connection, kind: AssetKind, name: str, entries: Sequence[Entry]) -> None:
    """Replace the words that an asset is found by."""
    drop_words(connection, kind, name)
    rows = [
        {"term": term, "kind": kind, "asset": name, "field": entry.field, "label": entry.label}
        for entry in entries
        for term in words(entry.text)
    ]
    upsert(connection, search_terms, rows)


def drop_words(connection: Connection, kind: AssetKind, name: str) -> None:
    connection.execute(delete(search_terms).where(search_terms.c.kind == kind, search_terms.c.asset == name))


def search(catalog: Catalog, text: str, *, limit: int = 20) -> list[Hit]:
    """The assets that match `text` best, best first; retired ones are left out."""
    asked = words(text)
    if not asked or limit < 1:
        return []
    with catalog.read() as connection:
        count = connection.execute(select(func.count()).select_from(products)).scalar_one()
        found = [_best_of_asset(_matches(connection, word), count) for word in asked]
        assets = {asset for matches in found for asset in matches}
        known = _describe(connection, assets)
    hits = [_hit(asset, [matches.get(asset) for matches in found], known[asset]) for asset in assets if asset in known]
    return sorted(hits, key=lambda hit: (-hit.score, hit.name))[:limit]


def _matches(connection: Connection, word: str) -> list[_Match]:
    term = search_terms.c.term
    direct = _select(connection, term.contains(word, autoescape=True))
    if direct:
        return [_scored(row, _closeness(word, row["term"])) for row in direct]
    for shorter in shortened(word):
        if stem := _select(connection, term.startswith(shorter, autoescape=True)):
            return [_scored(row, 0.7 if row["term"] == shorter else 0.4) for row in stem]
    vocabulary = connection.execute(select(term).distinct()).scalars()
    near = near_words(word, vocabulary)
    rows = _select(connection, term.in_(sorted(near))) if near else []
    return [_scored(row, 0.6 * near[row["term"]]) for row in rows]


def _select(connection: Connection, condition: ColumnElement[bool]) -> Sequence[RowMapping]:
    return connection.execute(select(search_terms).where(condition)).mappings().all()


def _closeness(word: str, term: str) -> float:
    if term == word:
        return 1.0
    share = len(word) / len(term)
    return 0.6 + 0.3 * share if term.startswith(word) else 0.3 + 0.3 * share


def _scored(row: RowMapping, closeness: float) -> _Match:
    return _Match(row["kind"], row["asset"], row["label"], closeness * _WEIGHTS[row["field"]])


def _best_of_asset(matches: Iterable[_Match], count: int) -> dict[tuple[str, str], _Match]:
    """Of each asset its best place, and a little for the others; weighed by how few assets have the word."""
    places: dict[tuple[str, str], list[_Match]] = defaultdict(list)
    for match in matches:
        places[match.kind, match.asset].append(match)
    rarity = 1.0 + math.log(max(count, len(places), 1) / max(len(places), 1))
    found = {}
    for asset, several in places.items():
        ordered = sorted(several, key=lambda m: (-m.score, m.label))
        more = min(sum(match.score for match in ordered[1:]) * 0.1, ordered[0].score)
        found[asset] = _Match(asset[0], asset[1], ordered[0].label, (ordered[0].score + more) * rarity)
    return found


def _hit(asset: tuple[str, str], found: Sequence[_Match | None], known: RowMapping) -> Hit:
    matches = sorted((match for match in found if match is not None), key=lambda m: -m.score)
    factor = (len(matches) / len(found)) ** 2 * (_DATASET_FACTOR if known["asset_kind"] == "dataset" else 1.0)
    return Hit(
        name=asset[1],
        kind=_KINDS[asset[0]],
        domain=known["domain"],
        owner=known["owner"],
        description=known["description"],
        score=round(sum(match.score for match in matches) * factor, 3),
        matched=tuple(dict.fromkeys(match.label for match in matches)),
    )


def _describe(connection: Connection, assets: Iterable[tuple[str, str]]) -> dict[tuple[str, str], RowMapping]:
    names: dict[str, list[str]] = defaultdict(list)
    for kind, name in sorted(assets):
        names[kind].append(name)
    p, m, d, k, t = products.c, models.c, dashboards.c, kpis.c, terms.c
    queries = {
        "product": select(p.name, p.domain, p.owner, p.description, p.kind.label("asset_kind")).where(
            p.retired_at.is_(None)
        ),
        "model": select(m.name, m.domain, m.owner, m.goal.label("description"), m.kind.label("asset_kind")).where(
            m.retired_at.is_(None)
        ),
        "dashboard": select(d.name, d.domain, d.owner, d.description, d.kind.label("asset_kind")).where(
            d.retired_at.is_(None)
        ),
        "kpi": select(k.name, k.domain, k.owner, k.description, k.grain.label("asset_kind")).where(
            k.retired_at.is_(None)
        ),
        "term": select(t.name, t.domain, t.owner, t.definition.label("description"), t.name.label("asset_kind")).where(
            t.retired_at.is_(None)
        ),
    }
    tables = {"product": p.name, "model": m.name, "dashboard": d.name, "kpi": k.name, "term": t.name}
    found: dict[tuple[str, str], RowMapping] = {}
    for kind, known in names.items():
        for start in range(0, len(known), _NAMES_A_QUERY):
            some = known[start : start + _NAMES_A_QUERY]
            for row in connection.execute(queries[kind].where(tables[kind].in_(some))).mappings():
                found[kind, row["name"]] = row
    return found

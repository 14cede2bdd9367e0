"""How much products are read, by the audit trail: who reads them, and how often, over the last 30 days.

Whoever reads by another way than the mesh is not counted; upkeep is no reader.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Select, distinct, func, select

from mesh_catalog.catalog.store import Catalog, utc_now
from mesh_catalog.catalog.tables import audit_events, products

__all__ = ["POPULARITY_WINDOW", "Popularity", "most_read", "read_popularity"]

POPULARITY_WINDOW: Final = timedelta(days=30)
_NAMES_A_QUERY: Final = 400
_LOOKED_AT: Final = 20_000
"""So many events are looked at for what is read most."""


@dataclass(frozen=True, kw_only=True)
class Popularity:
    """Reads of one product within the window."""

    readers: int = 0
    """Different principals."""
    reads: int = 0
    last_read_at: datetime | None = None
    """Within the window."""

    def __str__(self) -> str:
        if not self.reads:
            return "not read in 30 days"
        people = "1 reader" if self.readers == 1 else f"{self.readers:,} readers"
        return f"{people}, {self.reads:,} {'read' if self.reads == 1 else 'reads'} in 30 days"


def read_popularity(catalog: Catalog, products: Iterable[str], *, now: datetime | None = None) -> dict[str, Popularity]:
    """The popularity of each of the products; those that nobody read have zeros."""
    names = list(dict.fromkeys(products))
    found = dict.fromkeys(names, Popularity())
    a = audit_events.c
    since = (now or utc_now()) - POPULARITY_WINDOW
    with catalog.read() as connection:
        for some in _batches(names):
            for product, readers, reads, at in connection.execute(_reads(since).where(a.product.in_(some))):
                found[product] = Popularity(readers=readers, reads=reads, last_read_at=at)
    return found


def most_read(catalog: Catalog, limit: int, *, now: datetime | None = None) -> dict[str, Popularity]:
    """Products that many people read, those with most readers first; datasets are left out.

    They are found among the newest events, so that it costs the same however long the trail is; then counted in full.
    """
    a, p = audit_events.c, products.c
    readers = func.count(distinct(a.principal))
    query = (
        _reads((now or utc_now()) - POPULARITY_WINDOW)
        .join(products, p.name == a.product)
        .where(p.kind == "product", p.retired_at.is_(None))
        .order_by(readers.desc(), func.count().desc(), a.product)
        .limit(limit)
    )
    with catalog.read() as connection:
        newest = connection.execute(select(func.max(a.position))).scalar() or 0
        names = [row[0] for row in connection.execute(query.where(a.position > newest - _LOOKED_AT))]
    found = read_popularity(catalog, names, now=now)
    return {name: found[name] for name in names}


def _reads(since: datetime) -> Select[str, int, int, datetime]:
    """Of each product its readers, its reads and the last one."""
    a = audit_events.c
    query = select(a.product, func.count(distinct(a.principal)), func.count(), func.max(a.at))
    return query.where(a.at >= since, a.allowed, a.purpose != "upkeep").group_by(a.product)


def _batches(names: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(names), _NAMES_A_QUERY):
        yield names[start : start + _NAMES_A_QUERY]

"""How much products are read, by the audit trail: who reads them, and how often, over the last 30 days.

Whoever reads by another way than the mesh is not counted; upkeep is no reader.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import distinct, func, select

from mesh_catalog.catalog.store import Catalog, utc_now
from mesh_catalog.catalog.tables import audit_events

__all__ = ["POPULARITY_WINDOW", "Popularity", "read_popularity"]

POPULARITY_WINDOW: Final = timedelta(days=30)
_NAMES_A_QUERY: Final = 400


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
            query = (
                select(a.product, func.count(distinct(a.principal)), func.count(), func.max(a.at))
                .where(a.product.in_(some), a.at >= since, a.allowed, a.purpose != "upkeep")
                .group_by(a.product)
            )
            for product, readers, reads, at in connection.execute(query):
                found[product] = Popularity(readers=readers, reads=reads, last_read_at=at)
    return found


def _batches(names: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(names), _NAMES_A_QUERY):
        yield names[start : start + _NAMES_A_QUERY]

"""What MLflow's registry has not been told yet: moves of aliases, and decisions.

The catalog is where they are made; the registry is told after. Whoever dies in between leaves them here, and the next
command tells them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import select, update

from mesh_catalog.catalog.decisions import DecisionRecord, decision_record
from mesh_catalog.catalog.store import Catalog, among, retried, utc_now
from mesh_catalog.catalog.tables import alias_moves, decisions

__all__ = ["Unmirrored", "mark_mirrored", "read_unmirrored"]


@dataclass(frozen=True, kw_only=True)
class Unmirrored:
    """What is to be told of one model."""

    aliases: Mapping[str, int | None]
    """Alias → where it points now, of those that were moved."""
    decisions: tuple[DecisionRecord, ...]
    moves: tuple[int, ...]
    """Ids of the moves."""

    def __bool__(self) -> bool:
        return bool(self.moves or self.decisions)


def read_unmirrored(catalog: Catalog, model: str) -> Unmirrored:
    """What the registry does not know of a model."""
    moves, told = alias_moves.c, decisions.c
    with catalog.read() as connection:
        moved = connection.execute(
            select(moves.id, moves.alias, moves.version)
            .where(moves.model == model, moves.mirrored_at.is_(None))
            .order_by(moves.id)
        ).all()
        decided = connection.execute(
            select(decisions).where(told.model == model, told.mirrored_at.is_(None)).order_by(told.at, told.id)
        ).mappings()
        records = tuple(decision_record(row) for row in decided)
    return Unmirrored(
        aliases={alias: version for _, alias, version in moved},
        decisions=records,
        moves=tuple(number for number, _, _ in moved),
    )


@retried
def mark_mirrored(catalog: Catalog, told: Unmirrored) -> None:
    """Note that the registry knows these."""
    now = utc_now()
    with catalog.write() as connection:
        if told.moves:
            known = update(alias_moves).where(among(connection, alias_moves.c.id, told.moves))
            connection.execute(known.values(mirrored_at=now))
        if told.decisions:
            ids = [one.id for one in told.decisions]
            known = update(decisions).where(among(connection, decisions.c.id, ids))
            connection.execute(known.values(mirrored_at=now))

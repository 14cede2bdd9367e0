"""Rows of a window, counted by DataFusion through tickets: nothing but aggregates comes back, and no JVM starts.

Every query is over a part's rows by event time, which is what its versions added; a slice narrows them. Labels come
from the target's product by its primary key.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from mesh_catalog.access.gate import request_read
from mesh_catalog.errors import InputError
from mesh_catalog.lake.arrow import query_batches, quoted
from mesh_catalog.models.frame import MODEL_VERSION, plan_frame

if TYPE_CHECKING:
    import pyarrow as pa

    from mesh_catalog.access.gate import Ticket
    from mesh_catalog.monitoring.slices import Slice
    from mesh_catalog.monitoring.window import Part, Window

__all__ = ["LABEL", "Rows", "between", "group_counts", "labelled_rows", "rows_of", "scored_rows"]

LABEL = "mesh_label"
_TIME = "'Timestamp(Microsecond, None)'"


@dataclass(frozen=True, kw_only=True)
class Rows:
    """A relation to select from."""

    tickets: dict[str, Ticket]
    relation: str

    def select(self, what: str, *, rest: str = "") -> pa.Table:
        """`select <what> from <these rows> <rest>`; both texts are ours, names in them quoted.

        Raises:
            StorageError: A table cannot be read.
        """
        return self.batches(what, rest=rest).read_all()

    def batches(self, what: str, *, rest: str = "") -> pa.RecordBatchReader:
        """As `select`, batch by batch."""
        query = f"select {what} from {self.relation} as r {rest}"  # noqa: S608 - made of quoted names and numbers
        return query_batches(self.tickets, query)


def rows_of(window: Window, columns: Sequence[str], *, part: Part | None = None) -> Rows:
    """The window's rows, or those of another part, of its slice.

    Raises:
        NotFoundError: The table lacks a column.
        InputError: The product has no event time that would tell the part's rows from the others.
    """
    chosen = part or window.current
    conditions = [*_within(window, chosen), *_picked(window.slice)]
    needed = _needed(window, columns)
    ticket = request_read(
        window.mesh, chosen.product, purpose="monitor", version=chosen.last, columns=tuple(dict.fromkeys(needed))
    )
    where = f" where {' and '.join(conditions)}" if conditions else ""
    return Rows(tickets={"rows": ticket}, relation=f"(select * from rows{where})")  # noqa: S608 - quoted


def scored_rows(window: Window, columns: Sequence[str], *, part: Part | None = None) -> Rows:
    """As `rows_of` a model's predictions, those of its champion alone."""
    found = rows_of(window, [*columns, MODEL_VERSION], part=part)
    number = window.champion.version if window.champion else 0
    relation = f"(select * from {found.relation} as w where {quoted(MODEL_VERSION)} = {number})"  # noqa: S608 - a number
    return Rows(tickets=found.tickets, relation=relation)


def labelled_rows(window: Window, columns: Sequence[str], *, part: Part | None = None) -> Rows:
    """As `scored_rows`, with the label that the target's product has for each row by now (double; null where none).

    Raises:
        InputError: The target's product has no primary key, or was never published.
    """
    model = window.model
    if model is None or window.labels is None:
        raise InputError("labels are of a model whose target's product was published")
    keys = [column.name for column in plan_frame(window.mesh, model).keys if column.primary_key_position is not None]
    if not keys:
        raise InputError(f"{model.target_product} has no primary key, so no label finds its row")
    scored = scored_rows(window, [*keys, *columns], part=part)
    ticket = request_read(
        window.mesh, model.target_product, purpose="monitor", version=window.labels, columns=(*keys, model.target)
    )
    names = ", ".join(map(quoted, keys))
    labels = (
        f"(select {names}, max(cast({quoted(model.target)} as double)) as {LABEL} "  # noqa: S608 - quoted
        f"from labels where {quoted(model.target)} is not null group by {names})"
    )
    match = " and ".join(f"s.{quoted(key)} = l.{quoted(key)}" for key in keys)
    relation = f"(select s.*, l.{LABEL} from {scored.relation} as s left join {labels} as l on {match})"  # noqa: S608
    return Rows(tickets={**scored.tickets, "labels": ticket}, relation=relation)


def group_counts(window: Window, column: str, *, limit: int) -> dict[str | None, int]:
    """The most frequent values of a column among all the window's rows, as text, and how many rows have each."""
    table = rows_of(window, [column]).select(
        f"cast({quoted(column)} as varchar) as v, count(*) as n",
        rest=f"group by cast({quoted(column)} as varchar) order by n desc, v limit {int(limit)}",
    )
    return dict(zip(table.column("v").to_pylist(), table.column("n").to_pylist(), strict=True))


def _needed(window: Window, columns: Sequence[str]) -> list[str]:
    needed = [*columns]
    if window.slice.column is not None:
        needed.append(window.slice.column)
    if window.event_time is not None:
        needed.append(window.event_time)
    return needed


def _within(window: Window, part: Part) -> list[str]:
    if part.whole:
        return []
    if window.event_time is None or part.begins is None or part.ends is None:
        raise InputError(f"{part.product} has no event time, so the rows of {part} cannot be told from the others")
    return [between(window.event_time, part.begins, part.ends)]


def between(column: str, begins: datetime, ends: datetime) -> str:
    """The condition that a time lies within two moments, both included."""
    moment = f"arrow_cast({quoted(column)}, {_TIME})"
    return f"{moment} >= {_literal(begins)} and {moment} <= {_literal(ends)}"


def _literal(moment: datetime) -> str:
    return f"arrow_cast('{moment.replace(tzinfo=None).isoformat(timespec='microseconds')}', {_TIME})"


def _picked(chosen: Slice) -> list[str]:
    if chosen.column is None:
        return []
    name = quoted(chosen.column)
    if chosen.low is not None and chosen.high is not None:
        bounds = []
        if chosen.low > float("-inf"):
            bounds.append(f"cast({name} as double) >= {chosen.low!r}")
        if chosen.high < float("inf"):
            bounds.append(f"cast({name} as double) < {chosen.high!r}")
        return bounds
    if chosen.value is None:
        return [f"{name} is null"]
    text = chosen.value.replace("'", "''")
    return [f"cast({name} as varchar) = '{text}'"]

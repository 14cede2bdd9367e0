"""Which rows of a window are judged: all of them, those of a value of a column, or of a range of its numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from mesh_catalog.catalog.inventory import read_version_columns
from mesh_catalog.catalog.rollouts import open_rollout
from mesh_catalog.contracts.types import is_numeric
from mesh_catalog.errors import InputError, listed, nearest
from mesh_catalog.models.frame import MODEL_VERSION

if TYPE_CHECKING:
    from mesh_catalog.contracts.contract import Column
    from mesh_catalog.monitoring.window import Window

__all__ = ["WHOLE", "Slice", "challenger_slices", "checked_slice", "require_slice", "slices_of"]

_GROUPS = 20
_SLICE = re.compile(
    r"(?P<column>\S+) (?:= (?P<value>.*)|in \[(?P<low>\S+), (?P<high>\S+)\)|(?P<missing>is missing))", re.S
)


@dataclass(frozen=True, kw_only=True)
class Slice:
    """Which rows of a window: all of them, those of one value of a column, or of one range."""

    column: str | None = None
    value: str | None = None
    low: float | None = None
    high: float | None = None
    problem: str | None = None
    """Why these rows cannot be picked."""

    def __str__(self) -> str:
        if self.column is None:
            return ""
        if self.low is not None:
            return f"{self.column} in [{self.low:g}, {self.high:g})"
        return f"{self.column} is missing" if self.value is None else f"{self.column} = {self.value}"

    @classmethod
    def parse(cls, text: str) -> Slice:
        """What `str` wrote.

        Raises:
            InputError: It reads otherwise.
        """
        found = _SLICE.fullmatch(text)
        if not text:
            return WHOLE
        try:
            if found is not None and found["low"] is not None:
                return cls(column=found["column"], low=float(found["low"]), high=float(found["high"]))
        except ValueError:
            found = None
        if found is None:
            raise InputError(f"slice '{text[:80]}' cannot be read. Write for example: channel = web")
        return cls(column=found["column"], value=found["value"])


WHOLE = Slice()


def slices_of(window: Window) -> Iterator[Slice]:
    """The slices that the section names, as the window's rows have them; one with a problem where it cannot be."""
    from mesh_catalog.monitoring.rows import group_counts

    for spec in window.spec.slices:
        edges = (float("-inf"), *spec.edges, float("inf"))
        found = checked_slice(window, Slice(column=spec.column, value="*", low=edges[1] if spec.edges else None))
        if found.problem is not None:
            yield Slice(column=spec.column, value="*", problem=found.problem)
        elif spec.edges:
            yield from (Slice(column=spec.column, low=a, high=b) for a, b in pairwise(edges))
        else:
            groups = group_counts(window, spec.column, limit=_GROUPS)
            yield from (Slice(column=spec.column, value=value) for value in groups)


def challenger_slices(window: Window) -> Iterator[Slice]:
    """What a challenger scored that a rollout has given rows to, within the window."""
    rollout = open_rollout(window.mesh.catalog, window.subject) if window.model is not None else None
    if rollout is not None and rollout.share > 0:
        yield Slice(column=MODEL_VERSION, value=str(rollout.challenger))


def checked_slice(window: Window, chosen: Slice) -> Slice:
    """The slice, with a problem where the product does not allow it: no such column, or personal, or no number."""
    if chosen.column is None or chosen.problem is not None:
        return chosen
    product = window.current.product
    columns = {one.name: one for one in _columns(window)}
    column = columns.get(chosen.column)
    problem = None
    if column is None:
        problem = f"{product} has no column '{chosen.column[:80]}'.{nearest(chosen.column, columns)}"
    elif column.personal:
        # what somebody typed may be a person's value: it is kept nowhere
        return Slice(column=column.name, value="*", problem="the column is personal, so its values are not shown")
    elif chosen.low is not None and not is_numeric(column.spark_type):
        problem = f"edges need a number, and '{chosen.column}' is {column.spark_type}"
    return replace(chosen, problem=problem)


def require_slice(window: Window, asked: Slice) -> Slice:
    """The slice that somebody asked for by hand.

    Raises:
        InputError: The product does not allow it; names the columns that it has where there is no such one.
    """
    chosen = checked_slice(window, asked)
    if chosen.problem is not None:
        known = [column.name for column in _columns(window)]
        told = f"'{chosen.column}': {chosen.problem}"
        if chosen.column not in known:
            told = (
                f"{window.current.product} has no column '{str(chosen.column)[:80]}'. It has: {listed(known, limit=50)}"
            )
        raise InputError(f"{window.subject}: no slice: {told}.")
    return chosen


def _columns(window: Window) -> tuple[Column, ...]:
    return read_version_columns(window.mesh.catalog, window.current.product, window.current.last)

"""Windows of before whose labels came late: found by what their verdicts still missed, and looked at again."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any

from mesh_catalog.catalog.verdicts import VerdictRecord, read_verdicts
from mesh_catalog.errors import MeshError
from mesh_catalog.monitoring.rows import LABEL, labelled_rows
from mesh_catalog.monitoring.slices import Slice, challenger_slices, checked_slice
from mesh_catalog.monitoring.window import past_window, sliced

if TYPE_CHECKING:
    from mesh_catalog.monitoring.window import Window

__all__ = ["COVERAGE", "late_windows"]

COVERAGE = "share of labels"
"""The measure that tells how many of a window's labels have come."""
_WINDOWS, _SLICES = 60, 500
"""Newest windows that are looked through, and verdicts on slices of each of them."""


def late_windows(window: Window, slices: Collection[str] | None = None) -> Iterator[Window]:
    """The model's windows before this one, newest first, for which more labels are there than when they were judged.

    Args:
        slices: Only these, as verdicts write them; all where None.

    Cost: a count of labels for each window whose labels had not all come; its slices only where some came since.
    """
    if window.model is None or window.labels is None:
        return
    names = ["", *map(str, challenger_slices(window))] if slices is None else slices
    for name in names:
        for verdict in _performance(window, slice=name, limit=_WINDOWS):
            past = _late(window, verdict)
            if past is None:
                continue
            yield past
            if slices is None and not name:
                parts = _performance(window, slice=None, current=verdict.current, limit=_SLICES)
                yield from filter(None, (_late(window, part) for part in parts if part.slice not in names))


def _performance(window: Window, **asked: Any) -> list[VerdictRecord]:
    return read_verdicts(window.mesh.catalog, window.subject, kind="performance", **asked)


def _late(window: Window, verdict: VerdictRecord) -> Window | None:
    """The verdict's window, where more labels are there than when it was judged."""
    known = _counted(verdict)
    if verdict.current == str(window.current) or known is None or not known["missing"]:
        return None
    try:
        past = past_window(window, verdict)
        past = sliced(past, checked_slice(past, Slice.parse(verdict.slice) if verdict.slice else past.slice))
        came = labelled_rows(past, []).select(f"count({LABEL}) as n").column("n")[0].as_py()
    except MeshError:
        return None  # its rows are gone: what was said of them stands
    return past if came > known["labels"] else None


def _counted(verdict: VerdictRecord) -> Any:
    return next((one.details for one in verdict.measures if one.method == COVERAGE), None)

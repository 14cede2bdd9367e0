"""Windows of before whose labels came late: found by what their verdicts still missed, and looked at again."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any

from mesh_catalog.catalog.verdicts import VerdictRecord, read_verdicts
from mesh_catalog.errors import MeshError
from mesh_catalog.monitoring.rows import LABEL, labelled_rows
from mesh_catalog.monitoring.slices import Slice, checked_slice
from mesh_catalog.monitoring.window import past_window, sliced

if TYPE_CHECKING:
    from mesh_catalog.monitoring.window import Window

__all__ = ["COVERAGE", "late_windows"]

COVERAGE = "share of labels"
"""The measure that tells how many of a window's labels have come."""
_VERDICTS = 40
"""Newest verdicts on performance that are looked through, those of slices counted."""


def late_windows(window: Window, slices: Collection[str] | None = None) -> Iterator[Window]:
    """The model's windows before this one, newest first, for which more labels are there than when they were judged.

    Args:
        slices: Only these, as verdicts write them; all where None.

    Cost: a count of labels for each verdict whose labels had not all come.
    """
    if window.model is None or window.labels is None:
        return
    for verdict in read_verdicts(window.mesh.catalog, window.subject, kind="performance", slice=None, limit=_VERDICTS):
        known = _counted(verdict)
        if verdict.current == str(window.current) or known is None or not known["missing"]:
            continue
        if slices is not None and verdict.slice not in slices:
            continue
        try:
            past = past_window(window, verdict)
            past = sliced(past, checked_slice(past, Slice.parse(verdict.slice) if verdict.slice else past.slice))
            came = labelled_rows(past, []).select(f"count({LABEL}) as n").column("n")[0].as_py()
        except MeshError:
            continue  # its rows are gone: what was said of them stands
        if came > known["labels"]:
            yield past


def _counted(verdict: VerdictRecord) -> Any:
    return next((one.details for one in verdict.measures if one.method == COVERAGE), None)

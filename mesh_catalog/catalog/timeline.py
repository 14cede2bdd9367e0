"""The verdicts of a model or a product over its windows: a row a monitor, slice and measure, a cell a window.

Of a model also its trainings: what the loop made of the verdicts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from mesh_catalog.catalog.inventory import find_kind
from mesh_catalog.catalog.store import Catalog
from mesh_catalog.catalog.trainings import ComparedTraining, read_compared_trainings
from mesh_catalog.catalog.verdicts import MonitorKind, Outcome, SubjectKind, VerdictRecord, read_verdicts

__all__ = ["Timeline", "TimelineCell", "TimelineRow", "Window", "read_timeline"]

_VERDICTS = 5_000
"""Read at most; a window has a verdict a monitor and slice."""


@dataclass(frozen=True, kw_only=True)
class Window:
    """A span of event time that was judged; of data without event time, the versions that were."""

    begin: datetime | None
    end: datetime | None
    rows: str
    """`product@first..last`"""

    @property
    def label(self) -> str:
        if self.end is None:
            return self.rows
        return self.end.strftime("%Y-%m-%d" if self.end.time() == self.end.min.time() else "%Y-%m-%d %H:%M")


@dataclass(frozen=True, kw_only=True)
class TimelineCell:
    outcome: Outcome
    score: float | None
    threshold: float | None
    reason: str | None
    verdict_id: str
    report_html: str | None


@dataclass(frozen=True, kw_only=True)
class TimelineRow:
    """`column` and `method` are None in the row of the whole verdict, whose score is the share of drifted columns."""

    kind: MonitorKind
    slice: str
    column: str | None
    method: str | None
    cells: tuple[TimelineCell | None, ...]
    """One a window, oldest first; None where it was not judged."""

    @property
    def whole(self) -> bool:
        return self.method is None

    @property
    def name(self) -> str:
        if self.method is None:
            return self.kind.replace("_", " ") + (f", {self.slice}" if self.slice else "")
        return self.column or self.method

    @property
    def newest(self) -> TimelineCell | None:
        return next((cell for cell in reversed(self.cells) if cell is not None), None)


@dataclass(frozen=True, kw_only=True)
class Timeline:
    subject: str
    subject_kind: SubjectKind
    windows: tuple[Window, ...]
    """Oldest first."""
    rows: tuple[TimelineRow, ...]
    """By monitor and slice: the whole, then its measures; those that failed most come first."""
    trainings: tuple[ComparedTraining, ...] = ()
    """Of a model, the newest first."""


def read_timeline(
    catalog: Catalog, subject: str, *, kind: MonitorKind | None = None, slices: bool = False, limit: int = 30
) -> Timeline:
    """The newest windows of a model or a product.

    Args:
        kind: Of one monitor; of all where None.
        slices: Also the verdicts on slices.
        limit: At most so many windows.

    Raises:
        NotFoundError: There is nothing of this name.
    """
    subject_kind = find_kind(catalog, subject)
    found = read_verdicts(catalog, subject, kind=kind, slice=None if slices else "", limit=_VERDICTS)
    windows = _windows(found)[-limit:]
    places = {window: index for index, window in enumerate(windows)}
    judged: dict[tuple[MonitorKind, str], list[VerdictRecord | None]] = {}
    for verdict in found:  # the newest comes first, so of two on one window the later one counts
        at = places.get(_window(verdict))
        if at is not None:
            row = judged.setdefault((verdict.kind, verdict.slice), [None] * len(windows))
            row[at] = row[at] or verdict
    return Timeline(
        subject=subject,
        subject_kind="model" if subject_kind == "model" else "product",
        windows=windows,
        rows=tuple(row for key in sorted(judged) for row in _rows(*key, judged[key])),
        trainings=read_compared_trainings(catalog, subject) if subject_kind == "model" else (),
    )


def _window(verdict: VerdictRecord) -> Window:
    return Window(begin=verdict.window_from, end=verdict.window_to, rows=verdict.current)


def _windows(found: Iterable[VerdictRecord]) -> tuple[Window, ...]:
    """Oldest first; those without event time before all others, in the order in which they were judged."""
    seen = dict.fromkeys(_window(verdict) for verdict in reversed(list(found)))
    return tuple(sorted(seen, key=lambda one: (one.end is not None, one.end.timestamp() if one.end else 0.0)))


def _rows(kind: MonitorKind, part: str, verdicts: list[VerdictRecord | None]) -> list[TimelineRow]:
    whole = [None if one is None else _whole(one) for one in verdicts]
    rows = [TimelineRow(kind=kind, slice=part, column=None, method=None, cells=tuple(whole))]
    measures: dict[tuple[str | None, str], list[TimelineCell | None]] = {}
    methods: dict[str, str] = {}
    for index, verdict in enumerate(verdicts):
        for one in verdict.measures if verdict is not None else ():
            if one.column is not None:  # its row stays one where another method was chosen for it later
                methods[one.column] = one.method or methods.get(one.column, "")
            key = (one.column, "" if one.column is not None else one.method)
            cells = measures.setdefault(key, [None] * len(verdicts))
            assert verdict is not None
            cells[index] = cells[index] or TimelineCell(
                outcome=one.outcome,
                score=one.score,
                threshold=one.threshold,
                reason=one.reason,
                verdict_id=verdict.id,
                report_html=verdict.report_html,
            )
    made = [
        TimelineRow(
            kind=kind,
            slice=part,
            column=column,
            method=methods.get(column, method) if column is not None else method,
            cells=tuple(cells),
        )
        for (column, method), cells in measures.items()
    ]
    return rows + sorted(made, key=_bad_first)


def _whole(verdict: VerdictRecord) -> TimelineCell:
    return TimelineCell(
        outcome=verdict.outcome,
        score=verdict.share,
        threshold=verdict.limit,
        reason=verdict.reason,
        verdict_id=verdict.id,
        report_html=verdict.report_html,
    )


def _bad_first(row: TimelineRow) -> tuple[int, str]:
    return -sum(cell is not None and cell.outcome == "fail" for cell in row.cells), row.name

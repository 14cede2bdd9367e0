"""What a monitor is, and what it finds: the part of a verdict that is its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mesh_catalog.catalog.verdicts import Measure, MonitorKind, Outcome

if TYPE_CHECKING:
    from pathlib import Path

    from mesh_catalog.monitoring.report import ReportFiles
    from mesh_catalog.monitoring.window import Window

__all__ = ["Finding", "Monitor", "not_run", "worst"]

_ORDER: tuple[Outcome, ...] = ("fail", "warn", "pass", "not_run")


@dataclass(frozen=True, kw_only=True)
class Finding:
    """An outcome, its reason as one sentence, and the numbers that it rests on."""

    outcome: Outcome
    reason: str
    measures: tuple[Measure, ...] = ()
    share: float | None = None
    limit: float | None = None
    reference_digest: str | None = None
    current_digest: str | None = None
    write: Callable[[Path, str, str], ReportFiles] | None = None
    """Writes a report of its own into a folder, under a name and a title; the general one is written where None."""


@dataclass(frozen=True, kw_only=True)
class Monitor:
    """One monitor: when it is asked for, what it compares with, and how it judges."""

    kind: MonitorKind
    title: str
    applies: Callable[[Window], bool]
    """Whether the window's section asks for it, or it always runs."""
    reference: Callable[[Window], Sequence[str | None]]
    """What the verdict depends on beside the window, each as `product@version`."""
    judge: Callable[[Window], Finding]
    pin: Callable[[Window], Window] = lambda window: window
    """Looks up what is known of before and names it in the window, once, so that all that follows sees the same."""
    sliced: bool = True
    """Whether slices mean anything to it."""
    labelled: bool = False
    """Whether it is to judge a window again when more of its labels have come."""


def not_run(reason: str, measures: Sequence[Measure] = ()) -> Finding:
    """Nothing could be said, and why."""
    return Finding(outcome="not_run", reason=reason, measures=tuple(measures))


def worst(outcomes: Sequence[Outcome]) -> Outcome:
    """The worst of some outcomes; not_run where there is nothing else."""
    return next((outcome for outcome in _ORDER if outcome in outcomes), "not_run")

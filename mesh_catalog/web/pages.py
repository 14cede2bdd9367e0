"""Pages as templates make them. Plain HTML without scripts; all text is escaped.

The timeline is also a page of its own for `mesh timeline --open`, which links to Evidently's reports on this disk.
"""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from mesh_catalog.catalog.timeline import Timeline, TimelineCell, TimelineRow, Window
from mesh_catalog.catalog.trainings import ComparedTraining
from mesh_catalog.contracts.service_levels import level_text
from mesh_catalog.web.addresses import address_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jinja2 import Environment

    from mesh_catalog.retraining.rollout_status import RolloutStatus

__all__ = ["render", "rollout_page", "timeline_page"]

_MARKS = {"pass": "", "warn": "!", "fail": "×", "not_run": "?"}
_WIDTH, _HEIGHT = 120, 18
_INTERVAL = 200


def timeline_page(found: Timeline, *, rollout: RolloutStatus | None = None, local: bool = False) -> str:
    """The timeline as an HTML document.

    Args:
        rollout: Of a model: its newest one.
        local: For a file on this disk: without navigation, and with links to the reports.
    """
    return render("timeline.html", timeline=found, rollout=rollout, local=local)


def rollout_page(
    *, title: str, told: str, steps: Sequence[Mapping[str, Any]], alarms: Sequence[Mapping[str, Any]]
) -> str:
    """A rollout as an HTML document for a file.

    Args:
        told: What is to be done, and why.
        steps: `number`, `name`, `baked` and `needed` (rows), `state`, `found`.
        alarms: `alarm`, `state`, `reason`, as a stock's evidence has them.
    """
    return render("rollout.html", title=title, told=told, steps=steps, alarms=alarms)


def render(template: str, **values: Any) -> str:
    return _environment().get_template(template).render(**values)


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined  # late: only where a page is made

    made = Environment(
        loader=PackageLoader("mesh_catalog.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals["address_of"] = address_of
    made.filters |= {
        "drawn": _drawn,
        "file_url": _file_url,
        "interval": _interval,
        "level": level_text,
        "mark": _MARKS.get,
        "number": _number,
        "told": _told,
    }
    return made


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _told(cell: TimelineCell, window: Window) -> str:
    score = f", {_number(cell.score)}" if cell.score is not None else ""
    limit = f" (limit {_number(cell.threshold)})" if cell.threshold is not None else ""
    reason = f": {cell.reason}" if cell.reason else ""
    return f"{window.label}: {cell.outcome.replace('_', ' ')}{score}{limit}{reason}"


def _file_url(path: str) -> str:
    return Path(path).absolute().as_uri()


def _drawn(row: TimelineRow) -> Markup:
    """The scores as a line, and the newest limit across it."""
    scores = [None if cell is None else cell.score for cell in row.cells]
    known = [score for score in scores if score is not None and math.isfinite(score)]
    if len(known) < 2:
        return Markup("")
    newest = row.newest
    limit = newest.threshold if newest is not None else None
    shown = known if limit is None else [*known, limit]
    least, most = min(shown), max(shown)
    points = " ".join(
        f"{_across(index, len(scores)):.1f},{_down(score, least, most):.1f}"
        for index, score in enumerate(scores)
        if score is not None
    )
    line = ""
    if limit is not None and most > least:
        at = f"{_down(limit, least, most):.1f}"
        line = f'<line x1="0" y1="{at}" x2="{_WIDTH}" y2="{at}"/>'
    # numbers only, so there is nothing in it to escape
    return Markup(
        f'<svg class="scores" width="{_WIDTH}" height="{_HEIGHT}" aria-hidden="true">{line}'
        f'<polyline points="{points}"/></svg>'
    )


def _interval(training: ComparedTraining, trainings: Sequence[ComparedTraining]) -> Markup:
    """The difference and its interval, in the range of all trainings of the same metric; a line at no difference."""
    ends = [0.0, *(end for one in trainings if one.metric == training.metric for end in (one.low, one.high))]
    least, most = min(ends), max(ends)

    def place(value: float) -> float:
        return 6 + (value - least) / (most - least) * (_INTERVAL - 12) if most > least else _INTERVAL / 2

    low, high, found, none = (f"{place(v):.1f}" for v in (training.low, training.high, training.difference, 0.0))
    colour = "#2b9a66" if training.low > 0 else "#ca244d" if training.high < 0 else "#b7791f"
    middle = _HEIGHT // 2
    # numbers only, so there is nothing in it to escape
    return Markup(
        f'<svg class="scores" width="{_INTERVAL}" height="{_HEIGHT}" aria-hidden="true">'
        f'<line x1="{none}" y1="0" x2="{none}" y2="{_HEIGHT}"/>'
        f'<path d="M{low},{middle - 4}v8M{low},{middle}H{high}M{high},{middle - 4}v8" stroke="{colour}" '
        f'stroke-width="2"/><circle cx="{found}" cy="{middle}" r="4" fill="{colour}"/></svg>'
    )


def _across(index: int, count: int) -> float:
    return 2 + index * (_WIDTH - 4) / max(count - 1, 1)


def _down(score: float, least: float, most: float) -> float:
    share = (score - least) / (most - least) if most > least else 0.5
    return _HEIGHT - 2 - share * (_HEIGHT - 4)

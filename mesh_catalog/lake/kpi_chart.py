"""A KPI as a picture: an SVG, or one HTML file with it; its target as a line. No script, nothing from elsewhere."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Final

from mesh_catalog.errors import InputError

if TYPE_CHECKING:
    from datetime import datetime

    from mesh_catalog.lake.kpi import KpiPoint, KpiValues

__all__ = ["kpi_chart", "kpi_page", "kpi_picture"]

_WIDTH: Final = 960
_HEIGHT: Final = 400
_LEFT: Final = 80
_RIGHT: Final = 20
_TOP: Final = 20
_BOTTOM: Final = 40
_COLOURS: Final = ("#1f5fa8", "#c2571a", "#2e7d4f", "#8a3ea8", "#7a6a1f", "#b03052", "#3a7f8c", "#555555")
_TICKS: Final = 5
_TEXT: Final = "font:12px system-ui,sans-serif;fill:#555"


def kpi_page(found: KpiValues) -> str:
    """The page of a KPI's values."""
    kpi = found.kpi
    series = _series(found.points)
    told = [
        f"owner {kpi.owner or 'nobody'}",
        f"source {found.definition.source} v{found.source_version}",
        f"target {kpi.target}" if kpi.target else "no target",
        f"by {found.definition.grain}",
    ]
    formulas = "".join(
        f"<li>{f'from {one.valid_from}' if one.valid_from else 'since ever'}: <code>{escape(one.text)}</code></li>"
        for one in found.definition.formulas
    )
    legend = "".join(
        f'<span style="color:{_COLOURS[index % len(_COLOURS)]}">● {escape(", ".join(map(str, key)))}</span> '
        for index, key in enumerate(series)
        if key
    )
    title = kpi.title or kpi.name
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title><style>'
        "body{font:15px system-ui,sans-serif;margin:2rem auto;max-width:60rem;color:#222}"
        "svg{width:100%;height:auto}code{background:#f3f3f3;padding:0 .3em}"
        f"text{{{_TEXT}}}</style></head>"
        f"<body><h1>{escape(title)}</h1><p>{escape(kpi.description or '')}</p><p>{escape(' · '.join(told))}</p>"
        f"{_svg(found, series)}<p>{legend}</p><ul>{formulas}</ul></body></html>\n"
    )


def kpi_chart(found: KpiValues) -> str:
    """The chart as an element of a page, which says how its text looks; empty where no period has a value."""
    series = _series(found.points)
    return _svg(found, series) if series else ""


def kpi_picture(found: KpiValues) -> str:
    """The chart of a KPI's values alone, as an SVG file.

    Raises:
        InputError: No period has a value.
    """
    series = _series(found.points)
    if not series:
        raise InputError(f"{found.kpi.name}: no period has a value, so there is nothing to draw. Choose other periods.")
    style = f"<style>text{{{_TEXT}}}</style><rect width='100%' height='100%' fill='#fff'/>"
    return _svg(found, series).replace(">", f">{style}", 1) + "\n"


def _series(points: Sequence[KpiPoint]) -> dict[tuple[object, ...], list[KpiPoint]]:
    found: dict[tuple[object, ...], list[KpiPoint]] = {}
    for point in points:
        if point.value is not None and point.period is not None:
            found.setdefault(point.by, []).append(point)
    return found


def _svg(found: KpiValues, series: dict[tuple[object, ...], list[KpiPoint]]) -> str:
    drawn = [point for points in series.values() for point in points]
    if not drawn:
        return "<p>There is no period with a value.</p>"
    target = found.kpi.target
    limits = [one for one in (target.at_least, target.at_most) if one is not None] if target else []
    values = [float(point.value or 0) for point in drawn] + limits
    low, high = _padded(min(values), max(values))
    times = [_seconds(point.period) for point in drawn]
    first, last = min(times), max(times)

    def x(time: float) -> float:
        share = (time - first) / (last - first) if last > first else 0.5
        return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)

    def y(value: float) -> float:
        return _TOP + (high - value) / (high - low) * (_HEIGHT - _TOP - _BOTTOM)

    box, name = f"0 0 {_WIDTH} {_HEIGHT}", escape(found.kpi.name)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box}" role="img" aria-label="{name}" class="chart">']
    for index in range(_TICKS + 1):
        value = low + (high - low) * index / _TICKS
        parts.append(
            f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y(value):.1f}" y2="{y(value):.1f}" '
            'stroke="#eee"/>'
        )
        parts.append(f'<text x="{_LEFT - 8}" y="{y(value) + 4:.1f}" text-anchor="end">{value:,.4g}</text>')
    for point in (drawn[times.index(first)], drawn[times.index(last)]):
        place = x(_seconds(point.period))
        anchor = "start" if place < _WIDTH / 2 else "end"
        label = f"{point.period:%Y-%m-%d %H:%M}".removesuffix(" 00:00")
        parts.append(f'<text x="{place:.1f}" y="{_HEIGHT - 12}" text-anchor="{anchor}">{label}</text>')
    for limit in limits:
        parts.append(
            f'<line class="target" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y(limit):.1f}" y2="{y(limit):.1f}" '
            'stroke="#b00020" stroke-dasharray="6 4"/>'
            f'<text x="{_WIDTH - _RIGHT}" y="{y(limit) - 5:.1f}" text-anchor="end">target {limit:g}</text>'
        )
    for index, points in enumerate(series.values()):
        colour = _COLOURS[index % len(_COLOURS)]
        places = [(x(_seconds(one.period)), y(float(one.value or 0))) for one in points]
        line = " ".join(f"{left:.1f},{top:.1f}" for left, top in places)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{left:.1f}" cy="{top:.1f}" r="3" fill="{colour}"/>' for left, top in places]
    parts += [_change(x(at), number) for at, number in _changes(drawn)]
    return "".join([*parts, "</svg>"])


def _changes(drawn: Sequence[KpiPoint]) -> list[tuple[float, int]]:
    """Where a later version of the formula begins."""
    ordered = sorted(drawn, key=lambda one: _seconds(one.period))
    return [
        (_seconds(later.period), later.formula)
        for earlier, later in itertools.pairwise(ordered)
        if later.formula != earlier.formula
    ]


def _change(place: float, number: int) -> str:
    return (
        f'<line x1="{place:.1f}" x2="{place:.1f}" y1="{_TOP}" y2="{_HEIGHT - _BOTTOM}" stroke="#999" '
        f'stroke-dasharray="2 3"/><text x="{place + 4:.1f}" y="{_TOP + 10}">formula {number}</text>'
    )


def _padded(low: float, high: float) -> tuple[float, float]:
    room = (high - low) * 0.05 or max(abs(high), 1.0) * 0.05
    return (low - room if low < 0 or low > room else min(low, 0.0)), high + room


def _seconds(moment: datetime | None) -> float:
    return moment.timestamp() if moment is not None else math.nan

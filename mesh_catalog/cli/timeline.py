"""mesh timeline: a model's or a product's verdicts over its windows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from mesh_catalog.catalog.timeline import Timeline, TimelineCell, TimelineRow

__all__ = ["command"]

_HEAT = {"pass": "·", "warn": "▒", "fail": "█", "not_run": "?"}
_BARS = "▁▂▃▄▅▆▇█"
_KINDS = (
    "data_quality", "data_drift", "prediction_drift", "performance", "estimated_performance", "bias", "attribution",
    "operations",
)  # fmt: skip


@click.command("timeline")
@click.argument("subject")
@click.option("--kind", type=click.Choice(_KINDS), help="Of one monitor only.")
@click.option("--slices", is_flag=True, help="Also the verdicts on slices.")
@click.option("--windows", type=click.IntRange(1, 500), default=30, show_default=True, help="At most so many.")
@click.option("--columns", type=click.IntRange(min=0), default=20, show_default=True, help="Rows a monitor at most.")
@click.option("--html", type=click.Path(path_type=Path), help="Write the page there.")
@click.option("--open", "open_page", is_flag=True, help="Open it in a browser.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(
    subject: str,
    kind: str | None,
    slices: bool,
    windows: int,
    columns: int,
    html: Path | None,
    open_page: bool,
    as_json: bool,
) -> None:
    """Show the verdicts on SUBJECT, a model or a product, over its windows: · pass, ▒ warn, █ fail, ? not run.

    A row is a monitor, below it its columns or metrics, those that failed most first; `score` is drawn over the
    windows, from the row's least to its greatest.

    \b
    Example:
      mesh timeline payments.fraud --open
    """
    from typing import cast

    from mesh_catalog.access.mesh import open_mesh
    from mesh_catalog.catalog.timeline import read_timeline
    from mesh_catalog.catalog.verdicts import MonitorKind
    from mesh_catalog.cli.output import emit_json

    if html is not None and html.suffix != ".html":
        raise click.BadParameter("name a file that ends with .html", param_hint="--html")
    with open_mesh(with_workspace=False) as mesh:
        chosen = cast("MonitorKind | None", kind)
        found = read_timeline(mesh.catalog, subject, kind=chosen, slices=slices, limit=windows)
        page = html or (mesh.settings.reports / subject / "timeline.html" if open_page else None)
    if page is not None:
        _write(page, found)
    if as_json:
        emit_json(found)
    else:
        _print(found, columns)
    if page is not None:
        click.echo(f"page: {page}", err=True)
    if open_page:
        click.launch(str(page))


def _write(page: Path, found: Timeline) -> None:
    from mesh_catalog.documents import write_whole
    from mesh_catalog.errors import InputError
    from mesh_catalog.web.pages import timeline_page

    try:
        write_whole(page, timeline_page(found, local=True))
    except OSError as error:
        raise InputError(f"{page}: cannot be written: {error.strerror}. Name another --html.") from error


def _print(found: Timeline, columns: int) -> None:
    from mesh_catalog.cli.output import print_table

    if not found.windows:
        click.echo(f"{found.subject}: no monitor has looked at it yet.", err=True)
        click.echo(f"next: mesh monitor {found.subject}", err=True)
        return
    click.echo(f"{found.subject}   {len(found.windows)} windows, {found.windows[0].label} to {found.windows[-1].label}")
    shown: list[tuple[str, str, str, str, str, str]] = []
    left = 0
    for row in found.rows:
        left = columns if row.whole else left - 1
        if row.whole or left >= 0:
            shown.append(_row(row))
    print_table(shown, ("monitor", "verdicts", "score", "newest", "limit", "method"))
    if hidden := len(found.rows) - len(shown):
        click.echo(f"and {hidden} rows more: --columns, or --open", err=True)


def _row(row: TimelineRow) -> tuple[str, str, str, str, str, str]:
    heat = "".join(" " if cell is None else _HEAT[cell.outcome] for cell in row.cells)
    newest = row.newest
    score, limit = (_number(value) for value in ((newest.score, newest.threshold) if newest else (None, None)))
    return row.name if row.whole else f"  {row.name}", heat, _spark(row.cells), score, limit, row.method or ""


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _spark(cells: Sequence[TimelineCell | None]) -> str:
    """Scores as bars between the least and the greatest; nothing where there is one score only."""
    scores = [None if cell is None else cell.score for cell in cells]
    known = [score for score in scores if score is not None and math.isfinite(score)]
    if len(known) < 2:
        return ""
    least, span = min(known), max(known) - min(known)
    steps = len(_BARS) - 1
    return "".join(
        " " if score is None else _BARS[round((score - least) / span * steps) if span else 0] for score in scores
    )

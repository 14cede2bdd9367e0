"""mesh kpi: compute a KPI by its definition."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mesh_catalog.access.mesh import Mesh
    from mesh_catalog.catalog.kpis import KpiRecord
    from mesh_catalog.lake.kpi import KpiPoint, KpiValues

__all__ = ["command"]

_SHOWN = 30
_BAR = 20
"""Letters of the longest bar."""


@click.command("kpi")
@click.argument("name", required=False)
@click.option("--from", "start", metavar="TIME", help="From this day or moment on, UTC…")
@click.option("--to", "end", metavar="TIME", help="…up to, and without, this one.")
@click.option("--as-of", metavar="TIME", help="Source and definition as they were at this moment.")
@click.option("--version", type=click.IntRange(min=1), help="All periods with this version of the formula, from 1.")
@click.option("--by", multiple=True, metavar="DIMENSION", help="Split it by one of its dimensions; may stand twice.")
@click.option("--list", "list_all", is_flag=True, help="All KPIs with owner, source, target and formula.")
@click.option(
    "--chart", type=click.Path(path_type=Path, dir_okay=False), help="Write a chart into an .html or .svg file."
)
@click.option("--open", "open_chart", is_flag=True, help="Open the chart in a browser.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(
    name: str | None,
    start: str | None,
    end: str | None,
    as_of: str | None,
    version: int | None,
    by: tuple[str, ...],
    list_all: bool,
    chart: Path | None,
    open_chart: bool,
    as_json: bool,
) -> None:
    """Compute a KPI of kpis.yaml, period by period, without Spark.

    Each period is computed by the version of the formula that was valid on its first day. With --as-of, also a
    definition that was changed backwards since gives the value that people saw then.

    \b
    Example:
      mesh kpi payments.fraud_rate --from 2026-05-01 --open
    """
    from mesh_catalog.catalog.kpis import list_kpis
    from mesh_catalog.cli.output import emit_json
    from mesh_catalog.cli.partly import open_readable_mesh, register_readable
    from mesh_catalog.lake.kpi import compute_kpi

    if list_all == (name is not None):
        raise click.UsageError("name a KPI, or give --list.")
    if chart is not None and chart.suffix.lower() not in (".html", ".svg"):
        raise click.UsageError(f"--chart: '{chart.name[:80]}' is no .html or .svg file.")
    with open_readable_mesh(whole=list_all) as mesh:
        register_readable(mesh)
        if name is None:
            _print_list(list_kpis(mesh.catalog), as_json=as_json)
            return
        found = compute_kpi(mesh, name, start=start, end=end, as_of=as_of, version=version, by=by)
        written = _write_chart(mesh, found, chart) if chart or open_chart else None
    if as_json:
        emit_json({**found.__dict__, "chart": written})
    else:
        _print(found, written)
    if open_chart and written is not None:
        click.launch(str(written))


def _write_chart(mesh: Mesh, found: KpiValues, chart: Path | None) -> Path:
    from mesh_catalog.documents import write_whole
    from mesh_catalog.errors import StorageError
    from mesh_catalog.lake.kpi_chart import kpi_page, kpi_picture

    path = chart or mesh.settings.state / "reports" / f"{found.kpi.name}.html"
    try:
        write_whole(path, kpi_picture(found) if path.suffix.lower() == ".svg" else kpi_page(found))
    except OSError as error:
        raise StorageError(f"{path}: cannot be written ({error.strerror or type(error).__name__}).") from error
    return path


def _print_list(kpis: Sequence[KpiRecord], *, as_json: bool) -> None:
    from mesh_catalog.cli.output import emit_json, print_table

    if as_json:
        emit_json(kpis)
        return
    if not kpis:
        click.echo("no KPI is defined yet. Write kpis.yaml into a domain's folder.", err=True)
        return
    rows = [
        (one.name, one.title or "", one.unit or "", one.grain, one.owner or "-", one.source, str(one.target or ""))
        for one in kpis
    ]
    print_table(rows, ("name", "title", "unit", "by", "owner", "source", "target"))
    click.echo(f"next: mesh kpi {kpis[0].name}", err=True)


def _print(found: KpiValues, chart: Path | None) -> None:
    from mesh_catalog.cli.output import print_table

    kpi, definition = found.kpi, found.definition
    click.echo(f"{kpi.name}   {kpi.title or kpi.description or ''}".rstrip())
    used = {point.formula for point in found.points}
    for number in sorted(used):
        click.echo(f"  formula {number}  {definition.formulas[number - 1].text}")
    unit = f" ({kpi.unit})" if kpi.unit else ""
    headers = [*([definition.grain] if definition.time else []), *found.dimensions, f"value{unit}", ""]
    headers += ["target", "met"] if kpi.target else []
    headers += ["formula"] if len(used) > 1 else []
    shown = found.points[-_SHOWN:]
    if shown:
        bars = _bars(shown)
        rows = [_row(found, point, bar, several=len(used) > 1) for point, bar in zip(shown, bars, strict=True)]
        print_table(rows, headers)
    left = len(found.points) - len(shown)
    told = f"the last {len(shown)} of {len(found.points):,} values; all: --json" if left else f"{len(shown)} values"
    click.echo(f"{told}   {definition.source} v{found.source_version}", err=True)
    if chart is not None:
        click.echo(f"chart: {chart}", err=True)
    elif found.points:
        click.echo(f"next: mesh kpi {kpi.name} --open", err=True)


def _bars(points: Sequence[KpiPoint]) -> list[str]:
    """A bar from zero for each value; none where one value is below zero, or all are zero."""
    values = [float(point.value or 0) for point in points]
    most = max(values)
    if min(values) < 0 or not 0 < most < math.inf:
        return [""] * len(values)
    eighths = [round(value / most * _BAR * 8) for value in values]
    return ["█" * (one // 8) + ("", *"▏▎▍▌▋▊▉")[one % 8] for one in eighths]


def _row(found: KpiValues, point: KpiPoint, bar: str, *, several: bool) -> tuple[Any, ...]:
    cells: list[Any] = []
    if found.definition.time:
        form = "%Y-%m-%d %H:%M" if found.definition.grain == "hour" else "%Y-%m-%d"
        cells.append("" if point.period is None else point.period.strftime(form))
    cells += [str(value) for value in point.by]
    cells += [point.value, bar]
    if found.kpi.target:
        cells += [str(found.kpi.target), {True: "yes", False: "no", None: ""}[point.meets_target]]
    return (*cells, *([point.formula] if several else []))

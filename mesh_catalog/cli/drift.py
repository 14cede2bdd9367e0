"""mesh drift: compare any two datasets as Evidently would."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from mesh_catalog.monitoring.drift import ColumnDrift, Comparison, DriftResult

__all__ = ["command", "drift_rows"]


@click.command("drift")
@click.argument("reference")
@click.argument("current")
@click.option("--columns", help="Compare only these, separated by commas.")
@click.option("--share", default=0.5, show_default=True, help="Share of drifted columns from which the whole drifted.")
@click.option("--html", type=click.Path(path_type=Path), help="Write Evidently's report there, its JSON beside it.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(reference: str, current: str, columns: str | None, share: float, html: Path | None, as_json: bool) -> None:
    """Compare two datasets and say which columns drifted, by Evidently's default tests.

    REFERENCE and CURRENT are Parquet, CSV or TSV files, or products: NAME is the newest version, NAME@3 the table as of
    version 3, NAME@3..5 the rows that versions 3 to 5 added. Drift is no error: the exit code is 0.

    \b
    Example:
      mesh drift payments.transactions@0 may.csv --html drift.html
    """
    from mesh_catalog.cli.output import emit_json, print_table, progress

    if html is not None and html.suffix != ".html":
        raise click.BadParameter("name a file that ends with .html", param_hint="--html")
    wanted = [name.strip() for name in columns.split(",") if name.strip()] if columns else None
    with progress(f"compares {current} with {reference}"):
        comparison = _compare(reference, current, wanted, share)
    result = comparison.result
    if html is not None:
        _write(comparison, html, title=f"{current} against {reference}")
    if as_json:
        emit_json(result.to_dict())
        return
    print_table(drift_rows(result), ("column", "type", "drift", "score", "threshold", "method"))
    click.echo(result.sentence)
    if html is not None:
        click.echo(f"report: {html}", err=True)


def _compare(reference: str, current: str, columns: list[str] | None, share: float) -> Comparison:
    from mesh_catalog.monitoring.monitor import compare_datasets, names_file

    if names_file(reference) and names_file(current):
        return compare_datasets(None, reference, current, columns=columns, limit=share)
    from mesh_catalog.access.mesh import open_mesh

    with open_mesh(with_workspace=False) as mesh:
        return compare_datasets(mesh, reference, current, columns=columns, limit=share)


def _write(comparison: Comparison, html: Path, *, title: str) -> None:
    from mesh_catalog.cli.output import progress
    from mesh_catalog.monitoring.report import write_report

    with progress("writes Evidently's report"):
        write_report(
            comparison.result,
            comparison.reference,
            comparison.current,
            folder=html.parent,
            name=html.stem,
            title=title,
        )


def drift_rows(result: DriftResult) -> list[tuple[str, ...]]:
    """One row a column: drifted first, the strongest first among them, what was not compared last."""
    return [_row(column) for column in sorted(result.columns, key=_strength)]


def _row(column: ColumnDrift) -> tuple[str, ...]:
    if column.reason is not None:
        return column.column, column.type, "-", "", "", column.reason
    drift = "drifted" if column.drifted else "no"
    return column.column, column.type, drift, f"{column.score:.4g}", f"{column.threshold:g}", column.method or ""


def _strength(column: ColumnDrift) -> tuple[bool, bool, float, str]:
    if column.score is None or column.method is None or column.threshold is None:
        return True, True, 0.0, column.column
    ratio = column.score / column.threshold
    return not column.drifted, False, ratio if "p_value" in column.method else -ratio, column.column

"""mesh drift: compare any two datasets as Evidently would."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from mesh_catalog.alerts.affected import Affected
    from mesh_catalog.monitoring.drift import ColumnDrift, Comparison, DriftResult
    from mesh_catalog.specs import DriftSpec

__all__ = ["command", "drift_rows"]


@click.command("drift")
@click.argument("reference")
@click.argument("current")
@click.option("--columns", help="Compare only these, separated by commas.")
@click.option("--share", default=0.5, show_default=True, help="Share of drifted columns from which the whole drifted.")
@click.option(
    "--method", "methods", multiple=True, metavar="[COLUMN=]METHOD", help="A drift method of Evidently's, as psi or ks."
)
@click.option(
    "--threshold", "thresholds", multiple=True, metavar="[COLUMN=]NUMBER", help="Instead of the method's own."
)
@click.option("--correction", type=click.Choice(["none", "fdr"]), default="none", help="Of p-values, for many columns.")
@click.option("--html", type=click.Path(path_type=Path), help="Write Evidently's report there, its JSON beside it.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(
    reference: str,
    current: str,
    columns: str | None,
    share: float,
    methods: tuple[str, ...],
    thresholds: tuple[str, ...],
    correction: str,
    html: Path | None,
    as_json: bool,
) -> None:
    """Compare two datasets and say which columns drifted, by Evidently's default tests or by those named.

    REFERENCE and CURRENT are Parquet, CSV or TSV files, or products: NAME is the newest version, NAME@3 the table as of
    version 3, NAME@3..5 the rows that versions 3 to 5 added. Drift is no error: the exit code is 0.

    \b
    Example:
      mesh drift payments.transactions@0 may.csv --html drift.html
      mesh drift april.parquet may.parquet --method amount=psi --threshold amount=0.2
    """
    from mesh_catalog.cli.output import emit_json, print_table, progress

    if html is not None and html.suffix != ".html":
        raise click.BadParameter("name a file that ends with .html", param_hint="--html")
    wanted = [name.strip() for name in columns.split(",") if name.strip()] if columns else None
    spec = _spec(methods, thresholds, correction)
    with progress(f"compares {current} with {reference}"):
        comparison = _compare(reference, current, wanted, share, spec)
    result = comparison.result
    if html is not None:
        _write(comparison, html, title=f"{current} against {reference}")
    if as_json:
        downstream = _downstream(current, result)
        emit_json(result.to_dict() | ({"downstream": downstream} if downstream is not None else {}))
        return
    print_table(drift_rows(result), ("column", "type", "drift", "score", "threshold", "method"))
    click.echo(result.sentence)
    if html is not None:
        click.echo(f"report: {html}", err=True)
    downstream = _downstream(current, result)
    for line in downstream.lines if downstream is not None else ():
        click.echo(line)


def _downstream(current: str, result: DriftResult) -> Affected | None:
    """The models that use the columns of a product that drifted; None of a file, and where no column drifted."""
    from mesh_catalog.monitoring.datasets import names_file

    drifted = [column.column for column in result.columns if column.drifted]
    if names_file(current) or not drifted:
        return None
    from mesh_catalog.access.mesh import open_mesh
    from mesh_catalog.alerts.affected import affected_models

    with open_mesh(with_workspace=False) as mesh:
        return affected_models(mesh, current.partition("@")[0], drifted)


def _compare(
    reference: str, current: str, columns: list[str] | None, share: float, spec: DriftSpec | None
) -> Comparison:
    from mesh_catalog.monitoring.datasets import compare_datasets, names_file

    if names_file(reference) and names_file(current):
        return compare_datasets(None, reference, current, columns=columns, limit=share, spec=spec)
    from mesh_catalog.access.mesh import open_mesh

    with open_mesh(with_workspace=False) as mesh:
        return compare_datasets(mesh, reference, current, columns=columns, limit=share, spec=spec)


def _spec(methods: tuple[str, ...], thresholds: tuple[str, ...], correction: str) -> DriftSpec | None:
    """What the options say; None where they say nothing."""
    from typing import cast, get_args

    from mesh_catalog.errors import nearest
    from mesh_catalog.specs import DriftMethod, DriftSpec, MethodChoice

    named, limits = _by_column(methods), _by_column(thresholds)
    for method in named.values():
        if method not in get_args(DriftMethod):
            near = nearest(method, get_args(DriftMethod)) or f" Allowed: {', '.join(get_args(DriftMethod))}."
            raise click.BadParameter(f"'{method[:40]}' is not known.{near}", param_hint="--method")
    choices = {
        name: MethodChoice(method=cast("DriftMethod | None", named.get(name)), threshold=_number(limits.get(name)))
        for name in {**named, **limits}
    }
    every = choices.pop("", MethodChoice())
    if not methods and not thresholds and correction == "none":
        return None
    return DriftSpec(every=every, columns=choices, correction="fdr" if correction == "fdr" else None)


def _by_column(options: tuple[str, ...]) -> dict[str, str]:
    """`name=value` under the name, a bare value under none."""
    return {name: value for name, _, value in (option.rpartition("=") for option in options)}


def _number(text: str | None) -> float | None:
    import math

    if text is None:
        return None
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not math.isfinite(found) or found < 0:
        raise click.BadParameter(f"'{text[:40]}' is no number from 0 on.", param_hint="--threshold")
    return found


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
    return column.column, column.type, drift, f"{column.judged:.4g}", f"{column.threshold:g}", column.method or ""


def _strength(column: ColumnDrift) -> tuple[bool, bool, float, str]:
    from mesh_catalog.monitoring.methods import METHODS

    if column.judged is None or column.method is None or not column.threshold:
        return not column.drifted, column.reason is not None, 0.0, column.column
    ratio = column.judged / column.threshold
    return not column.drifted, False, ratio if METHODS[column.method].is_p_value else -ratio, column.column

"""mesh monitor: compare a model's newest window with what its champion learned from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from mesh_catalog.catalog.verdicts import Measure, VerdictRecord

__all__ = ["command"]


@click.command("monitor")
@click.argument("model")
@click.option("--open", "open_report", is_flag=True, help="Open the report in a browser.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(model: str, open_report: bool, as_json: bool) -> None:
    """Compare a model's newest predictions with what its champion learned from.

    Keeps the verdict, and Evidently's report that it is read from; `mesh retrain` acts on it. Starts no Spark. Drift is
    no error: the exit code is 0.

    \b
    Example:
      mesh monitor payments.fraud --open
    """
    from mesh_catalog.access.mesh import open_mesh
    from mesh_catalog.cli.output import emit_json, progress
    from mesh_catalog.monitoring.monitor import monitor_model

    with open_mesh() as mesh:
        spec = mesh.workspace.model(model)
        with progress(f"compares the newest predictions of {model}"):
            verdict = monitor_model(mesh, spec)
    if as_json:
        emit_json(verdict)
    else:
        _print(verdict)
    if open_report and verdict.report_html:
        click.launch(verdict.report_html)


def _print(verdict: VerdictRecord) -> None:
    from mesh_catalog.cli.output import print_table

    print_table([_row(measure) for measure in verdict.measures], ("column", "outcome", "score", "threshold", "method"))
    day = verdict.window_to.date().isoformat() if verdict.window_to else verdict.current
    click.echo(f"{day}   {verdict.outcome}: {verdict.reason}")
    click.echo(f"             {verdict.current} against {verdict.reference}")
    click.echo(f"             report: {verdict.report_html}")
    if verdict.outcome == "fail":
        click.echo(f"next: mesh retrain {verdict.subject}", err=True)


def _row(measure: Measure) -> tuple[str, ...]:
    score, threshold = (f"{n:.4g}" if n is not None else "" for n in (measure.score, measure.threshold))
    return measure.column or "", measure.outcome, score, threshold, measure.reason or measure.method

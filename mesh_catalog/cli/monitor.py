"""mesh monitor: what the monitors say of the newest window of a model or a product."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from mesh_catalog.alerts.verdicts import Told
    from mesh_catalog.catalog.verdicts import Measure, VerdictRecord
    from mesh_catalog.monitoring.run import MonitorRun, Replay
    from mesh_catalog.specs import ModelSpec, ProductSpec, Span

__all__ = ["command"]

_KINDS = (
    "data_quality", "data_drift", "prediction_drift", "performance", "estimated_performance", "bias", "attribution",
    "operations",
)  # fmt: skip
_SHOWN = 12
_REFUSED = 3


@click.command("monitor")
@click.argument("subject", metavar="MODEL_OR_PRODUCT")
@click.option("--kind", "kinds", multiple=True, type=click.Choice(_KINDS), help="Only this monitor; may be repeated.")
@click.option("--slice", "slices", multiple=True, help="Only these rows, for example 'channel = web'; may be repeated.")
@click.option(
    "--window", metavar="FROM..TO", help="The rows of these event times instead of the newest: 2026-02-12..2026-02-18."
)
@click.option("--replay", metavar="VERDICT", help="Judge an old verdict's window again, and say whether it is equal.")
@click.option(
    "--report",
    type=click.Path(path_type=Path),
    help="Keep what this JSON of Evidently's says of drift as the window's verdict, and judge nothing else.",
)
@click.option("--fail-on", type=click.Choice(("fail", "warn")), help="Exit with 3 where a verdict is so bad, or worse.")
@click.option("--open", "open_report", is_flag=True, help="Open the reports in a browser.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.option("--master", help="Spark master, for the monitors that need Spark; conf/ says it otherwise.")
def command(
    subject: str,
    kinds: tuple[str, ...],
    slices: tuple[str, ...],
    window: str | None,
    replay: str | None,
    report: Path | None,
    fail_on: str | None,
    open_report: bool,
    as_json: bool,
    master: str | None,
) -> None:
    """Judge the newest window of a model's predictions, or of a product's rows.

    Runs every monitor that `monitor:` of model.yaml (or monitor.yaml of a product) asks for, keeps each verdict with
    Evidently's report of it, and prints one row a verdict. Where labels came late, the windows that waited for them
    are judged again. `mesh retrain` acts on the verdicts. Only attribution drift starts Spark. Whatever the verdicts
    are, the exit code is 0, but with --fail-on.

    \b
    Example:
      mesh monitor payments.fraud --open
      mesh monitor payments.fraud --report drift.json --window 2026-02-12..2026-02-18
    """
    from mesh_catalog.alerts.verdicts import tell_verdicts
    from mesh_catalog.cli.output import progress
    from mesh_catalog.cli.partly import open_readable_mesh
    from mesh_catalog.lake.session import open_session
    from mesh_catalog.monitoring.run import record_report, replay_verdict, run_monitors
    from mesh_catalog.settings import load_settings

    if report is not None and (kinds or slices or replay is not None):
        raise click.UsageError("--report is a verdict of its own: leave --kind, --slice and --replay out.")
    if window is not None and replay is not None:
        raise click.UsageError("--replay judges the verdict's own window: leave --window out.")
    span = _span(window) if window is not None else None
    with open_readable_mesh(load_settings(master=master)) as mesh:
        spec = mesh.workspace.subject(subject)

        session = partial(open_session, mesh.settings, app_name=f"mesh monitor {subject}")
        if replay is not None:
            with progress(f"judges {replay} again"):
                again = replay_verdict(mesh, spec, replay, session=session)
            _print_replay(again, as_json=as_json)
            return
        with progress(f"judges {window or 'the newest window'} of {subject}" if report is None else f"reads {report}"):
            if report is not None:
                run = record_report(mesh, spec, report, span=span)
            else:
                run = run_monitors(
                    mesh,
                    spec,
                    kinds=kinds or None,  # type: ignore[arg-type]
                    slices=slices or None,
                    span=span,
                    session=session,
                )
        told = tell_verdicts(mesh, (*run.verdicts, *run.late), past=span is not None)
    _print(run, spec, told, as_json=as_json)
    if open_report:
        for verdict in (*run.verdicts, *run.late):
            if verdict.report_html and verdict.outcome != "not_run":
                click.launch(verdict.report_html)
    if run.errors:
        raise run.errors[0]
    if run.outcome == "fail" or (fail_on == "warn" and run.outcome == "warn"):
        sys.exit(_REFUSED if fail_on else 0)


def _span(text: str) -> Span:
    from mesh_catalog.errors import InputError
    from mesh_catalog.specs import Span

    try:
        return Span.parse(text)
    except ValueError as error:
        raise InputError(f"--window: {error}") from error


def _print(run: MonitorRun, spec: ModelSpec | ProductSpec, told: Told, *, as_json: bool) -> None:
    from mesh_catalog.cli.output import emit_json, print_table
    from mesh_catalog.specs import ModelSpec

    if as_json:
        document = {"subject": run.subject, "outcome": run.outcome, "verdicts": run.verdicts, "late": run.late}
        around = {"upstream": told.upstream.to_dict() if told.upstream else None, "downstream": told.downstream}
        emit_json({**document, **around, "errors": [str(error) for error in run.errors]})
        return
    everything = (*run.verdicts, *run.late)
    if len(everything) == 1:
        _print_measures(run.verdicts[0])
    for verdict in run.verdicts[:1]:
        day = f"window to {verdict.window_to:%Y-%m-%d %H:%M}" if verdict.window_to else "window"
        version = f", v{verdict.model_version}" if verdict.model_version is not None else ""
        click.echo(f"{run.subject}   {day}   {verdict.current}{version}")
    if run.verdicts:
        print_table(
            [_row(verdict, verdict in run.late) for verdict in everything],
            ("monitor", "rows", "verdict", "id", "reason"),
        )
    for line in told.lines:
        click.echo(line)
    folders = {verdict.report_html.rpartition("/")[0] for verdict in everything if verdict.report_html}
    if len(everything) == 1:
        click.echo(f"report: {run.verdicts[0].report_html}", err=True)
    else:
        click.echo("".join(f"reports: {folder}\n" for folder in sorted(folders)), nl=False, err=True)
    if run.outcome == "fail" and isinstance(spec, ModelSpec):
        click.echo(f"next: mesh retrain {run.subject}", err=True)
    elif run.outcome in ("fail", "warn") and len(run.verdicts) > 1:
        click.echo(f"next: mesh monitor {run.subject} --kind MONITOR --open", err=True)


def _print_measures(verdict: VerdictRecord) -> None:
    from mesh_catalog.cli.output import print_table

    order = {"fail": 0, "warn": 1, "pass": 2, "not_run": 3}
    measures = sorted(verdict.measures, key=lambda one: order[one.outcome])
    if measures:
        heads = ("column", "outcome", "score", "interval", "limit", "measure")
        print_table([_measure_row(one) for one in measures[:_SHOWN]], heads)
    if len(measures) > _SHOWN:
        click.echo(f"and {len(measures) - _SHOWN:,} more: --json", err=True)


def _row(verdict: VerdictRecord, late: bool) -> tuple[str, ...]:
    rows = verdict.slice or "all"
    if late and verdict.window_to is not None:
        rows += f", to {verdict.window_to:%Y-%m-%d %H:%M}"
    return verdict.kind.replace("_", " "), rows, verdict.outcome, verdict.id[:8], verdict.reason


def _measure_row(measure: Measure) -> tuple[str, ...]:
    score, limit = (f"{n:.4g}" if n is not None else "" for n in (measure.score, measure.threshold))
    known = measure.score is not None and measure.low is not None and measure.high is not None
    interval = f"[{measure.low:.3f}, {measure.high:.3f}]" if known else ""
    return measure.column or "", measure.outcome, score, interval, limit, measure.reason or measure.method


def _print_replay(replay: Replay, *, as_json: bool) -> None:
    from mesh_catalog.cli.output import emit_json

    kept, again = replay.kept, replay.again
    if as_json:
        emit_json({"equal": replay.equal, "differences": replay.differences, "kept": kept, "again": again})
        return
    click.echo(f"{kept.kind.replace('_', ' ')} of {kept.current} against {kept.reference or 'nothing'}")
    click.echo(
        f"kept    {kept.outcome}: {kept.reason}   (mesh-catalog {kept.code_version}, {kept.created_at:%Y-%m-%d})"
    )
    click.echo(f"again   {again.outcome}: {again.reason}   (mesh-catalog {again.code_version})")
    click.echo("equal" if replay.equal else f"not equal: {', '.join(replay.differences) or 'the whole'}")

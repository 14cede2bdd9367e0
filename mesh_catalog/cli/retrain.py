"""mesh retrain: turns of the continuous-training loop, once or again and again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mesh_catalog.access.mesh import Mesh
    from mesh_catalog.errors import MeshError
    from mesh_catalog.retraining.loop import RetrainResult
    from mesh_catalog.retraining.policy import Decision
    from mesh_catalog.settings import Settings
    from mesh_catalog.specs import ModelSpec

__all__ = ["command"]

_FORCE = "--force trains one model: name it, and leave --watch out."
_Result = TypeVar("_Result")


@click.command("retrain")
@click.argument("models", nargs=-1, metavar="[MODEL]...")
@click.option(
    "--force",
    is_flag=True,
    help="Train a challenger whatever the verdicts say, also on the same rows; the gate still decides.",
)
@click.option("--reason", default="asked for by hand", show_default=True, help="Of --force; kept with the decision.")
@click.option("--watch", is_flag=True, help="Take turn after turn until Ctrl-C or SIGTERM.")
@click.option("--every", "interval", default="5min", show_default=True, help="Time between two turns of --watch.")
@click.option("--dry-run", is_flag=True, help="Say what would be decided, and train nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document; with --watch, one a turn and line.")
@click.option("--master", help="Spark master; conf/ says it otherwise.")
def command(
    models: tuple[str, ...],
    force: bool,
    reason: str,
    watch: bool,
    interval: str,
    dry_run: bool,
    as_json: bool,
    master: str | None,
) -> None:
    """Read the verdicts, decide, train a challenger, compare, promote or reject it; of all models where none is named.

    A turn that was killed is taken up at the step it had reached. Where no training is called for, no Spark starts.
    What is wrong with one model, or a file of its domain, keeps no other waiting; the exit code says so at the end.

    \b
    Example:
      mesh retrain payments.fraud
      mesh retrain --watch --every 15min
    """
    from mesh_catalog.cli.output import emit_json
    from mesh_catalog.cli.partly import open_readable_mesh
    from mesh_catalog.settings import load_settings

    seconds = _seconds(interval)
    if force and (len(models) > 1 or watch):
        raise click.UsageError(_FORCE)
    settings = load_settings(master=master)
    if watch:
        _watch(settings, models, seconds, as_json=as_json)
        return
    with open_readable_mesh(settings, whole=not models) as mesh:
        names = _chosen(mesh, models)
        if force and len(names) != 1:
            raise click.UsageError(_FORCE)
        work: Callable[[ModelSpec], Any] = (
            _planner(mesh, asked=reason if force else None, as_json=as_json)
            if dry_run
            else _turner(mesh, force=force, reason=reason, as_json=as_json)
        )
        results, errors = _each(mesh, names, work, alone=len(names) == 1)
        if as_json:
            emit_json(results[0] if len(models) == 1 else results)
        elif not dry_run:
            for result in results:
                _print(result)
        if errors:
            raise SystemExit(errors[0].exit_code)


def _chosen(mesh: Mesh, models: Sequence[str]) -> Sequence[str]:
    """The models that are named; where none is, all whose files can be read."""
    workspace = mesh.workspace
    return models or [name for name, model in workspace.models.items() if workspace.is_read(model)]


def _each(
    mesh: Mesh, names: Sequence[str], work: Callable[[ModelSpec], _Result], *, alone: bool = False
) -> tuple[list[_Result], list[MeshError]]:
    """What came of each model; one that fails is told and keeps no other waiting, unless it is `alone`."""
    from mesh_catalog.errors import MeshError

    results: list[_Result] = []
    errors: list[MeshError] = []
    for name in names:
        try:
            results.append(work(mesh.workspace.model(name)))
        except MeshError as error:
            if alone:
                raise
            click.echo(f"{name}   {error}", err=True)
            errors.append(error)
    return results, errors


def _seconds(interval: str) -> float:
    from mesh_catalog.contracts.durations import parse_duration

    try:
        found = parse_duration(interval).total_seconds()
    except ValueError as error:
        raise click.UsageError(f"--every: {error}") from None
    if found <= 0:
        raise click.UsageError("--every: must be longer than nothing.")
    return found


def _planner(mesh: Mesh, *, asked: str | None, as_json: bool) -> Callable[[ModelSpec], Decision]:
    """Says what would be decided of a model."""
    from mesh_catalog.retraining.loop import plan_retraining

    def plan(spec: ModelSpec) -> Decision:
        decision = plan_retraining(mesh, spec, asked=asked)
        if not as_json:
            click.echo("\n".join([f"{spec.name}   {_would(decision)}", *(f"  {one}" for one in decision.reasons)]))
        return decision

    return plan


def _would(decision: Decision) -> str:
    if decision.train:
        return "would train"
    if decision.again is not None:
        return f"would compare v{decision.again.refused} again"
    return "would open a review" if decision.review else "would not train"


def _turner(
    mesh: Mesh, *, force: bool, reason: str, as_json: bool, stop: Callable[[], bool] = lambda: False
) -> Callable[[ModelSpec], RetrainResult]:
    """Takes a model one turn; Spark is opened at most once, when a turn first needs it."""
    from mesh_catalog.lake.session import open_session
    from mesh_catalog.retraining.loop import retrain_model

    def turn(spec: ModelSpec) -> RetrainResult:
        return retrain_model(
            lambda: open_session(mesh.settings, app_name="mesh retrain"),
            mesh,
            spec,
            force=force,
            reason=reason,
            tell=lambda line: click.echo(f"{spec.name}   {line}", err=as_json),
            stop=stop,
        )

    return turn


def _watch(settings: Settings, models: Sequence[str], seconds: float, *, as_json: bool) -> None:
    """Turn after turn, by the workspace as it is at each. Alerts go on with each turn."""
    from mesh_catalog.alerts.escalation import escalate
    from mesh_catalog.cli.output import emit_json
    from mesh_catalog.cli.partly import open_readable_mesh
    from mesh_catalog.retraining.watch import until_stopped

    told: set[str] = set()

    def once(stop: Callable[[], bool]) -> None:
        with open_readable_mesh(settings, told=told) as mesh:
            turn = _turner(mesh, force=False, reason="", as_json=as_json, stop=stop)

            def work(spec: ModelSpec) -> None:
                if stop():
                    return
                result = turn(spec)
                if as_json:
                    emit_json(result, line=True)
                elif result.action != "keep":
                    _print(result)

            _each(mesh, _chosen(mesh, models), work)
            if not stop():
                escalate(mesh)

    with open_readable_mesh(settings, told=told) as mesh:
        count = len([mesh.workspace.model(name) for name in _chosen(mesh, models)])
    click.echo(f"watches {count} models every {seconds:g} s; Ctrl-C ends it after the step under way", err=True)
    turns = until_stopped(once, seconds=seconds)
    click.echo(f"stopped after {turns} turns; what was under way goes on with the next one", err=True)


def _print(result: RetrainResult) -> None:
    if result.action == "keep":
        click.echo(f"{result.model}   nothing to train; champion stays v{result.champion}")
        if result.review:
            click.echo(f"next: mesh review list {result.model}", err=True)
    elif result.action == "wait" and result.step == "waiting_approval":
        click.echo(f"next: mesh approve {result.model} v{result.challenger}", err=True)
    elif result.step == "rolling":
        click.echo(f"next: mesh rollout {result.model}", err=True)
    else:
        back = f"   back: mesh rollback {result.model}" if result.action == "promote" else ""
        click.echo(f"next: mesh show {result.model}{back}", err=True)

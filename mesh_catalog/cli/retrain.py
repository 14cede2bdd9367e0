"""mesh retrain: turns of the continuous-training loop, once or again and again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mesh_catalog.access.mesh import Mesh
    from mesh_catalog.retraining.loop import RetrainResult
    from mesh_catalog.retraining.policy import Decision
    from mesh_catalog.specs import ModelSpec

__all__ = ["command"]


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

    \b
    Example:
      mesh retrain payments.fraud
      mesh retrain --watch --every 15min
    """
    from mesh_catalog.access.mesh import open_mesh
    from mesh_catalog.cli.output import emit_json
    from mesh_catalog.settings import load_settings

    seconds = _seconds(interval)
    with open_mesh(load_settings(master=master)) as mesh:
        specs = [mesh.workspace.model(name) for name in models] or list(mesh.workspace.models.values())
        if force and (len(specs) != 1 or watch):
            raise click.UsageError("--force trains one model: name it, and leave --watch out.")
        if dry_run:
            planned = [_plan(mesh, spec, as_json) for spec in specs]
            if as_json:
                emit_json(planned[0] if len(models) == 1 else planned)
            return
        turn = _turns(mesh, force=force, reason=reason, as_json=as_json)
        if watch:
            _watch(mesh, specs, turn, seconds, as_json=as_json)
            return
        results = [turn(spec, lambda: False) for spec in specs]
        if as_json:
            emit_json(results[0] if len(models) == 1 else results)
        else:
            for result in results:
                _print(result)


def _seconds(interval: str) -> float:
    from mesh_catalog.contracts.durations import parse_duration

    try:
        found = parse_duration(interval).total_seconds()
    except ValueError as error:
        raise click.UsageError(f"--every: {error}") from None
    if found <= 0:
        raise click.UsageError("--every: must be longer than nothing.")
    return found


def _plan(mesh: Mesh, spec: ModelSpec, as_json: bool) -> Any:
    from mesh_catalog.retraining.loop import plan_retraining

    decision = plan_retraining(mesh, spec)
    if not as_json:
        told = _would(decision)
        click.echo("\n".join([f"{spec.name}   {told}", *(f"  {reason}" for reason in decision.reasons)]))
    return decision


def _would(decision: Decision) -> str:
    if decision.train:
        return "would train"
    if decision.again is not None:
        return f"would compare v{decision.again.refused} again"
    return "would open a review" if decision.review else "would not train"


def _turns(
    mesh: Mesh, *, force: bool, reason: str, as_json: bool
) -> Callable[[ModelSpec, Callable[[], bool]], RetrainResult]:
    """One turn of a model; Spark is opened at most once, when a turn first needs it."""
    from mesh_catalog.lake.session import open_session
    from mesh_catalog.retraining.loop import retrain_model

    def turn(spec: ModelSpec, stop: Callable[[], bool]) -> RetrainResult:
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


def _watch(
    mesh: Mesh,
    specs: Sequence[ModelSpec],
    turn: Callable[[ModelSpec, Callable[[], bool]], RetrainResult],
    seconds: float,
    *,
    as_json: bool,
) -> None:
    """Turn after turn; a model that fails is told and does not keep the others waiting. Alerts go on with each turn."""
    from mesh_catalog.alerts.escalation import escalate
    from mesh_catalog.cli.output import emit_json
    from mesh_catalog.errors import MeshError
    from mesh_catalog.retraining.watch import until_stopped

    def once(stop: Callable[[], bool]) -> None:
        for spec in specs:
            if stop():
                return
            try:
                result = turn(spec, stop)
            except MeshError as error:
                click.echo(f"{spec.name}   {error}", err=True)
                continue
            if as_json:
                emit_json(result, line=True)
            elif result.action != "keep":
                _print(result)
        escalate(mesh)

    click.echo(f"watches {len(specs)} models every {seconds:g} s; Ctrl-C ends it after the step under way", err=True)
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

"""mesh rollout: where a challenger stands on its way, and what holds it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from mesh_catalog.access.mesh import Mesh
    from mesh_catalog.catalog.rollouts import RolloutRecord, RolloutStep
    from mesh_catalog.retraining.judge import Stock
    from mesh_catalog.specs import ModelSpec

__all__ = ["command"]


@click.command("rollout")
@click.argument("model")
@click.option("--advance", is_flag=True, help="Take stock and do what it says; refused where the step has not baked.")
@click.option("--abort", is_flag=True, help="Send all back to the champion.")
@click.option("--reason", default="asked for by hand", show_default=True, help="Of --abort; kept with the decision.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(model: str, advance: bool, abort: bool, reason: str, as_json: bool) -> None:
    """Show the rollout of a model: its steps, how much of each has baked, and what its alarms say. Starts no Spark.

    Shadow: the challenger scores beside the champion. A share: it decides over that part of the entities. `mesh
    retrain` moves it on by itself; at any alarm all goes back.

    \b
    Example:
      mesh rollout payments.fraud --abort --reason "complaints since noon"
    """
    from mesh_catalog.access.mesh import open_mesh

    if advance and abort:
        raise click.UsageError("--advance and --abort exclude each other.")
    with open_mesh() as mesh:
        spec = mesh.workspace.model(model)
        if abort:
            _abort(mesh, model, reason)
        record, stock = _newest(mesh, spec)
        if advance:
            record, stock = _advance(mesh, spec, record, stock)
        steps = _steps(mesh, record)
    if as_json:
        _emit(record, steps, stock)
    else:
        _print(record, steps, stock)


def _abort(mesh: Mesh, model: str, reason: str) -> None:
    from mesh_catalog.errors import NotFoundError
    from mesh_catalog.retraining.rollout import end_rollout

    if end_rollout(mesh, model, reason=reason) is None:
        raise NotFoundError(f"{model}: no rollout is open. The champion before this one: mesh rollback {model}")


def _newest(mesh: Mesh, model: ModelSpec) -> tuple[RolloutRecord, Stock]:
    """The newest rollout, and what is to be done with it."""
    from mesh_catalog.catalog.rollouts import read_rollouts
    from mesh_catalog.errors import NotFoundError
    from mesh_catalog.retraining.rollout import take_stock

    found = read_rollouts(mesh.catalog, model.name, limit=1)
    if not found:
        hint = "" if model.rollout else " Write rollout into model.yaml first."
        raise NotFoundError(
            f"{model.name}: no rollout yet.{hint} A challenger begins one when it has passed: mesh retrain {model.name}"
        )
    return found[0], take_stock(mesh, model, found[0])


def _advance(mesh: Mesh, model: ModelSpec, record: RolloutRecord, stock: Stock) -> tuple[RolloutRecord, Stock]:
    """Do what the stock says.

    Raises:
        GateRefusedError: The step has not baked.
        NotFoundError: The rollout has ended.
    """
    from mesh_catalog.errors import GateRefusedError, NotFoundError
    from mesh_catalog.retraining.rollout import apply_stock, take_stock

    if record.finished_at is not None:
        raise NotFoundError(f"{model.name}: no rollout is open; the last one ended with '{record.action}'.")
    if stock.action == "wait":
        told = "; ".join(stock.reasons)
        raise GateRefusedError(
            f"{model.name}: the step has not baked: {told}. Score what has come: mesh score {model.name}"
        )
    record = apply_stock(mesh, model, record, stock)
    return record, stock if record.action is not None else take_stock(mesh, model, record)


def _steps(mesh: Mesh, record: RolloutRecord) -> Sequence[RolloutStep]:
    from mesh_catalog.catalog.rollouts import read_rollout_steps

    return read_rollout_steps(mesh.catalog, record.id)


def _emit(record: RolloutRecord, steps: Sequence[RolloutStep], stock: Stock) -> None:
    from mesh_catalog.cli.output import emit_json

    emit_json({"rollout": record, "share": record.share, "steps": steps, "stock": stock})


def _print(record: RolloutRecord, steps: Sequence[RolloutStep], stock: Stock) -> None:
    from mesh_catalog.cli.output import format_time, print_table

    ended = record.finished_at is not None
    told = {"promote": "promoted", "back": "sent back", None: "under way"}[record.action]
    click.echo(
        f"{record.model}   v{record.challenger} takes over from v{record.champion}   {told}   "
        f"since {format_time(record.started_at)}"
    )
    rows = [_row(record, steps, position, stock) for position in range(len(record.plan.steps))]
    print_table(rows, ("step", "challenger", "rows baked", "state", "found"))
    for alarm in stock.evidence.get("alarms", ()):
        click.echo(f"  {alarm['alarm']:<18} {alarm['state']:<8} {alarm['reason']}")
    if record.action is not None:
        click.echo(f"{record.action}: {'; '.join(record.reasons)}")
    elif stock.action == "wait":
        click.echo(f"waits: {'; '.join(stock.reasons)}")
    else:
        click.echo(f"{stock.action}: {'; '.join(stock.reasons)}")
    if not ended:
        verb = f"score {record.model}" if stock.action == "wait" else f"rollout {record.model} --advance"
        click.echo(f"next: mesh {verb}   back: mesh rollout {record.model} --abort", err=True)


def _row(record: RolloutRecord, steps: Sequence[RolloutStep], position: int, stock: Stock) -> tuple[Any, ...]:
    from mesh_catalog.retraining.judge import step_name

    name = step_name(record.plan.steps[position])
    if position >= len(steps):
        return position + 1, name, "", "to come", ""
    step = steps[position]
    open_now = step.ended_at is None
    evidence: Mapping[str, Any] = stock.evidence if open_now else step.evidence
    baked = f"{evidence.get('rows', 0):,} of {record.plan.bake_rows:,}"
    if open_now:
        return position + 1, name, baked, "now", ""
    went = "left" if position < len(steps) - 1 else record.action or "left"
    return position + 1, name, baked, went, "; ".join(step.reasons)

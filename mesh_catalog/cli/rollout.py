"""mesh rollout: where a challenger stands on its way, and what holds it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from mesh_catalog.access.mesh import Mesh
    from mesh_catalog.catalog.rollouts import RolloutRecord, RolloutStep
    from mesh_catalog.retraining.judge import Stock
    from mesh_catalog.specs import ModelSpec

__all__ = ["command"]

_Row = Mapping[str, Any]
"""A step of the plan: number, name, begun, baked and needed rows, state, found."""


@click.command("rollout")
@click.argument("model")
@click.option("--advance", is_flag=True, help="Take stock and do what it says; refused where the step has not baked.")
@click.option("--abort", is_flag=True, help="Send all back to the champion.")
@click.option("--reason", default="asked for by hand", show_default=True, help="Of --abort; kept with the decision.")
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help="Write it as a page there.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(model: str, advance: bool, abort: bool, reason: str, html: Path | None, as_json: bool) -> None:
    """Show the rollout of a model: its steps, how much of each has baked, and what its alarms say. Starts no Spark.

    Shadow: the challenger scores beside the champion. A share: it decides over that part of the entities. `mesh
    retrain` moves it on by itself; at any alarm all goes back.

    \b
    Example:
      mesh rollout payments.fraud --abort --reason "complaints since noon"
    """
    from mesh_catalog.cli.partly import open_readable_mesh

    if advance and abort:
        raise click.UsageError("--advance and --abort exclude each other.")
    if html is not None and html.suffix != ".html":
        raise click.BadParameter("name a file that ends with .html", param_hint="--html")
    with open_readable_mesh() as mesh:
        spec = mesh.workspace.model(model)
        if abort:
            _abort(mesh, model, reason)
        record, stock = _newest(mesh, spec)
        if advance:
            record, stock = _advance(mesh, spec, record, stock)
        steps = _steps(mesh, record)
    rows = [_row(record, steps, position, stock) for position in range(len(record.plan.steps))]
    if html is not None:
        _write(html, record, rows, stock)
    if as_json:
        _emit(record, steps, stock)
    else:
        _print(record, rows, stock)
    if html is not None:
        click.echo(f"page: {html}", err=True)


def _abort(mesh: Mesh, model: str, reason: str) -> None:
    from mesh_catalog.errors import NotFoundError
    from mesh_catalog.models.mirror import mirror_later
    from mesh_catalog.retraining.rollout import end_rollout

    if end_rollout(mesh, model, reason=reason, mirror=mirror_later) is None:
        raise NotFoundError(f"{model}: no rollout is open. The champion before this one: mesh rollback {model}")
    _mirror(mesh, model)


def _mirror(mesh: Mesh, model: str) -> None:
    """Tell MLflow; where it is away, what was decided stands all the same."""
    from mesh_catalog.models.mirror import mirror_or_say

    if untold := mirror_or_say(mesh, model):
        click.echo(untold, err=True)


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
    from mesh_catalog.models.mirror import mirror_later
    from mesh_catalog.retraining.rollout import apply_stock, take_stock

    if record.finished_at is not None:
        raise NotFoundError(f"{model.name}: no rollout is open; the last one ended with '{record.action}'.")
    if stock.action == "wait":
        told = "; ".join(stock.reasons)
        raise GateRefusedError(
            f"{model.name}: the step has not baked: {told}. Score what has come: mesh score {model.name}"
        )
    record = apply_stock(mesh, model, record, stock, mirror=mirror_later)
    _mirror(mesh, model.name)
    return record, stock if record.action is not None else take_stock(mesh, model, record)


def _steps(mesh: Mesh, record: RolloutRecord) -> Sequence[RolloutStep]:
    from mesh_catalog.catalog.rollouts import read_rollout_steps

    return read_rollout_steps(mesh.catalog, record.id)


def _emit(record: RolloutRecord, steps: Sequence[RolloutStep], stock: Stock) -> None:
    from mesh_catalog.cli.output import emit_json

    emit_json({"rollout": record, "share": record.share, "steps": steps, "stock": stock})


def _write(path: Path, record: RolloutRecord, rows: Sequence[_Row], stock: Stock) -> None:
    from mesh_catalog.documents import write_whole
    from mesh_catalog.errors import InputError
    from mesh_catalog.web.pages import rollout_page

    page = rollout_page(
        title=_title(record).replace("   ", ", "),
        told=_told(record, stock),
        steps=rows,
        alarms=stock.evidence.get("alarms", ()),
    )
    try:
        write_whole(path, page)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}. Name another --html.") from error


def _print(record: RolloutRecord, rows: Sequence[_Row], stock: Stock) -> None:
    from mesh_catalog.cli.output import format_time, print_table

    click.echo(f"{_title(record)}   since {format_time(record.started_at)}")
    shown = []
    for row in rows:
        baked = f"{row['baked']:,} of {row['needed']:,}" if row["begun"] else ""
        shown.append((row["number"], row["name"], baked, row["state"], row["found"]))
    print_table(shown, ("step", "challenger", "rows baked", "state", "found"))
    for alarm in stock.evidence.get("alarms", ()):
        click.echo(f"  {alarm['alarm']:<18} {alarm['state']:<8} {alarm['reason']}")
    click.echo(_told(record, stock))
    if record.finished_at is None:
        verb = f"score {record.model}" if stock.action == "wait" else f"rollout {record.model} --advance"
        click.echo(f"next: mesh {verb}   back: mesh rollout {record.model} --abort", err=True)


def _title(record: RolloutRecord) -> str:
    told = {"promote": "promoted", "back": "sent back", None: "under way"}[record.action]
    return f"{record.model}   v{record.challenger} takes over from v{record.champion}   {told}"


def _told(record: RolloutRecord, stock: Stock) -> str:
    if record.action is not None:
        return f"{record.action}: {'; '.join(record.reasons)}"
    return f"{'waits' if stock.action == 'wait' else stock.action}: {'; '.join(stock.reasons)}"


def _row(record: RolloutRecord, steps: Sequence[RolloutStep], position: int, stock: Stock) -> _Row:
    from mesh_catalog.retraining.judge import step_name

    begun = position < len(steps)
    row = {"number": position + 1, "name": step_name(record.plan.steps[position]), "begun": begun}
    row |= {"baked": 0, "needed": record.plan.bake_rows, "state": "to come", "found": ""}
    if not begun:
        return row
    step = steps[position]
    open_now = step.ended_at is None
    row["baked"] = (stock.evidence if open_now else step.evidence).get("rows", 0)
    if open_now:
        return row | {"state": "now"}
    went = "left" if position < len(steps) - 1 else record.action or "left"
    return row | {"state": went, "found": "; ".join(step.reasons)}

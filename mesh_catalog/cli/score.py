"""mesh score: score what is new and publish the predictions."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from mesh_catalog.serving.score import RolloutShare, ScoreResult

__all__ = ["command"]


@click.command("score")
@click.argument("model")
@click.option("--start", type=click.DateTime(), metavar="TIME", help="First event time to score (UTC).")
@click.option("--until", type=click.DateTime(), metavar="TIME", help="First event time not to score (UTC).")
@click.option("--run-id", metavar="ID", help="Go on with a call that was cut off.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.option("--master", help="Spark master; conf/ says it otherwise.")
def command(
    model: str, start: datetime | None, until: datetime | None, run_id: str | None, as_json: bool, master: str | None
) -> None:
    """Score the rows that are newer than what was scored, with the champion, and publish them as MODEL__predictions.

    \b
    Example:
      mesh score payments.fraud
    """
    from uuid import uuid4

    from mesh_catalog.access.rights import require_model_rights
    from mesh_catalog.catalog.models import read_model_versions
    from mesh_catalog.cli.output import emit_json, format_duration, format_time, progress
    from mesh_catalog.cli.partly import open_readable_mesh, register_readable
    from mesh_catalog.cli.steps import telling
    from mesh_catalog.errors import NotFoundError
    from mesh_catalog.lake.session import open_session
    from mesh_catalog.serving.score import score_model
    from mesh_catalog.settings import load_settings

    with open_readable_mesh(load_settings(master=master)) as mesh:
        spec = mesh.workspace.model(model)
        register_readable(mesh)
        if not read_model_versions(mesh.catalog, model):  # told before Spark starts
            raise NotFoundError(f"{model}: has no version yet. Train one: mesh train {model}")
        require_model_rights(mesh, spec, "score")
        with progress("starts Spark"):
            spark = open_session(mesh.settings, app_name=f"mesh score {model}")
        with telling() as tell:
            result = score_model(spark, mesh, spec, run_id=run_id or uuid4().hex, start=start, until=until, tell=tell)
    if as_json:
        emit_json(result)
        return
    version = "no version yet" if result.version is None else f"v{result.version}"
    if result.outcome == "unchanged" or result.event_from is None or result.event_to is None:
        newest = f" than {format_time(result.event_to)}" if result.event_to else ""
        click.echo(f"{result.product}   {version}   no row is newer{newest}")
        return
    click.echo(
        f"{result.product}   {version}   {result.rows:,} rows   scored by {model} {_scorers(result)}   "
        f"{format_time(result.event_from)} to {format_time(result.event_to)}   {format_duration(result.seconds)}"
    )
    if result.rollout is not None:
        _print_rollout(result.rollout)
    click.echo(f"next: mesh {'monitor' if result.rollout is None else 'rollout'} {model}", err=True)


def _scorers(result: ScoreResult) -> str:
    """`v3`, or `v3 (1,204 rows), v4 (61 rows)`."""
    if len(result.versions) <= 1:
        return f"v{result.model_version}"
    return ", ".join(f"v{version} ({rows:,} rows)" for version, rows in result.versions.items())


def _print_rollout(rollout: RolloutShare) -> None:
    if rollout.failure is not None:
        click.echo(f"  v{rollout.challenger} could not score: {rollout.failure}")
    elif rollout.share == 0:
        click.echo(f"  step {rollout.position + 1}: v{rollout.challenger} scored beside it (shadow)")
    else:
        share = rollout.share * 100
        click.echo(f"  step {rollout.position + 1}: v{rollout.challenger} decides over {share:.4g} % of the entities")

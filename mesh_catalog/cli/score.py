"""mesh score: score what is new and publish the predictions."""

from __future__ import annotations

from datetime import datetime

import click

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

    from mesh_catalog.access.mesh import open_mesh
    from mesh_catalog.access.rights import require_model_rights
    from mesh_catalog.catalog.assets import sync_workspace
    from mesh_catalog.catalog.models import read_model_versions
    from mesh_catalog.cli.output import emit_json, format_duration, format_time, progress
    from mesh_catalog.cli.steps import telling
    from mesh_catalog.errors import NotFoundError
    from mesh_catalog.lake.session import open_session
    from mesh_catalog.serving.score import score_model
    from mesh_catalog.settings import load_settings

    with open_mesh(load_settings(master=master)) as mesh:
        spec = mesh.workspace.model(model)
        sync_workspace(mesh.catalog, mesh.workspace)
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
        f"{result.product}   {version}   {result.rows:,} rows   scored by {model} v{result.model_version}   "
        f"{format_time(result.event_from)} to {format_time(result.event_to)}   {format_duration(result.seconds)}"
    )
    click.echo(f"next: mesh monitor {model}", err=True)

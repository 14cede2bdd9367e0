"""mesh rollback: make an earlier model version the champion again."""

from __future__ import annotations

import click

__all__ = ["command"]


@click.command("rollback")
@click.argument("model")
@click.option("--to", "to_version", type=int, help="The version to go back to; the champion before this one otherwise.")
@click.option("--reason", default="asked for by hand", show_default=True, help="Kept with the decision.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(model: str, to_version: int | None, reason: str, as_json: bool) -> None:
    """Move the champion alias back. Starts no Spark, touches no data.

    \b
    Example:
      mesh rollback payments.fraud --reason "false alarms since Monday"
    """
    from mesh_catalog.cli.output import emit_json
    from mesh_catalog.cli.partly import open_readable_mesh
    from mesh_catalog.retraining.rollback import rollback_model

    with open_readable_mesh() as mesh:
        mesh.workspace.model(model)
        result = rollback_model(mesh, model, to_version=to_version, reason=reason)
    if as_json:
        emit_json(result)
        return
    click.echo(f"{model}   champion v{result.from_version} → v{result.to_version}")
    if result.untold:
        click.echo(result.untold, err=True)
    click.echo(f"next: mesh score {model}", err=True)

"""mesh retrain: one turn of the continuous-training loop."""

from __future__ import annotations

import click

__all__ = ["command"]


@click.command("retrain")
@click.argument("model")
@click.option("--force", is_flag=True, help="Train a challenger whatever the verdicts say; the gate still decides.")
@click.option("--dry-run", is_flag=True, help="Say what would be decided, and train nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.option("--master", help="Spark master; conf/ says it otherwise.")
def command(model: str, force: bool, dry_run: bool, as_json: bool, master: str | None) -> None:
    """Read the verdicts, decide, train a challenger, compare, and promote or reject it.

    A turn that was killed is taken up at the step it had reached. Where no training is called for, no Spark starts.

    \b
    Example:
      mesh retrain payments.fraud
    """
    from mesh_catalog.access.mesh import open_mesh
    from mesh_catalog.cli.output import emit_json
    from mesh_catalog.lake.session import open_session
    from mesh_catalog.retraining.loop import plan_retraining, retrain_model
    from mesh_catalog.settings import load_settings

    with open_mesh(load_settings(master=master)) as mesh:
        spec = mesh.workspace.model(model)
        if dry_run:
            decision = plan_retraining(mesh, spec)
            if as_json:
                emit_json(decision)
            else:
                click.echo("\n".join([*decision.reasons, "would train" if decision.train else "would not train"]))
            return
        result = retrain_model(
            lambda: open_session(mesh.settings, app_name=f"mesh retrain {model}"),
            mesh,
            spec,
            force=force,
            tell=lambda line: click.echo(line, err=as_json),
        )
        if as_json:
            emit_json(result)
        elif result.action == "keep":
            click.echo(f"nothing to train; champion stays v{result.champion}")
        else:
            click.echo(f"next: mesh show {model}   back: mesh rollback {model}", err=True)

"""mesh approve: a person's word on a challenger that passed its gate."""

from __future__ import annotations

import click

__all__ = ["command"]


class _Version(click.ParamType[int]):
    """`v4` or `4`."""

    name = "version"

    def convert(self, value: str | int, param: click.Parameter | None, ctx: click.Context | None) -> int:
        text = str(value).removeprefix("v")
        if not text.isdecimal() or len(text) > 9:
            self.fail(f"'{str(value)[:40]}' is not a version. Write for example v4.", param, ctx)
        return int(text)


@click.command("approve")
@click.argument("model")
@click.argument("version", type=_Version())
@click.option("--reject", is_flag=True, help="Leave the champion; the version is not asked about again.")
@click.option("--reason", default="", help="Kept with the decision; needed with --reject.")
@click.option("--dry-run", is_flag=True, help="Say what the gate found, and decide nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(model: str, version: int, reject: bool, reason: str, dry_run: bool, as_json: bool) -> None:
    """Let a version that waits become champion, or reject it. For the model's owner and the members of its domain.

    \b
    Example:
      mesh approve payments.fraud v4 --reason "looked at the false alarms of Monday"
    """
    from mesh_catalog.cli.output import emit_json
    from mesh_catalog.cli.partly import open_readable_mesh
    from mesh_catalog.lake.session import open_session
    from mesh_catalog.retraining.approval import decide_approval, waiting_version
    from mesh_catalog.retraining.loop import retrain_model

    with open_readable_mesh() as mesh:
        spec = mesh.workspace.model(model)
        if dry_run:
            waiting = waiting_version(mesh.catalog, model, version)
            if as_json:
                emit_json(waiting)
            else:
                click.echo("\n".join([*waiting.state["reasons"], *waiting.state["waits"]]))
            return
        decide_approval(mesh, model, version, approved=not reject, reason=reason)
        result = retrain_model(
            lambda: open_session(mesh.settings, app_name=f"mesh approve {model}"),
            mesh,
            spec,
            tell=lambda line: click.echo(line, err=as_json),
        )
    if as_json:
        emit_json(result)
    else:
        then = {"promote": "score", "wait": "rollout"}.get(result.action, "show")
        click.echo(f"next: mesh {then} {model}", err=True)

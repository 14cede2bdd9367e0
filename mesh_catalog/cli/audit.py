"""mesh audit: who asked to read what."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from mesh_catalog.access.audit import AuditEvent

__all__ = ["command"]


@click.command("audit")
@click.argument("product", required=False)
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="At most so many events.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(product: str | None, limit: int, as_json: bool) -> None:
    """Show who read a product, or anything: when, for which purpose, which version and columns; refused requests too.

    \b
    Example:
      mesh audit payments.transactions
    """
    from mesh_catalog.access.audit import read_audit
    from mesh_catalog.access.mesh import open_mesh
    from mesh_catalog.cli.output import emit_json, print_table

    with open_mesh(with_workspace=False) as mesh:
        events = read_audit(mesh, product, limit)
    if as_json:
        emit_json(events)
        return
    if not events:
        click.echo(f"nobody has asked to read {product or 'anything'} yet.", err=True)
        return
    print_table([_row(event) for event in events], ("at (UTC)", "who", "purpose", "product", "version", "columns", ""))


def _row(event: AuditEvent) -> tuple[str, ...]:
    columns = "all" if event.columns is None else ", ".join(event.columns)
    told = "" if event.allowed else f"refused: {event.reason}"
    return (
        f"{event.at:%Y-%m-%d %H:%M:%S}",
        event.principal,
        event.purpose,
        event.product,
        "-" if event.version is None else f"v{event.version}",
        columns if len(columns) <= 60 else columns[:59] + "…",
        told,
    )

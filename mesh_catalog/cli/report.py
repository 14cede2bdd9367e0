"""mesh report: what nobody answers for, and what nobody uses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mesh_catalog.lake.unused import UnusedAsset

__all__ = ["command"]


@click.command("report")
@click.argument("what", type=click.Choice(["unowned", "unused"]))
@click.option("--days", type=click.IntRange(min=1), default=90, show_default=True, help="Unused: not read for so long.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(what: str, days: int, as_json: bool) -> None:
    """List assets that nobody answers for (unowned), or products that nobody reads and nothing is made from (unused).

    With size and last read; reads past the mesh are not known to it.

    \b
    Example:
      mesh report unused --days 30
    """
    from datetime import timedelta

    from mesh_catalog.access.mesh import open_mesh
    from mesh_catalog.catalog.store import utc_now
    from mesh_catalog.cli.output import emit_json, progress
    from mesh_catalog.lake.unused import report_unowned, report_unused

    with open_mesh(with_workspace=False) as mesh, progress(f"looks for what is {what}"):
        if what == "unowned":
            found = report_unowned(mesh)
        else:
            found = report_unused(mesh, now=utc_now(), unused_after=timedelta(days=days))
    if as_json:
        emit_json(found)
        return
    if not found:
        span = "day" if days == 1 else f"{days} days"
        told = f"every product was read, built from or published within the last {span}"
        told = "every asset has an owner" if what == "unowned" else told
        click.echo(told, err=True)
        return
    _print(found, what)


def _print(found: Sequence[UnusedAsset], what: str) -> None:
    from mesh_catalog.cli.maintain import format_bytes
    from mesh_catalog.cli.output import print_table

    rows = [
        (
            one.name,
            one.kind if one.status in (None, "active") else f"{one.kind}, {one.status}",
            one.owner or "-",
            "" if one.size_bytes is None else format_bytes(one.size_bytes),
            f"{one.published_at:%Y-%m-%d}" if one.published_at else "never" if one.kind == "product" else "",
            f"{one.last_read_at:%Y-%m-%d}" if one.last_read_at else "never" if one.kind == "product" else "",
        )
        for one in found
    ]
    print_table(rows, ("name", "kind", "owner", "size", "published", "last read"))
    total = sum(one.size_bytes or 0 for one in found)
    told = f"{len(found)} {'asset' if len(found) == 1 else 'assets'}" + (f", {format_bytes(total)}" if total else "")
    click.echo(told, err=True)
    if what == "unowned":
        click.echo("next: name an owner in the domain's domain.yaml, or beside the entry in its file", err=True)
    else:
        click.echo("next: write status: deprecated into its contract, or remove its folder", err=True)

"""mesh duplicates: what is stored and computed twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from mesh_catalog.lake.duplicates.report import Duplicate

__all__ = ["command"]


@click.command("duplicates")
@click.argument("name", required=False)
@click.option("--columns", "show_columns", is_flag=True, help="Which column of the copy is which of the original.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(name: str | None, show_columns: bool, as_json: bool) -> None:
    """Find near-equal tables, KPIs and dashboards: copies, renames, filtered parts, transforms written twice.

    Compares contracts, transforms, lineage and the profiles that publish kept; reads no row and starts no Spark. NAME:
    only what concerns this product, KPI or dashboard.

    \b
    Example:
      mesh duplicates
    """
    from mesh_catalog.access.mesh import open_mesh
    from mesh_catalog.catalog.assets import sync_workspace
    from mesh_catalog.catalog.inventory import find_kind
    from mesh_catalog.cli.output import emit_json, progress
    from mesh_catalog.lake.duplicates.report import find_duplicates

    with open_mesh() as mesh:
        sync_workspace(mesh.catalog, mesh.workspace)
        if name is not None:
            find_kind(mesh.catalog, name)
        with progress(f"compares {len(mesh.workspace.products):,} products, KPIs and dashboards"):
            report = find_duplicates(mesh)
    found = [one for one in report.duplicates if name is None or name in (one.original, one.copy)]
    if as_json:
        emit_json({"duplicates": found, "compared": report.compared, "unprofiled": report.unprofiled})
        return
    _print(found, show_columns=show_columns)
    if not found:
        click.echo(f"nothing is there twice, of {report.compared:,} products, KPIs and dashboards", err=True)
    if report.unprofiled:
        click.echo(f"note: {len(report.unprofiled)} products have no profile that can be read: --json", err=True)


def _print(found: list[Duplicate], *, show_columns: bool) -> None:
    from mesh_catalog.cli.maintain import format_bytes
    from mesh_catalog.cli.output import format_duration, print_table

    if not found:
        return
    rows = []
    for one in found:
        size = "" if one.size_bytes is None else format_bytes(one.size_bytes)
        built = f"{one.builds} × a month, {format_duration(one.build_seconds)}" if one.builds else ""
        owners = " / ".join(owner or "nobody" for owner in dict.fromkeys(one.owners))
        rows.append((one.copy, one.relation, one.original, f"{one.score:.2f}", owners, size, built, _told(one)))
    headers = ("this", "is a", "of", "score", "owners", "stored twice", "computed twice", "evidence")
    print_table(rows, headers)
    for one in found if show_columns else ():
        renamed = [f"{name} = {other}" if name != other else name for name, other in one.columns.items()]
        if renamed:
            click.echo(f"{one.copy}: {', '.join(renamed)}")
    click.echo(f"next: mesh lineage {found[0].copy} --downstream", err=True)


def _told(one: Duplicate) -> str:
    return "; ".join(one.evidence)

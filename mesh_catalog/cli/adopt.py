"""mesh adopt: Delta tables that exist already become products, in place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from pathlib import Path

    from mesh_catalog.lake.adopt import Adoption

__all__ = ["command"]


@click.command("adopt")
@click.argument("where", metavar="PATH")
@click.option("--product", metavar="DOMAIN.PRODUCT", help="Name of the product; the last two folders otherwise.")
@click.option("--owner", help="Who answers for the domain, where it is new.")
@click.option("--dry-run", is_flag=True, help="Say what would be written, and write nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(where: str, product: str | None, owner: str | None, dry_run: bool, as_json: bool) -> None:
    """Make products of Delta tables where they lie: one table, or a folder with many.

    Writes contract.yaml from a table's schema and statistics, and registers its newest version, so that it can be read
    at once. Nothing is copied, and the table is not written to: others go on doing so. Adopting again, or publishing,
    makes the version that they wrote meanwhile known to readers.

    \b
    Example:
      mesh adopt /data/warehouse/sales --owner sales-team
    """
    from mesh_catalog.errors import InputError
    from mesh_catalog.lake.adopt import find_tables, plan_adoption, write_adoption
    from mesh_catalog.settings import load_settings

    root = load_settings().workspace
    locations = find_tables(where)
    if product is not None and len(locations) > 1:
        raise InputError(
            f"{where}: holds {len(locations)} tables, and --product names one. Name one table, or leave it."
        )
    known = _adopted(root)
    plans = [plan_adoption(root, at, product=product, owner=owner) for at in locations if at not in known]
    _require_different(plans)
    if not dry_run:
        for plan in plans:
            write_adoption(root, plan)
    again = [known[at] for at in locations if at in known]
    noted = {} if dry_run else _note([*(plan.product for plan in plans), *again])
    told = [_told(plan) for plan in plans]
    told += [{"product": name, "known": True, "version": noted.get(name), "notes": []} for name in again]
    if as_json:
        from mesh_catalog.cli.output import emit_json

        emit_json({"dry_run": dry_run, "tables": told})
        return
    for one in told:
        _print(one, dry_run=dry_run)
    if not dry_run:
        click.echo(f"next: mesh preview {told[0]['product']}", err=True)


def _adopted(root: Path) -> dict[str, str]:
    """Location → product of the tables that are adopted already."""
    from mesh_catalog.workspace import load_workspace

    products = load_workspace(root).products.values()
    return {product.contract.location: product.name for product in products if product.contract.location}


def _require_different(plans: list[Adoption]) -> None:
    from mesh_catalog.errors import InputError

    seen: dict[str, str] = {}
    for plan in plans:
        other = seen.setdefault(plan.product, plan.location)
        if other != plan.location:
            raise InputError(
                f"{plan.location}: would be {plan.product}, like {other}. Adopt them one by one, by --product."
            )


def _note(names: list[str]) -> dict[str, int]:
    """Register the products and their newest versions; product → version that was new."""
    from mesh_catalog.access.mesh import open_mesh
    from mesh_catalog.catalog.assets import sync_workspace
    from mesh_catalog.lake.adopted import note_newest_version

    found = {}
    with open_mesh() as mesh:
        sync_workspace(mesh.catalog, mesh.workspace)
        for name in names:
            record = note_newest_version(mesh, mesh.workspace.product(name).contract)
            if record is not None:
                found[name] = record.version
    return found


def _told(plan: Adoption) -> dict[str, Any]:
    columns = plan.inference.columns
    return {
        "product": plan.product,
        "known": False,
        "location": plan.location,
        "version": plan.version,
        "rows": plan.rows,
        "columns": [
            {
                "name": column.name,
                "type": column.source.spark_type or column.source.kind,
                "required": column.required,
                "classification": column.suspicion.classification if column.suspicion else None,
                "reason": column.suspicion.reason if column.suspicion else None,
            }
            for column in columns
        ],
        "event_time": plan.inference.event_time.name if plan.inference.event_time else None,
        "notes": list(plan.notes),
    }


def _print(told: dict[str, Any], *, dry_run: bool) -> None:
    if told["known"]:
        version = "nothing new" if told["version"] is None else f"v{told['version']}, written by somebody else"
        click.echo(f"{told['product']}   adopted before   {version}")
        return
    verb = "would adopt" if dry_run else "adopted"
    click.echo(
        f"{told['product']}   {verb} v{told['version']}   {told['rows']:,} rows, {len(told['columns'])} columns"
        f"   at {told['location']}"
    )
    for column in told["columns"]:
        if column["classification"]:
            click.echo(
                f"  {column['classification']:<9} {column['name']}   {column['reason']}: decide in contract.yaml"
            )
    for note in told["notes"]:
        click.echo(f"  note      {note}")

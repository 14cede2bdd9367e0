"""mesh tags: which columns hold personal data, and where it came from."""

from __future__ import annotations

import click

__all__ = ["command"]


@click.command("tags")
@click.argument("product")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(product: str, as_json: bool) -> None:
    """Show the personal columns of a product, with the path along which each came to it.

    A column is personal where its contract says so, or where it is made of one that is. The path ends where the data
    comes from.

    \b
    Example:
      mesh tags payments.card_activity
    """
    from mesh_catalog.access.mesh import open_mesh
    from mesh_catalog.catalog.inventory import read_columns
    from mesh_catalog.catalog.tags import read_tags
    from mesh_catalog.cli.output import emit_json, print_table

    with open_mesh(with_workspace=False) as mesh:
        tags = read_tags(mesh.catalog, product)
        declared = {column.name for column in read_columns(mesh.catalog, product) if column.personal}
    told = [
        {
            "column": name,
            "classification": tag.classification,
            "declared": name in declared,
            "path": list(tag.path),
        }
        for name, tag in tags.items()
    ]
    if as_json:
        emit_json({"product": product, "tags": told})
        return
    if not told:
        click.echo(f"{product}   no personal column")
        return
    rows = [
        (name, tag.classification, name in declared, " ← ".join(tag.path[1:]) or "here") for name, tag in tags.items()
    ]
    print_table(rows, ("column", "classification", "declared", "came from"))
    if undeclared := [name for name in tags if name not in declared]:
        click.echo(f"next: declare {', '.join(undeclared)} in contract.yaml", err=True)

"""mesh request: ask the owner of a product for its data."""

from __future__ import annotations

import click

__all__ = ["command"]


@click.command("request")
@click.argument("product")
@click.option("--purpose", required=True, metavar="TEXT", help="What the data is for, in your words.")
@click.option("--as", "principal", metavar="WHO", help="Who wants the data, where that is not you.")
@click.option("--dry-run", is_flag=True, help="Say whom it would go to, and write nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(product: str, purpose: str, principal: str | None, dry_run: bool, as_json: bool) -> None:
    """Log a request for a product's data. Its owner decides: mesh requests --approve or --deny.

    \b
    Example:
      mesh request payments.transactions --purpose "Churn study, second quarter"
    """
    from mesh_catalog.access.mesh import open_mesh
    from mesh_catalog.access.requests import ask_for
    from mesh_catalog.catalog.inventory import read_product
    from mesh_catalog.cli.output import emit_json

    with open_mesh(with_workspace=False) as mesh:
        if dry_run:
            owner = read_product(mesh.catalog, product).owner
            click.echo(f"{product}   {principal or mesh.principal} would ask {owner or 'nobody: it has no owner'}")
            return
        request = ask_for(mesh, product, purpose=purpose, principal=principal)
    if as_json:
        emit_json(request)
        return
    click.echo(f"{request.id}   {request.principal} asks {request.owner} for {request.product}")
    click.echo(f"next: mesh requests {product}", err=True)

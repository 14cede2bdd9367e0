"""mesh import odps: the output ports of somebody else's data product become products, read where they lie."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from mesh_catalog.workspace.odps_import import OdpsPlan

__all__ = ["command"]


@click.command("odps")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--domain", metavar="NAME", help="Domain of the products; otherwise the data product's.")
@click.option("--owner", help="Who answers for the domain, where it is new; otherwise the data product's team.")
@click.option("--dry-run", is_flag=True, help="Say what would be written, and write nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(file: Path, domain: str | None, owner: str | None, dry_run: bool, as_json: bool) -> None:
    """Make products from a data product by the Open Data Product Standard, 0.9 or 1.0.

    Looks for each output port's contract (ODCS) beside FILE. A port whose contract names a Delta table becomes an
    adopted product: read where it lies, never written to. What is left out is listed with the reason.

    \b
    Example:
      mesh import odps share/payments.odps.yaml --domain partner
    """
    from mesh_catalog.settings import load_settings
    from mesh_catalog.workspace.odps_import import plan_odps_import, write_odps_import

    root = load_settings().workspace
    plan = plan_odps_import(root, file, domain=domain, owner=owner)
    if not dry_run:
        write_odps_import(root, plan)
    if as_json:
        from mesh_catalog.cli.output import emit_json

        emit_json(
            {
                "data_product": plan.name,
                "domain": plan.domain,
                "products": [
                    {"product": one.product, "port": one.port, "version": one.version, "location": one.location}
                    for one in plan.ports
                ],
                "left_out": list(plan.left_out),
                "inputs": list(plan.inputs),
                "written": [] if dry_run else list(plan.written),
                "has_owner": plan.has_owner,
            }
        )
        return
    _print(plan, dry_run=dry_run)


def _print(plan: OdpsPlan, *, dry_run: bool) -> None:
    ports = len(plan.ports) + len(plan.left_out)
    click.echo(f"{plan.name}   {ports} output {'port' if ports == 1 else 'ports'}, {len(plan.ports)} become products")
    for one in plan.ports:
        click.echo(f"  {one.product}   port {one.port} {one.version}   at {one.location}")
    for contract in plan.inputs:
        click.echo(f"  reads the contract {contract}")
    for left in plan.left_out:
        click.echo(f"left out {left.port} {left.version}: {left.reason}")
    for path in plan.written:
        click.echo(f"{'would write' if dry_run else 'wrote'} {path}")
    if plan.ports and not dry_run:
        first = "" if plan.has_owner else f"name an owner in domains/{plan.domain}/domain.yaml, then  "
        click.echo(f"next: {first}mesh publish {plan.ports[0].product}", err=True)

"""mesh export odcs, odps: contracts and data products in the words of the open standards."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from mesh_catalog.settings import Settings
    from mesh_catalog.specs import ProductSpec

__all__ = ["odcs", "odps"]

_OUTPUT = click.option(
    "--output", type=click.Path(path_type=Path, dir_okay=False), help="The file to write; standard output otherwise."
)
_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


@click.command("odcs")
@click.argument("product")
@_OUTPUT
@_JSON
def odcs(product: str, output: Path | None, as_json: bool) -> None:
    """Write a product's contract by the Open Data Contract Standard 3.2, with the server where its table lies.

    Other tools read it as it is, for example: datacontract test FILE.

    \b
    Example:
      mesh export odcs payments.transactions --output transactions.odcs.yaml
    """
    from mesh_catalog.settings import load_settings
    from mesh_catalog.workspace import load_workspace

    settings = load_settings()
    found = _contract(settings, load_workspace(settings.workspace).product(product))
    _tell(found, output, {output: found} if output else {}, as_json=as_json)


@click.command("odps")
@click.argument("name", metavar="PRODUCT|DOMAIN")
@_OUTPUT
@click.option("--dry-run", is_flag=True, help="Say which files would be written, and write nothing.")
@_JSON
def odps(name: str, output: Path | None, dry_run: bool, as_json: bool) -> None:
    """Write a data product by the Open Data Product Standard 1.0: its input and output ports.

    A domain is one data product with a port for each of its products. With --output, the contract of each output port
    is written beside the file, so that `mesh import odps` elsewhere finds it.

    \b
    Example:
      mesh export odps payments --output share/payments.odps.yaml
    """
    from mesh_catalog.settings import load_settings
    from mesh_catalog.workspace import load_workspace
    from mesh_catalog.workspace.exporting import domain_product, single_product

    settings = load_settings()
    workspace = load_workspace(settings.workspace)
    found = single_product(workspace, name) if "." in name else domain_product(workspace, name)
    files: dict[Path, dict[str, Any]] = {}
    if output is not None:
        files[output] = found
        for port in found["outputPorts"]:
            contract = _contract(settings, workspace.product(port["contractId"]))
            files[output.parent / f"{port['contractId']}.odcs.yaml"] = contract
    _tell(found, output, files, as_json=as_json, dry_run=dry_run)


def _contract(settings: Settings, product: ProductSpec) -> dict[str, Any]:
    from mesh_catalog.access.locations import table_location
    from mesh_catalog.contracts.odcs_document import lake_server
    from mesh_catalog.workspace.exporting import standard_contract

    location = product.contract.location or table_location(settings, product.name)
    return standard_contract(product, lake_server(location))


def _tell(
    found: dict[str, Any],
    output: Path | None,
    files: dict[Path, dict[str, Any]],
    *,
    as_json: bool,
    dry_run: bool = False,
) -> None:
    from mesh_catalog.cli.output import emit_json
    from mesh_catalog.documents import dump_yaml, write_whole
    from mesh_catalog.errors import InputError

    for path, data in () if dry_run else files.items():
        try:
            write_whole(path, dump_yaml(data))
        except OSError as error:
            raise InputError(f"{path}: cannot be written: {error.strerror}. Name another --output.") from error
    if as_json:
        emit_json({"document": found, "written": [] if dry_run else list(files)})
        return
    if output is None:
        click.echo(dump_yaml(found), nl=False)
        return
    for path in files:
        click.echo(f"{'would write' if dry_run else 'wrote'} {path}")
    if not dry_run and len(files) > 1:
        click.echo("next: hand the folder over; there: mesh import odps FILE", err=True)

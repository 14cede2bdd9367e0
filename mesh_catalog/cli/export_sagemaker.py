"""mesh export sagemaker: the files of SageMaker Model Monitor, from a product's profile and contract."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from mesh_catalog.access.mesh import Mesh
    from mesh_catalog.contracts.contract import Contract
    from mesh_catalog.lake.profile import Profile

__all__ = ["sagemaker"]


@click.command("sagemaker")
@click.argument("product")
@click.option("--to", "folder", type=click.Path(path_type=Path, file_okay=False), required=True, help="The folder.")
@click.option(
    "--constraints",
    "own",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A constraints.json of your own: checked too, and constraint_violations.json written.",
)
@click.option("--dry-run", is_flag=True, help="Say which files would be written, and write nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def sagemaker(product: str, folder: Path, own: Path | None, dry_run: bool, as_json: bool) -> None:
    """Write statistics.json and constraints.json of a product's newest rows, as SageMaker Model Monitor has them.

    PRODUCT is NAME or NAME@VERSION. With --constraints, the rows are checked against them; a statistics.json beside
    that file is the baseline of its drift check. Personal columns show no values.

    \b
    Example:
      mesh export sagemaker payments.transactions --to baseline
    """
    from mesh_catalog.cli.output import emit_json, print_table
    from mesh_catalog.monitoring.constraints import check_constraints
    from mesh_catalog.monitoring.sagemaker_files import (
        constraints_document,
        contract_constraints,
        read_constraints,
        read_statistics,
        statistics_document,
        violations_document,
    )

    theirs = read_constraints(own) if own is not None else None
    statistics = own.parent / "statistics.json" if own is not None else None
    baseline = read_statistics(statistics) if statistics is not None and statistics.exists() else None
    profile, contract = _rows(product)
    files: dict[str, Any] = {
        "statistics.json": statistics_document(profile),
        "constraints.json": constraints_document(contract_constraints(profile, contract)),
    }
    violations = check_constraints(theirs, profile, baseline=baseline) if theirs is not None else ()
    if theirs is not None:
        files["constraint_violations.json"] = violations_document(violations)
    paths = [folder / name for name in files]
    if own is not None and own.resolve() in [path.resolve() for path in paths]:
        raise click.BadParameter("would overwrite the constraints that are checked. Name another.", param_hint="--to")
    if not dry_run:
        _write(folder, files)
    if as_json:
        emit_json({"written": [] if dry_run else paths, "violations": violations})
        return
    for path in paths:
        click.echo(f"{'would write' if dry_run else 'wrote'} {path}")
    if violations:
        print_table([(one.column, one.check, one.description) for one in violations], ("column", "check", "what"))


def _rows(text: str) -> tuple[Profile, Contract | None]:
    """The profile of what the table held at the version, as far as the reader may see it, and the contract."""
    from mesh_catalog.access.gate import request_read
    from mesh_catalog.access.mesh import open_mesh
    from mesh_catalog.catalog.runs import read_versions
    from mesh_catalog.catalog.versions import appended_from
    from mesh_catalog.lake.profile import Profile
    from mesh_catalog.lake.profiles import load_window

    name, _, version = text.partition("@")
    if version and not version.removeprefix("v").isdigit():
        raise click.BadParameter(f"'{text[:80]}' is not product@version. Write for example payments.daily@3.")
    with open_mesh() as mesh:
        ticket = request_read(
            mesh, name, purpose="monitor", version=int(version.removeprefix("v")) if version else None
        )
        first = appended_from(read_versions(mesh.catalog, name), ticket.version)
        profile = load_window(mesh, name, first, ticket.version)
        seen = ticket.columns or tuple(profile.columns)
        columns = {column: profile.columns[column] for column in seen if column in profile.columns}
        return Profile(rows=profile.rows, columns=columns), _contract(mesh, name)


def _contract(mesh: Mesh, product: str) -> Contract | None:
    from mesh_catalog.errors import NotFoundError

    try:
        return mesh.workspace.product(product).contract
    except NotFoundError:
        return None


def _write(folder: Path, files: dict[str, Any]) -> None:
    from mesh_catalog.documents import write_whole
    from mesh_catalog.errors import InputError

    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            write_whole(folder / name, json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
    except OSError as error:
        raise InputError(f"{folder}: cannot be written: {error.strerror}. Name another --to.") from error

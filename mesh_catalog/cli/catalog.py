"""mesh catalog: back up, restore and rebuild the catalog's database."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["command"]

_FILE = click.Path(dir_okay=False, path_type=Path)
_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


@click.group("catalog")
def command() -> None:
    """Back up, restore and rebuild the catalog's database.

    \b
    Example:
      mesh catalog backup catalog-2026-05-31.gz
    """


@command.command("backup")
@click.argument("file", type=_FILE)
@_JSON
def backup(file: Path, as_json: bool) -> None:
    """Write the whole catalog to FILE while others go on working; the same file for SQLite and PostgreSQL.

    \b
    Example:
      mesh catalog backup catalog-2026-05-31.gz
    """
    from mesh_catalog.access.mesh import open_mesh
    from mesh_catalog.catalog.backup import back_up
    from mesh_catalog.cli.output import emit_json

    with open_mesh(with_workspace=False) as mesh:
        made = back_up(mesh.catalog, file)
    if as_json:
        emit_json(made)
        return
    click.echo(f"{made.path}   {made.rows:,} rows, {made.size_bytes:,} bytes")
    click.echo(f"next: keep it elsewhere; into an empty catalog it goes by  mesh catalog restore {file}", err=True)


@command.command("restore")
@click.argument("file", type=_FILE)
@_JSON
def restore(file: Path, as_json: bool) -> None:
    """Fill the catalog from FILE, all or nothing. The catalog must be empty; older backups are migrated.

    \b
    Example:
      mesh catalog restore catalog-2026-05-31.gz
    """
    from mesh_catalog.catalog.backup import restore as restore_file
    from mesh_catalog.cli.output import emit_json
    from mesh_catalog.settings import load_settings

    made = restore_file(load_settings().catalog_url, file)
    if as_json:
        emit_json(made)
        return
    click.echo(f"{made.path}   {made.rows:,} rows restored")
    click.echo("next: what was published since the backup comes by  mesh catalog rebuild", err=True)


@command.command("rebuild")
@_JSON
def rebuild(as_json: bool) -> None:
    """Tell the catalog what the folders and the lake know: products, contracts, versions, runs, checks, lineage.

    Adds what is missing and changes nothing that is known. What people decided is only in a backup.

    \b
    Example:
      mesh catalog rebuild
    """
    from mesh_catalog.access.mesh import open_mesh
    from mesh_catalog.cli.output import emit_json
    from mesh_catalog.lake.rebuild import rebuild_catalog

    with open_mesh() as mesh:
        found = rebuild_catalog(mesh)
    if as_json:
        emit_json(found)
    else:
        click.echo(f"{found.tables} tables, {found.versions} versions added")
        if found.without_card:
            click.echo(f"{found.without_card} of them left no card: nobody is named for their runs", err=True)
        click.echo("next: mesh search WORD", err=True)
    for told in found.failed.values():
        click.echo(told, err=True)
    if found.failed:
        raise SystemExit(1)

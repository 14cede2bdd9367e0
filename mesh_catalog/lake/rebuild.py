"""Making a lost catalog again: from the workspace's folders, the tables' logs, and what runs left beside their tables.

Folders tell what is declared; Delta's logs which runs committed which versions; a run's manifest its checks, inputs and
files; its card who ran it, under which contract, and column lineage. Adds what is unknown and changes nothing that is
known, so it may be run at any time. What people decided is in no lake: see `docs/guide/catalog-operations.md`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mesh_catalog.access.locations import table_location
from mesh_catalog.catalog.assets import sync_workspace
from mesh_catalog.catalog.inventory import read_product
from mesh_catalog.catalog.run_card import restore_contracts, restore_runs
from mesh_catalog.catalog.versions import read_versions
from mesh_catalog.errors import MeshError, NotFoundError, StorageError
from mesh_catalog.lake.manifest import load_card, repair_catalog
from mesh_catalog.lake.storage import filesystem_of
from mesh_catalog.lake.table import read_table_state
from mesh_catalog.specs import split_name

if TYPE_CHECKING:
    from mesh_catalog.access.mesh import Mesh

__all__ = ["Rebuilt", "find_tables", "rebuild_catalog"]


@dataclass(frozen=True, kw_only=True)
class Rebuilt:
    """What a rebuild found."""

    tables: int
    versions: int
    """Versions that the catalog did not know before."""
    without_card: int
    """Of them those whose run left no card: their runs name nobody, and their columns have no lineage."""
    failed: dict[str, str]
    """Product → why its versions could not be read."""


def rebuild_catalog(mesh: Mesh) -> Rebuilt:
    """Tell the catalog everything that the folders and the lake know.

    Raises:
        DocumentError: A transform of the workspace cannot be read.
        StorageError: The lake cannot be listed.
    """
    sync_workspace(mesh.catalog, mesh.workspace)
    tables = sorted({*find_tables(mesh.settings.lake), *mesh.settings.adopted})
    added = without_card = 0
    failed: dict[str, str] = {}
    for product in tables:
        try:
            fresh, missing = _rebuild_table(mesh, product)
        except MeshError as error:
            failed[product] = str(error)
            continue
        added += fresh
        without_card += missing
    return Rebuilt(tables=len(tables), versions=added, without_card=without_card, failed=failed)


def _rebuild_table(mesh: Mesh, product: str) -> tuple[int, int]:
    location = table_location(mesh.settings, product)
    state = read_table_state(product, location)
    if state.version is None:
        return 0, 0
    state = read_table_state(product, location, history=state.version + 1)
    known = {record.run_id for record in read_versions(mesh.catalog, product)}
    unknown = [commit.run_id for commit in reversed(state.commits) if commit.run_id not in known]
    if not unknown:
        return 0, 0
    cards = [card for card in (load_card(location, run_id) for run_id in unknown) if card is not None]
    restore_contracts(mesh.catalog, [_of(card, product) for card in cards])
    try:
        read_product(mesh.catalog, product)
    except NotFoundError:
        raise StorageError(
            f"{product}: no folder declares it, and its runs left no card. Bring back its folder."
        ) from None
    repair_catalog(mesh, product, location, state)
    restore_runs(mesh.catalog, cards)
    added = [record for record in read_versions(mesh.catalog, product) if record.run_id not in known]
    told = {card["run"]["id"] for card in cards}
    return len(added), sum(record.run_id not in told for record in added)


def _of(card: dict[str, Any], product: str) -> dict[str, Any]:
    if card["product"]["name"] != product:
        raise StorageError(f"{product}: holds the card of another product's run. Was its folder copied?")
    return card


def find_tables(lake: str) -> Iterator[str]:
    """Names of the products that have a table in the lake.

    Raises:
        StorageError: The lake cannot be listed.
    """
    from pyarrow import fs

    try:
        filesystem, root = filesystem_of(lake)
        for domain in filesystem.get_file_info(fs.FileSelector(root, allow_not_found=True)):
            if domain.type != fs.FileType.Directory:
                continue
            for table in filesystem.get_file_info(fs.FileSelector(domain.path)):
                name = f"{domain.base_name}.{table.base_name}"
                if _is_name(name) and filesystem.get_file_info(f"{table.path}/_delta_log").type != fs.FileType.NotFound:
                    yield name
    except OSError as error:
        raise StorageError(f"{lake}: cannot be listed ({type(error).__name__}). Check that it is there.") from error


def _is_name(name: str) -> bool:
    try:
        split_name(name)
    except ValueError:
        return False
    return True

"""The mesh as one principal sees it: settings, workspace, catalog, and who is asking."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from mesh_catalog.access.emission import Emission, transport_config
from mesh_catalog.catalog.inventory import read_adopted
from mesh_catalog.catalog.store import Catalog, open_catalog
from mesh_catalog.settings import Settings, load_settings

if TYPE_CHECKING:
    from mesh_catalog.workspace import Workspace

__all__ = ["Mesh", "open_mesh"]


@dataclass(frozen=True, kw_only=True)
class Mesh:
    """What every use case is given."""

    settings: Settings
    workspace: Workspace
    catalog: Catalog
    principal: str
    """Who reads and writes; every audit event and every run names it."""


@contextmanager
def open_mesh(settings: Settings | None = None, *, with_workspace: bool = True, partly: bool = False) -> Iterator[Mesh]:
    """Open the mesh and close its catalog at the end; then whoever is to be told of its runs is told.

    Args:
        settings: Those of the workspace around the current folder where None.
        with_workspace: Read the workspace's documents too. Without, what only asks the catalog is faster, and looking
            into `mesh.workspace` is an error.
        partly: Leave out the workspace's documents that are wrong, instead of stopping at the first; they stand in
            `mesh.workspace.unread`.

    Raises:
        SettingsError: No workspace, or wrong settings.
        DocumentError: A document of the workspace is wrong.
        StorageError: The catalog cannot be read.
    """
    chosen = settings or load_settings()
    os.environ.update(chosen.storage.environment())
    workspace: Any = _load(chosen, partly=partly) if with_workspace else _UnreadWorkspace()
    catalog = open_catalog(chosen.catalog_url)
    emission = None
    try:
        located = replace(chosen, adopted=_adopted(catalog, workspace if with_workspace else None))
        config = transport_config(located)
        if config is not None:
            emission = Emission(located, catalog, config)
            catalog.on_runs_ended = emission.queue
        yield Mesh(settings=located, workspace=workspace, catalog=catalog, principal=chosen.principal)
    finally:
        if emission is not None:
            emission.send()
        catalog.close()


def _adopted(catalog: Catalog, workspace: Workspace | None) -> dict[str, str]:
    """Where adopted tables lie: as the workspace says now, else as it said last."""
    declared = {p.name: p.contract.location for p in workspace.products.values()} if workspace else {}
    return {name: location for name, location in (read_adopted(catalog) | declared).items() if location}


def _load(settings: Settings, *, partly: bool) -> Workspace:
    from mesh_catalog.workspace import load_workspace  # late: parsers and schemas come with it

    return load_workspace(settings.workspace, partly=partly)


class _UnreadWorkspace:
    """Stands for documents that were not read: empty would be a lie."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(f"workspace.{name}: the workspace was not read; open_mesh(with_workspace=True) reads it")

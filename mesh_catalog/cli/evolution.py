"""What `mesh check` says of contracts and KPIs that differ from what is registered."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mesh_catalog.errors import DocumentError
    from mesh_catalog.settings import Settings
    from mesh_catalog.workspace import Workspace

__all__ = ["check_published"]

_SQLITE = "sqlite:///"


def check_published(settings: Settings, workspace: Workspace) -> tuple[list[DocumentError], list[str]]:
    """Contracts that would be refused, at their `version`; and notes on those that need a word of their readers.

    Nothing where nothing was ever published. Where the catalog cannot be read, a note says that this was not checked.
    """
    from pathlib import Path

    from mesh_catalog.catalog.evolution import plan_evolution  # late: SQLAlchemy comes with it
    from mesh_catalog.catalog.kpis import rewritten_formulas
    from mesh_catalog.catalog.store import open_catalog
    from mesh_catalog.documents import read_document
    from mesh_catalog.errors import MeshError, StorageError

    url = settings.catalog_url
    if url.startswith(_SQLITE) and not Path(url.removeprefix(_SQLITE)).exists():
        return [], []
    problems: list[DocumentError] = []
    notes: list[str] = []
    try:
        catalog = open_catalog(url)
    except StorageError as error:
        return [], [f"contracts were not compared with what is published: {error}"]
    try:
        for product in workspace.products.values():
            try:
                evolution = plan_evolution(catalog, product.contract, workspace.products)
            except MeshError as error:
                notes.append(f"not compared with what is published: {error}")
                continue
            refused = evolution.refusal(allow_breaking=True) if evolution else None
            if refused is not None and product.contract.path is not None:
                problems.append(read_document(product.contract.path).error(refused, "version"))
            elif evolution and (told := evolution.refusal(allow_breaking=False)):
                notes.append(told)
        for kpi in workspace.kpis.values():
            notes += rewritten_formulas(catalog, kpi)
    finally:
        catalog.close()
    return problems, notes

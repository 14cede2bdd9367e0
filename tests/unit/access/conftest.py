from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mesh_catalog.access.mesh import Mesh, open_mesh
from mesh_catalog.catalog.assets import sync_workspace
from mesh_catalog.settings import Settings, load_settings
from tests.unit.catalog.samples import publish, write_workspace


@pytest.fixture
def settings(workspace_dir: Path) -> Settings:
    return load_settings(workspace=write_workspace(workspace_dir), environment={"MESH_PRINCIPAL": "ana"})


@pytest.fixture
def mesh(settings: Settings) -> Iterator[Mesh]:
    """The sample workspace, synced; payments.transactions has v0 and v1."""
    with open_mesh(settings) as mesh:
        sync_workspace(mesh.catalog, mesh.workspace)
        publish(mesh.catalog, "payments.transactions", 0)
        publish(mesh.catalog, "payments.transactions", 1)
        yield mesh

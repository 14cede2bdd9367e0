from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mesh_catalog.catalog.assets import sync_workspace
from mesh_catalog.catalog.store import Catalog, open_catalog
from mesh_catalog.workspace import Workspace, load_workspace
from tests.postgres import PostgresServer
from tests.unit.catalog.samples import write_workspace

ON_BOTH = pytest.mark.parametrize("url", ["sqlite", "postgresql"], indirect=True)
"""Run a module's tests on both databases each time: those whose SQL differs between them."""


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database: the whole suite runs on SQLite and on PostgreSQL, modules not ON_BOTH there among the slow."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'catalog.db'}"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.catalog_url(server.new_database())


@pytest.fixture
def empty(url: str) -> Iterator[Catalog]:
    """A catalog that knows nothing."""
    catalog = open_catalog(url)
    yield catalog
    catalog.close()


@pytest.fixture
def workspace(workspace_dir: Path) -> Workspace:
    return load_workspace(write_workspace(workspace_dir))


@pytest.fixture
def catalog(empty: Catalog, workspace: Workspace) -> Catalog:
    """A catalog that knows the sample workspace; nothing is published."""
    sync_workspace(empty, workspace)
    return empty

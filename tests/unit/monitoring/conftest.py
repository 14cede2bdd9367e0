"""A workspace with a model, opened."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mesh_catalog.access.mesh import Mesh, open_mesh
from mesh_catalog.catalog.assets import sync_workspace
from mesh_catalog.settings import load_settings
from tests.unit.monitoring.samples import CONTRACT, MODEL


@pytest.fixture
def mesh(workspace_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mesh]:
    payments = workspace_dir / "domains" / "payments"
    for folder, name, text in (
        (payments, "domain.yaml", "name: payments\nowner: risk\n"),
        (payments / "cards", "contract.yaml", CONTRACT),
        (payments / "cards", "build.sql", "select * from source"),
        (payments / "cards", "source.yaml", "path: landing/*.parquet\nformat: parquet\n"),
        (payments / "fraud", "model.yaml", MODEL),
    ):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    monkeypatch.setenv("MESH_WORKSPACE", str(workspace_dir))
    monkeypatch.setenv("MESH_QUIET", "1")
    with open_mesh(load_settings()) as opened:
        sync_workspace(opened.catalog, opened.workspace)
        yield opened

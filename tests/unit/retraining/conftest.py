"""The sample catalog of the catalog's own tests, and a workspace whose model has a champion."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.unit.catalog.conftest import catalog, empty, url, workspace
from tests.unit.retraining.local import make_workspace

__all__ = ["catalog", "empty", "root", "template", "url", "workspace"]


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made once: MLflow's database takes seconds."""
    return make_workspace(tmp_path_factory.mktemp("template"))


@pytest.fixture
def root(template: Path, tmp_path: Path) -> Path:
    """A workspace of the test's own."""
    return shutil.copytree(template, tmp_path / "w")

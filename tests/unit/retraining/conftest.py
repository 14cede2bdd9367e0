"""The sample catalog of the catalog's own tests."""

from __future__ import annotations

from tests.unit.catalog.conftest import catalog, empty, url, workspace

__all__ = ["catalog", "empty", "url", "workspace"]

"""Whether little is to be read, by the sizes of what is there; no Spark."""

from __future__ import annotations

from pathlib import Path

import pytest

from mesh_catalog.access.locations import table_location
from mesh_catalog.lake import workload
from mesh_catalog.lake.workload import is_small
from tests.unit.orchestration.conftest import DAILY, TRANSACTIONS, Published


def test_new_files_and_tables_count_and_what_was_read_does_not(
    published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    mesh = published.mesh
    products = [mesh.workspace.product(name) for name in (TRANSACTIONS, DAILY)]
    monkeypatch.setattr(workload, "SMALL_BYTES", 1000)
    assert is_small(mesh, products)
    landed = published.land("more.csv", "x" * 1001)
    assert not is_small(mesh, products)
    landed.unlink()
    table = Path(table_location(mesh.settings, TRANSACTIONS)) / "day=1"
    table.mkdir(parents=True)
    (table / "part-0.parquet").write_bytes(b"x" * 1001)
    assert not is_small(mesh, products)
    assert not is_small(mesh, products[1:])


def test_what_only_spark_can_list_counts_as_much(published: Published) -> None:
    published.edit("transactions/source.yaml", "path: landing/", "path: s3a://bucket/")
    assert not is_small(published.mesh, [published.mesh.workspace.product(TRANSACTIONS)])

"""A lost catalog, made again from tables that delta-rs wrote, as runs leave them behind."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import CommitProperties, write_deltalake

from mesh_catalog.access.locations import table_location
from mesh_catalog.access.mesh import Mesh, open_mesh
from mesh_catalog.catalog.assets import register_product, sync_workspace
from mesh_catalog.catalog.edges import ColumnEdge
from mesh_catalog.catalog.lineage import lineage
from mesh_catalog.catalog.runs import read_checks, read_runs, read_versions, start_run
from mesh_catalog.catalog.search import search
from mesh_catalog.catalog.store import open_catalog
from mesh_catalog.lake.manifest import Committed, Manifest, record_commits, store_manifest
from mesh_catalog.lake.rebuild import rebuild_catalog
from mesh_catalog.lake.table import read_table_state
from mesh_catalog.settings import load_settings
from tests.unit.catalog.samples import NOON, amount_edge, dataset_contract, failed_check, write_workspace

TRANSACTIONS, DAILY, FRAME = "payments.transactions", "payments.daily", "payments.fraud__training"


@pytest.fixture
def mesh(workspace_dir: Path) -> Iterator[Mesh]:
    write_workspace(workspace_dir)
    with open_mesh(load_settings(workspace=workspace_dir)) as opened:
        sync_workspace(opened.catalog, opened.workspace)
        yield opened


def commit(mesh: Mesh, product: str, *, edges: tuple[ColumnEdge, ...] = (), **told: Any) -> str:
    """A run that commits one row, as publish does it: manifest, commit, catalog."""
    location = table_location(mesh.settings, product)
    run_id = start_run(mesh.catalog, product=product, kind="publish", principal="ana", contract_version="1.0.0")
    values: dict[str, Any] = {
        "mode": "append",
        "rows": 1,
        "total_rows": 1,
        "quarantined_count": 0,
        "event_from": NOON,
        "event_to": None,
        "profile_path": None,
        "profile_digest": None,
        "checks": (failed_check(verdict="pass"),),
        "inputs": {},
        "source_files": (),
    }
    manifest = Manifest(product=product, run_id=run_id, contract_version="1.0.0", **{**values, **told})
    store_manifest(location, manifest)
    said = CommitProperties(custom_metadata={"userMetadata": json.dumps({"mesh_run": run_id})})
    write_deltalake(location, pa.table({"tx_amount": [1.0]}), mode="append", commit_properties=said)
    made = read_table_state(product, location).commit_of(run_id)
    assert made is not None
    record_commits(mesh, [Committed(manifest=manifest, commit=made, edges=edges)])
    return run_id


def test_a_rebuilt_catalog_tells_of_versions_runs_checks_and_lineage_what_the_lost_one_told(mesh: Mesh) -> None:
    commit(mesh, TRANSACTIONS, source_files=("a.csv",))
    commit(mesh, TRANSACTIONS)
    last = commit(mesh, DAILY, inputs={TRANSACTIONS: 1}, edges=(amount_edge(),))
    register_product(mesh.catalog, dataset_contract(FRAME, "tx_amount"), domain="payments", owner="ml-team")
    commit(mesh, FRAME, inputs={TRANSACTIONS: 1})
    made = open_catalog(f"sqlite:///{mesh.settings.state / 'again.db'}")
    again = replace(mesh, catalog=made)
    try:
        found = rebuild_catalog(again)
        assert (found.tables, found.versions, found.without_card, found.failed) == (3, 4, 0, {})
        for product in (TRANSACTIONS, DAILY, FRAME):
            assert read_versions(made, product) == read_versions(mesh.catalog, product)
            assert read_runs(made, product) == read_runs(mesh.catalog, product)
        assert read_checks(made, last) == read_checks(mesh.catalog, last) != []
        for name, way in ((TRANSACTIONS, "downstream"), (DAILY, "upstream")):
            graphs = [lineage(one, name, direction=way, columns=True) for one in (made, mesh.catalog)]  # type: ignore[arg-type]
            assert graphs[0] == graphs[1]
        assert search(made, "amount") == search(mesh.catalog, "amount")
        assert rebuild_catalog(again).versions == 0
    finally:
        made.close()


def test_runs_without_a_card_and_tables_that_nothing_declares_are_told(mesh: Mesh) -> None:
    run_id = commit(mesh, TRANSACTIONS)
    register_product(mesh.catalog, dataset_contract(FRAME, "tx_amount"), domain="payments", owner="ml-team")
    other = commit(mesh, FRAME)
    for product, run in ((TRANSACTIONS, run_id), (FRAME, other)):
        Path(table_location(mesh.settings, product), "_catalog", f"{run}.json").unlink()
    made = open_catalog(f"sqlite:///{mesh.settings.state / 'again.db'}")
    try:
        found = rebuild_catalog(replace(mesh, catalog=made))
        assert (found.versions, found.without_card) == (1, 1)
        assert list(found.failed) == [FRAME] and "Bring back its folder" in found.failed[FRAME]
        assert [run.principal for run in read_runs(made, TRANSACTIONS)] == ["unknown"]
        assert read_checks(made, run_id) == read_checks(mesh.catalog, run_id)
    finally:
        made.close()

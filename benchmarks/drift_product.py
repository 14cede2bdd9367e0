"""A product of as many versions as there are frames, stored as publishing stores it, made without a JVM."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pandas as pd
import pyarrow as pa
from deltalake import write_deltalake

from mesh_catalog.access.locations import table_location
from mesh_catalog.access.mesh import Mesh, open_mesh
from mesh_catalog.catalog.assets import register_product, sync_workspace
from mesh_catalog.catalog.runs import VersionRecord, finish_run, start_run
from mesh_catalog.lake.profile import Kind, Profile
from mesh_catalog.lake.profiles import store_profile
from mesh_catalog.lake.tally import tally_of

__all__ = ["make_product"]

_NAME = "shop.wide"
_KINDS: dict[str, Kind] = {"float64": "float", "int64": "integer"}


def make_product(folder: Path, frames: Sequence[pd.DataFrame]) -> Path:
    """Make a workspace whose product `shop.wide` has a version for each frame; returns its folder."""
    from mesh_catalog.cli.main import run_command

    root = folder / "workspace"
    if run_command(["init", str(root)]):
        raise RuntimeError("no workspace could be made")
    product = root / "domains" / "shop" / "wide"
    product.mkdir(parents=True)
    (product.parent / "domain.yaml").write_text("name: shop\nowner: shop-team\n")
    (product / "contract.yaml").write_text(_contract(frames[0]))
    (product / "build.sql").write_text("select * from source")
    (product / "source.yaml").write_text("path: landing/*.parquet\nformat: parquet\n")
    os.environ["MESH_WORKSPACE"] = str(root)
    with open_mesh() as mesh:
        sync_workspace(mesh.catalog, mesh.workspace)
        register_product(mesh.catalog, mesh.workspace.product(_NAME).contract, domain="shop", owner="shop-team")
        for version, frame in enumerate(frames):
            _publish(mesh, frame, version)
    return root


def _contract(frame: pd.DataFrame) -> str:
    types = {"float64": "number, physicalType: double", "int64": "integer"}
    columns = [
        f"      - {{name: {name}, logicalType: {types.get(str(frame[name].dtype), 'string')}}}" for name in frame
    ]
    return (
        "apiVersion: v3.1.0\nkind: DataContract\nid: shop.wide\nversion: 1.0.0\nstatus: active\n"
        "schema:\n  - name: wide\n    physicalType: table\n    properties:\n" + "\n".join(columns) + "\n"
    )


def _publish(mesh: Mesh, frame: pd.DataFrame, version: int) -> None:
    contract = mesh.workspace.product(_NAME).contract
    location = table_location(mesh.settings, _NAME)
    table = pa.Table.from_pandas(frame)
    write_deltalake(location, table, mode="append")
    columns = {}
    for name in frame:
        tally = tally_of(_KINDS.get(str(frame[name].dtype), "string"), withheld=False)
        for chunk in table.column(str(name)).chunks:
            tally.add(chunk)
        columns[str(name)] = tally.profile()
    profile, run_id = Profile(rows=len(frame), columns=columns), uuid4().hex
    path = store_profile(location, run_id, profile)
    start_run(mesh.catalog, product=_NAME, kind="publish", principal="benchmark", run_id=run_id)
    record = VersionRecord(
        product=_NAME,
        version=version,
        run_id=run_id,
        contract_version=contract.version,
        mode="append",
        rows=len(frame),
        total_rows=None,
        quarantined_count=0,
        event_from=None,
        event_to=None,
        profile_digest=profile.digest,
        profile_path=path,
        committed_at=datetime.now(UTC),
        kept_from=0,
    )
    finish_run(mesh.catalog, run_id, outcome="published", version=record)

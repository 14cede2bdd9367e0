"""A model with a champion and predictions: real Delta tables, profiles and catalog rows, written without Spark."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import numpy as np
import pandas as pd
import pyarrow as pa
from deltalake import write_deltalake

from mesh_catalog.access.locations import table_location
from mesh_catalog.access.mesh import Mesh
from mesh_catalog.catalog.assets import register_product
from mesh_catalog.catalog.models import ModelVersionRecord, record_model_version, set_alias
from mesh_catalog.catalog.runs import VersionRecord, finish_run, start_run
from mesh_catalog.contracts.contract import Column, Contract
from mesh_catalog.lake.profile import ColumnProfile, Kind, Profile
from mesh_catalog.lake.profiles import store_profile
from mesh_catalog.lake.statistics import Counts
from mesh_catalog.models.frame import MODEL_VERSION, SCORE, SPLIT, plan_frame
from mesh_catalog.monitoring.files import profile_counts

START = datetime(2026, 5, 1, tzinfo=UTC)
CONTRACT = """
apiVersion: v3.1.0
kind: DataContract
id: payments.cards
version: 1.0.0
status: active
customProperties: [{property: eventTime, value: at}]
schema:
  - name: cards
    physicalType: table
    properties:
      - {name: id, logicalType: integer, required: true, primaryKey: true}
      - {name: at, logicalType: timestamp, required: true}
      - {name: amount, logicalType: number, physicalType: double}
      - {name: country, logicalType: string}
      - {name: e_mail, logicalType: string, classification: personal}
      - {name: fraud, logicalType: integer}
"""
MODEL = """
model: payments.fraud
goal: Stop fraud.
kind: binary
target: payments.cards.fraud
features: [payments.cards.amount, payments.cards.country, payments.cards.e_mail]
event_time: at
split: {by: time, test: 1d}
algorithm: logistic_regression
metric: roc_auc
monitor: {window: 2d, drift_share: 0.5}
"""


def rows(days: int, first_day: int, *, shift: float = 0.0, country: str = "FR", rows: int = 1500) -> pd.DataFrame:
    rng = np.random.default_rng(first_day)
    seconds = np.sort(rng.integers(0, days * 86_400, rows))
    return pd.DataFrame(
        {
            "id": np.arange(rows) + first_day * 1_000_000,
            "at": [START + timedelta(days=first_day, seconds=int(second)) for second in seconds],
            "amount": rng.lognormal(3 + shift, 1, rows),
            "country": rng.choice(["DE", country], rows),
            "e_mail": [f"person{number}@example.com" for number in range(rows)],
        }
    )


def contract(mesh: Mesh, name: str, extra: tuple[Column, ...]) -> Contract:
    plan = plan_frame(mesh, mesh.workspace.model("payments.fraud"))
    mode: Any = "overwrite" if extra else "append"
    return plan.contract(name, extra, write_mode=mode, description="Made by a test.")


def profile(frame: pd.DataFrame, contract: Contract) -> Profile:
    kinds: dict[str, Kind] = {"float64": "float", "Float64": "float", "int64": "integer", "object": "string"}
    columns = {}
    for name in frame.columns:
        column = contract.column(name)
        assert column is not None
        kind = kinds.get(str(frame[name].dtype), "datetime")
        if column.personal or kind == "datetime":
            columns[name] = ColumnProfile(kind=kind, count=len(frame), null_count=0, withheld=column.personal)
        else:
            counts = Counts.of(frame[name].value_counts().to_dict())
            nulls = int(frame[name].isna().sum())
            columns[name] = profile_counts(counts, kind=kind, rows=len(frame), nulls=nulls)
    return Profile(rows=len(frame), columns=columns)


def publish(mesh: Mesh, contract: Contract, frame: pd.DataFrame, *, version: int, kept_from: int) -> None:
    register_product(mesh.catalog, contract, domain="payments", owner="risk")
    location = table_location(mesh.settings, contract.id)
    mode: Any = "append" if kept_from < version else "overwrite"
    write_deltalake(location, pa.Table.from_pandas(frame, preserve_index=False), mode=mode)
    run_id, kept = uuid4().hex, profile(frame, contract)
    path = store_profile(location, run_id, kept)
    start_run(mesh.catalog, product=contract.id, kind="publish", principal="test", run_id=run_id)
    record = VersionRecord(
        product=contract.id,
        version=version,
        run_id=run_id,
        contract_version=contract.version,
        mode=contract.write_mode,
        rows=len(frame),
        total_rows=None,
        quarantined_count=0,
        event_from=frame["at"].min().to_pydatetime(),
        event_to=frame["at"].max().to_pydatetime(),
        profile_digest=kept.digest,
        profile_path=path,
        committed_at=datetime.now(UTC),
        kept_from=kept_from,
    )
    finish_run(mesh.catalog, run_id, outcome="published", version=record)


def train(mesh: Mesh, **metrics: float) -> None:
    split = Column(name=SPLIT, logical_type="string", spark_type="string")
    target = Column(name="fraud", logical_type="integer", spark_type="int")
    frame = rows(10, 0).assign(fraud=0)
    frame["split"] = np.where(frame["at"] > frame["at"].max() - timedelta(days=1), "test", "train")
    publish(mesh, contract(mesh, "payments.fraud__training", (target, split)), frame, version=0, kept_from=0)
    record = ModelVersionRecord(
        model="payments.fraud",
        version=1,
        mlflow_run_id="run",
        training_version=0,
        inputs={"payments.cards": 0},
        contract_versions={},
        metrics=metrics,
        algorithm="logistic_regression",
        code_commit=None,
        retraining_id=None,
        created_at=datetime.now(UTC),
    )
    record_model_version(mesh.catalog, record)
    set_alias(mesh.catalog, "payments.fraud", "champion", 1, reason="test", at=datetime.now(UTC))


def score(mesh: Mesh, version: int, frame: pd.DataFrame) -> None:
    publish(mesh, contract(mesh, "payments.fraud__predictions", ()), frame, version=version, kept_from=0)


def score_champion(mesh: Mesh, version: int, frame: pd.DataFrame, scores: Any, *, model_version: int = 1) -> None:
    """Publish rows with a champion's scores, as the batch scorer does."""
    plan = plan_frame(mesh, mesh.workspace.model("payments.fraud"))
    extra = (
        Column(name=SCORE, logical_type="number", spark_type="double", required=True),
        Column(name=MODEL_VERSION, logical_type="integer", spark_type="int", required=True),
    )
    made = plan.contract("payments.fraud__predictions", extra, write_mode="append", description="Made by a test.")
    publish(mesh, made, frame.assign(score=scores, model_version=model_version), version=version, kept_from=0)


def land(mesh: Mesh, version: int, frame: pd.DataFrame, labels: Any) -> None:
    """Publish rows of the target's product; a label of NaN has not come yet."""
    told = frame.assign(fraud=pd.array(labels, dtype="Float64"))
    publish(mesh, mesh.workspace.product("payments.cards").contract, told, version=version, kept_from=version)

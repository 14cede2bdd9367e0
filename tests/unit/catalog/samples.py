"""A small workspace on disk, and records as publish and train would make them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mesh_catalog.catalog.assets import register_product
from mesh_catalog.catalog.edges import ColumnEdge
from mesh_catalog.catalog.models import ModelVersionRecord, record_model_version
from mesh_catalog.catalog.runs import CheckRecord, VersionRecord, finish_run, start_run
from mesh_catalog.catalog.store import Catalog
from mesh_catalog.contracts.contract import Column, Contract

NOON = datetime(2026, 5, 31, 12, tzinfo=UTC)

DOMAIN = """\
name: payments
owner: payments-team
onCall: "#payments-pager"
description: Card payments.
"""
TRANSACTIONS = """\
apiVersion: v3.1.0
kind: DataContract
id: payments.transactions
version: 1.0.0
status: active
description: {purpose: Every card payment as the terminal sent it.}
tags: [cards, 결제]
schema:
  - name: transactions
    physicalType: table
    properties:
      - {name: transaction_id, logicalType: integer, required: true, unique: true, primaryKey: true}
      - {name: tx_datetime, logicalType: timestamp, required: true}
      - {name: customer_id, logicalType: integer, required: true, classification: personal}
      - {name: device_mail, logicalType: string, classification: personal?}
      - name: tx_amount
        logicalType: number
        logicalTypeOptions: {minimum: 0}
        description: Amount in euro.
      - {name: tx_fraud, logicalType: integer}
"""
DAILY = """\
apiVersion: v3.1.0
kind: DataContract
id: payments.daily
version: 1.0.0
status: active
description: {purpose: 일별 결제내역과 매출 합계}
schema:
  - name: daily
    physicalType: table
    properties:
      - {name: day, logicalType: date, required: true}
      - {name: amount_eur, logicalType: number}
"""
SOURCE = """\
path: landing/*.csv
format: csv
columns:
  transaction_id: bigint
  tx_datetime: timestamp
  customer_id: bigint
  device_mail: string
  tx_amount: double
  tx_fraud: bigint
"""
FRAUD = """\
model: payments.fraud
goal: Stop fraudulent card payments before they settle.
kind: binary
target: payments.transactions.tx_fraud
features: [payments.transactions.tx_amount]
event_time: tx_datetime
split: {by: time, test: 7d}
algorithm: {name: xgboost, max_depth: 6}
metric: average_precision
"""


def write_workspace(root: Path) -> Path:
    """domains/payments with transactions (from files), daily (from transactions) and the model fraud."""
    files = {
        "domain.yaml": DOMAIN,
        "transactions/contract.yaml": TRANSACTIONS,
        "transactions/source.yaml": SOURCE,
        "transactions/build.sql": "select * from source",
        "daily/contract.yaml": DAILY,
        "daily/build.sql": "select cast(tx_datetime as date) as day, sum(tx_amount) as amount_eur "
        "from payments.transactions group by 1",
        "fraud/model.yaml": FRAUD,
    }
    (root / "conf").mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        path = root / "domains" / "payments" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


def version_of(product: str, version: int, run_id: str, **changes: Any) -> VersionRecord:
    """A committed version, as `lake.publish` would tell of it."""
    values: dict[str, Any] = {
        "product": product,
        "version": version,
        "run_id": run_id,
        "contract_version": "1.0.0",
        "mode": "append",
        "rows": 10,
        "total_rows": 10 * (version + 1),
        "quarantined_count": 0,
        "event_from": NOON,
        "event_to": NOON,
        "profile_digest": "0" * 64,
        "profile_path": f"_profiles/{run_id}.json",
        "committed_at": NOON,
        "kept_from": 0,
    }
    return VersionRecord(**{**values, **changes})


def publish(catalog: Catalog, product: str, version: int, **told: Any) -> str:
    """Start and finish a run that committed `version`; returns its id."""
    run_id = start_run(catalog, product=product, kind="publish", principal="ana", contract_version="1.0.0")
    changes = told.pop("changes", {})
    finish_run(catalog, run_id, outcome="published", version=version_of(product, version, run_id, **changes), **told)
    return run_id


def amount_edge(**changes: Any) -> ColumnEdge:
    values: dict[str, Any] = {
        "from_product": "payments.transactions",
        "from_column": "tx_amount",
        "to_product": "payments.daily",
        "to_column": "amount_eur",
        "kind": "AGGREGATION",
    }
    return ColumnEdge(**{**values, **changes})


def failed_check(**changes: Any) -> CheckRecord:
    values: dict[str, Any] = {
        "rule": "tx_amount.minimum",
        "text": "tx_amount >= 0",
        "column": "tx_amount",
        "severity": "error",
        "verdict": "fail",
        "broken_count": 1204,
        "rows": 288_062,
        "example_keys": ("transaction_id 288071", "transaction_id 288095"),
    }
    return CheckRecord(**{**values, **changes})


def dataset_contract(name: str, *columns: str) -> Contract:
    """The contract of a dataset that the framework writes itself."""
    made = tuple(Column(name=column, logical_type="number", spark_type="double") for column in columns)
    return Contract(id=name, version="1.0.0", status="active", columns=made)


def train(catalog: Catalog, version: int = 1, inputs: Mapping[str, int] | None = None) -> ModelVersionRecord:
    """Register a version of payments.fraud, trained on a published frame."""
    frame = dataset_contract("payments.fraud__training", "tx_amount", "tx_fraud")
    register_product(catalog, frame, domain="payments", owner="payments-team")
    publish(catalog, frame.id, version - 1, inputs={"payments.transactions": 0})
    record = ModelVersionRecord(
        model="payments.fraud",
        version=version,
        mlflow_run_id=f"mlflow{version}",
        training_version=version - 1,
        inputs=inputs or {"payments.transactions": 0},
        contract_versions={"payments.transactions": "1.0.0"},
        metrics={"average_precision": 0.66},
        algorithm="xgboost",
        code_commit=None,
        retraining_id=None,
        created_at=NOON,
    )
    record_model_version(catalog, record)
    return record

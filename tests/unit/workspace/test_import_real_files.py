"""Import of real files: what a person who knows the file would expect."""

from __future__ import annotations

import csv
import resource
from pathlib import Path

import pytest

from mesh_catalog.contracts.infer import InferredColumn
from mesh_catalog.workspace import check_workspace, load_workspace
from mesh_catalog.workspace.importing import ImportPlan, plan_import, write_import


def _import(root: Path, path: Path, product: str) -> tuple[ImportPlan, dict[str, InferredColumn]]:
    plan = plan_import(root, path, product)
    write_import(root, plan)
    assert check_workspace(root) == []
    return plan, {column.name: column for column in plan.inference.columns}


def _written(root: Path) -> str:
    return "\n".join(p.read_text() for p in sorted((root / "domains").rglob("*")) if p.is_file())


def test_titanic(workspace_dir: Path, shared: Path) -> None:
    path = shared / "data" / "titanic" / "titanic_train.csv"
    plan, columns = _import(workspace_dir, path, "titanic.passengers")
    assert plan.inference.rows == 891
    assert plan.inference.key is columns["passenger_id"]
    assert {name for name, column in columns.items() if column.suspicion} == {"passenger_id", "name"}
    assert columns["survived"].values == (0, 1)
    assert columns["pclass"].values == (1, 2, 3)
    assert columns["embarked"].values == ("C", "Q", "S")
    assert columns["age"].source.null_count == 177
    assert columns["sib_sp"].values is None
    assert columns["ticket"].source.kind == "string"
    with path.open(newline="", encoding="utf-8") as file:
        surnames = {row["Name"].partition(",")[0] for row in csv.DictReader(file)}
    written = _written(workspace_dir) + repr(plan.inference)
    assert not [name for name in surnames if len(name) > 4 and name in written]


def test_telco_churn_has_a_number_that_is_blank_eleven_times(workspace_dir: Path, shared: Path) -> None:
    path = shared / "data" / "telco-churn" / "Telco-Customer-Churn.csv"
    plan, columns = _import(workspace_dir, path, "telco.customers")
    assert plan.inference.key is columns["customer_id"]
    assert {name for name, column in columns.items() if column.suspicion} == {"customer_id"}
    assert columns["total_charges"].source.kind == "number"
    assert plan.notes == ("total_charges: number but for 11 values (blank), read as null",)
    assert "nullif(trim(`TotalCharges`), '') as total_charges" in _written(workspace_dir)
    assert columns["phone_service"].values == ("No", "Yes")
    assert "7590-VHVEG" not in _written(workspace_dir)


def test_fraud_handbook(workspace_dir: Path, shared: Path) -> None:
    path = shared / "data" / "fraud-handbook" / "transactions_2018-04.csv.gz"
    plan, columns = _import(workspace_dir, path, "payments.transactions")
    assert plan.inference.rows == 288_062
    assert plan.inference.key is columns["transaction_id"]
    assert plan.inference.event_time is columns["tx_datetime"]
    assert {name for name, column in columns.items() if column.suspicion} == {"customer_id"}
    assert columns["tx_amount"].minimum == 0
    assert columns["tx_fraud"].values == (0, 1)
    assert all(column.required for column in columns.values())
    contract = load_workspace(workspace_dir).product("payments.transactions").contract
    assert [rule.text for rule in contract.rules][:3] == [
        "transaction_id required",
        "transaction_id unique",
        "tx_datetime required",
    ]


def test_elec2(workspace_dir: Path, shared: Path) -> None:
    plan, columns = _import(workspace_dir, shared / "data" / "elec2" / "elec.csv", "market.prices")
    assert plan.inference.rows == 45_312
    assert plan.inference.key is None
    assert plan.inference.event_time is None
    assert columns["nswprice"].source.kind == "number"
    assert columns["class"].values == (0, 1)
    assert not [name for name, column in columns.items() if column.suspicion]


@pytest.mark.parametrize(
    ("file", "options"),
    [
        ("sms-spam/sms.tsv", {"header": "false", "sep": "\t", "quote": ""}),
        ("adult/adult-train.csv", {"header": "false", "ignoreLeadingWhiteSpace": "true"}),
        ("nsmc-korean/nsmc_reviews_shared.tsv.gz", {"header": "true", "sep": "\t", "quote": ""}),
    ],
)
def test_files_of_other_habits_are_read_as_they_are_written(
    workspace_dir: Path, shared: Path, file: str, options: dict[str, str]
) -> None:
    _import(workspace_dir, shared / "data" / file, "a.b")
    source = load_workspace(workspace_dir).product("a.b").source
    assert source is not None
    assert {key: source.options.get(key) for key in options} == options


def test_a_file_of_synthetic_personal_data_leaks_nothing(workspace_dir: Path, shared: Path) -> None:
    import json

    path = shared / "data" / "presidio-pii" / "synth_dataset_v2.json"
    plan, columns = _import(workspace_dir, path, "pii.texts")
    assert {"full_text", "spans"} <= {name for name, column in columns.items() if column.suspicion}
    records = json.loads(path.read_text(encoding="utf-8"))
    secrets = {s["entity_value"] for record in records for s in record["spans"] if len(s["entity_value"]) > 6}
    written = _written(workspace_dir) + repr(plan.inference)
    assert len(secrets) > 1_000
    assert not [secret for secret in secrets if secret in written]


def test_a_file_of_millions_of_rows_is_read_in_bounded_memory(workspace_dir: Path, shared: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    plan, _ = _import(workspace_dir, shared / "data" / "icu-2012" / "set-a_long.csv.gz", "icu.events")
    grown_mib = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert plan.inference.rows == 1_678_892
    assert grown_mib < 400

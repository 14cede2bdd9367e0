"""From published products to a registered model and published scores; and again with the same run ids."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from mesh_catalog.access.gate import read_audit, request_read
from mesh_catalog.access.mesh import Mesh, open_mesh
from mesh_catalog.catalog.assets import sync_workspace
from mesh_catalog.catalog.models import read_alias, read_model_versions
from mesh_catalog.catalog.runs import read_run, read_versions
from mesh_catalog.errors import GateRefusedError, InputError, NotFoundError
from mesh_catalog.lake.frames import publish_frame
from mesh_catalog.lake.read import read_table
from mesh_catalog.models import train as train_module
from mesh_catalog.models.evaluate import LOSS_DEVIATION
from mesh_catalog.models.frame import build_frame, plan_frame
from mesh_catalog.models.registry import Registry, open_registry
from mesh_catalog.models.split import add_split, split_bounds
from mesh_catalog.models.train import train_model
from mesh_catalog.retraining.compare import compare_versions
from mesh_catalog.serving.score import score_model
from mesh_catalog.settings import Settings
from mesh_catalog.specs import FeatureRef, GateSpec, ModelSpec, SplitSpec
from mesh_catalog.workspace.model_file import read_model_file

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

START = datetime(2026, 3, 1, tzinfo=UTC)
CONTRACT = """
apiVersion: v3.1.0
kind: DataContract
id: {product}
version: 1.2.0
status: active
schema:
  - name: {table}
    physicalType: table
    properties:
{columns}
customProperties:
  - {{property: eventTime, value: {time}}}
  - {{property: writeMode, value: append}}
"""
PAYMENTS = """
      - {name: payment_id, logicalType: integer, required: true, unique: true, primaryKey: true}
      - {name: card, logicalType: string, required: true, classification: personal}
      - {name: paid_at, logicalType: timestamp, required: true}
      - {name: amount, logicalType: number}
      - {name: shop, logicalType: string}
      - {name: email, logicalType: string, classification: personal}
      - {name: fraud, logicalType: integer}
"""
ACTIVITY = """
      - {name: card, logicalType: string, required: true, classification: personal}
      - {name: known_at, logicalType: timestamp, required: true}
      - {name: spent, logicalType: number}
"""
MODEL = """
model: payments.risk
goal: Hold fraudulent payments.
kind: binary
target: payments.transactions.fraud
features: [payments.transactions, payments.activity]
entity: card
event_time: paid_at
split: {by: time, test: 5d, gap: 1d}
algorithm: {name: xgboost, n_estimators: 20, max_depth: 3}
metric: roc_auc
costs: {false_negative: 30, false_positive: 2}
gate: {at_least: {roc_auc: 0.7}}
"""


def write_workspace(root: Path) -> None:
    domain = root / "domains" / "payments"
    for name, columns, time in (("transactions", PAYMENTS, "paid_at"), ("activity", ACTIVITY, "known_at")):
        folder = domain / name
        folder.mkdir(parents=True)
        text = CONTRACT.format(product=f"payments.{name}", table=name, columns=columns.strip("\n"), time=time)
        (folder / "contract.yaml").write_text(text)
        (folder / "source.yaml").write_text("path: landing/*.parquet\nformat: parquet\n")
        (folder / "build.sql").write_text("select * from source\n")
    (domain / "risk").mkdir()
    (domain / "risk" / "model.yaml").write_text(MODEL)
    (domain / "domain.yaml").write_text("name: payments\nowner: risk-team\n")


def payments(first: int, count: int, *, seed: int = 0) -> list[tuple[Any, ...]]:
    rng = random.Random(f"{seed}/{first}")
    rows = []
    for number in range(first, first + count):
        card = f"card-{number % 40}"
        amount, shop = rng.lognormvariate(3, 1), rng.choice(["bakery", "petrol", "web"])
        fraud = int(amount * (3 if shop == "web" else 1) + (number % 40) > rng.gauss(70, 20))
        rows.append((number, card, START + timedelta(hours=number), amount, shop, f"{card}@example.org", fraud))
    return rows


class Shop:
    """A workspace with two published products and a model."""

    def __init__(self, spark: SparkSession, mesh: Mesh) -> None:
        self.spark, self.mesh = spark, mesh
        self.model = mesh.workspace.model("payments.risk")

    def publish(self, name: str, rows: list[tuple[Any, ...]]) -> None:
        product = self.mesh.workspace.product(name)
        schema = ", ".join(f"{column.name} {column.spark_type}" for column in product.contract.columns)
        frame = self.spark.createDataFrame(rows, schema)
        publish_frame(self.spark, self.mesh, product.contract, frame, owner="risk-team", inputs={}, run_id=uuid4().hex)

    def train(self, run_id: str, **changes: Any) -> train_module.TrainResult:
        return train_model(self.spark, self.mesh, replace(self.model, **changes), run_id=run_id)


def open_shop(spark: SparkSession, root: Path) -> Iterator[Shop]:
    write_workspace(root)
    settings = Settings(
        workspace=root,
        state=root / ".mesh",
        lake=str(root / ".mesh" / "lake"),
        catalog_url=f"sqlite:///{root / '.mesh' / 'catalog.db'}",
        mlflow_uri=f"sqlite:///{root / '.mesh' / 'mlflow.db'}",
        principal="tester",
    )
    with open_mesh(settings) as mesh:
        sync_workspace(mesh.catalog, mesh.workspace)
        shop = Shop(spark, mesh)
        shop.publish("payments.transactions", payments(0, 600))
        activity = [(f"card-{n}", START + timedelta(hours=h), float(n + h)) for n in range(40) for h in (0, 100, 300)]
        shop.publish("payments.activity", activity)
        yield shop


@pytest.fixture(scope="module")
def shop(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """Shared by the tests that only read it or train versions of their own."""
    root = tmp_path_factory.mktemp("shop")
    for name in ("conf", "domains"):
        (root / name).mkdir()
    yield from open_shop(spark, root)


def test_a_model_is_trained_registered_and_scored_from_published_products_only(shop: Shop) -> None:
    result = shop.train("1" * 32)
    mesh = shop.mesh

    assert (result.version, result.alias, result.unmet) == (1, "champion", ())
    assert result.inputs == {"payments.transactions": 0, "payments.activity": 0}
    assert result.metrics["roc_auc"] > 0.7
    assert result.metrics[LOSS_DEVIATION] > 0
    assert 0 < result.metrics["expected_cost"] < result.baseline["expected_cost"] <= 2
    assert result.train_rows + result.test_rows == 600 - 24
    assert result.test_rows == 5 * 24
    assert read_alias(mesh.catalog, "payments.risk", "champion") == 1
    assert open_registry(mesh.settings).read_alias("payments.risk", "champion") == 1
    record = read_model_versions(mesh.catalog, "payments.risk")[0]
    assert record.inputs == result.inputs
    assert record.contract_versions == {"payments.transactions": "1.2.0", "payments.activity": "1.2.0"}
    run = read_run(mesh.catalog, "1" * 32)
    assert (run.kind, run.outcome, run.inputs) == ("train", "done", {"payments.risk__training": 0})

    ticket = request_read(mesh, "payments.risk__training", purpose="analysis")
    training = read_table(shop.spark, ticket)
    assert training.columns == ["payment_id", "card", "paid_at", "amount", "shop", "spent", "fraud", "split"]
    by_id = {row["payment_id"]: row for row in training.collect()}
    assert by_id[599]["spent"] == 599 % 40 + 300
    assert by_id[99]["spent"] == 99 % 40
    assert {row["split"] for key, row in by_id.items() if key >= 480} == {"test"}
    assert max(key for key, row in by_id.items() if row["split"] == "train") == 600 - 6 * 24 - 1

    events = read_audit(mesh, "payments.transactions", 10)
    assert {(event.purpose, event.principal) for event in events} >= {("train", "tester")}
    assert all("email" not in (event.columns or ()) for event in events)

    learned = score_model(shop.spark, mesh, shop.model, run_id="1" * 31 + "0")
    assert (learned.outcome, learned.rows, learned.version) == ("unchanged", 0, None)
    first = score_model(shop.spark, mesh, shop.model, run_id="2" * 32, start=START)
    assert (first.outcome, first.rows, first.model_version, first.version) == ("published", 600, 1, 0)
    again = score_model(shop.spark, mesh, shop.model, run_id="3" * 32)
    assert (again.outcome, again.rows, again.version) == ("unchanged", 0, 0)
    scored = read_table(shop.spark, request_read(mesh, "payments.risk__predictions", purpose="analysis"))
    assert scored.columns == ["payment_id", "card", "paid_at", "amount", "shop", "spent", "score", "model_version"]
    assert all("fraud" not in (event.columns or ()) for event in read_audit(mesh, "payments.transactions", 1))


def test_mlflow_holds_parameters_metrics_curves_and_pins_and_no_rows(shop: Shop) -> None:
    result = shop.train("4" * 32)
    registry = open_registry(shop.mesh.settings)
    pins = registry.read_pins(result.mlflow_run_id)

    assert (pins.training_version, pins.inputs) == (result.training_version, result.inputs)
    assert pins.features == ("amount", "shop", "spent")
    assert pins.parameters == {"n_estimators": 20, "max_depth": 3}
    assert pins.packages["pyspark"]
    folder = shop.mesh.settings.artifacts / "payments.risk" / result.mlflow_run_id / "artifacts"
    assert (folder / "curves" / "roc.png").read_bytes().startswith(b"\x89PNG")
    assert len(json.loads((folder / "curves" / "precision_recall.json").read_text())["x"]) <= 202
    stored = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    assert b"card-1" not in stored
    assert b"example.org" not in stored
    assert (folder / "model" / "MLmodel").exists()


def test_a_finished_training_is_told_again_and_changes_nothing(shop: Shop) -> None:
    first = shop.train("5" * 32)
    versions = [
        len(read_versions(shop.mesh.catalog, "payments.risk__training")),
        len(read_model_versions(shop.mesh.catalog, "payments.risk")),
    ]
    again = shop.train("5" * 32)

    assert replace(again, seconds=first.seconds) == first
    assert versions == [
        len(read_versions(shop.mesh.catalog, "payments.risk__training")),
        len(read_model_versions(shop.mesh.catalog, "payments.risk")),
    ]


class Killed(BaseException):
    """Stands for SIGKILL: nothing of ours catches it."""


STEPS: list[tuple[Any, str]] = [
    (train_module, "publish_frame"),
    (train_module, "fit_pipeline"),
    (Registry, "_save_pipeline"),
    (Registry, "log_run"),
    (Registry, "register"),
    (train_module, "record_model_version"),
    (Registry, "set_alias"),
    (train_module, "set_alias"),
    (train_module, "finish_run"),
]


def test_cut_off_after_each_step_in_turn_the_same_run_id_goes_on_to_one_version(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id, catalog = uuid4().hex, shop.mesh.catalog
    rows, models = read_versions(catalog, "payments.risk__training"), read_model_versions(catalog, "payments.risk")

    for owner, step in STEPS:
        with monkeypatch.context() as patch, pytest.raises(Killed):
            patch.setattr(owner, step, cut_after(getattr(owner, step)))
            shop.train(run_id)
    result = shop.train(run_id)

    assert len(read_versions(catalog, "payments.risk__training")) == len(rows) + 1
    assert [record.version for record in read_model_versions(catalog, "payments.risk")[len(models) :]] == [
        result.version
    ]
    assert read_run(catalog, run_id).outcome == "done"
    assert open_registry(shop.mesh.settings).read_alias("payments.risk", result.alias) == result.version
    assert read_alias(catalog, "payments.risk", result.alias) == result.version


def cut_after(step: Any) -> Any:
    def cut(*arguments: Any, **named: Any) -> Any:
        step(*arguments, **named)
        raise Killed

    return cut


def test_an_earlier_until_and_another_algorithm_make_a_version_of_their_own(shop: Shop) -> None:
    until = START + timedelta(hours=400)
    result = train_model(
        shop.spark,
        shop.mesh,
        replace(shop.model, algorithm="logistic_regression", parameters={}),
        run_id=uuid4().hex,
        until=until,
    )
    assert result.train_rows + result.test_rows == 400 - 24
    assert datetime.fromisoformat(result.test_from) == until - timedelta(days=5)
    latest = read_versions(shop.mesh.catalog, "payments.risk__training")[-1]
    assert latest.event_to == until - timedelta(hours=1)


@pytest.mark.slow
def test_a_regression_is_trained_measured_gated_and_scored(spark: SparkSession, workspace_dir: Path) -> None:
    for small in open_shop(spark, workspace_dir):
        path = workspace_dir / "domains" / "payments" / "risk" / "model.yaml"
        text = MODEL.replace("kind: binary", "kind: regression").replace("transactions.fraud", "transactions.amount")
        text = text.replace("[payments.transactions, payments.activity]", "[payments.transactions.fraud]")
        text = text.replace("roc_auc: 0.7", "r2: 0.05").replace("at_least: {", "at_most: {mae: 1000}, at_least: {")
        text = text.replace("costs: {false_negative: 30, false_positive: 2}\n", "")
        path.write_text(text.replace("metric: roc_auc", "metric: mae"))
        model = read_model_file(path, small.model.domain)

        result = train_model(spark, small.mesh, model, run_id="a" * 32)
        assert (result.alias, result.unmet) == ("champion", ())
        low, high = result.intervals["mae"]
        assert low < result.metrics["mae"] < high < result.baseline["mae"]
        assert result.baseline["last_period_mae"] > result.metrics["mae"]
        assert replace(train_model(spark, small.mesh, model, run_id="a" * 32), seconds=result.seconds) == result
        comparison = compare_versions(spark, small.mesh, model, champion=1, challenger=1)
        assert (comparison.metric, comparison.rows, comparison.better_share) == ("mae", 120, 0.5)
        assert comparison.champion == pytest.approx(result.metrics["mae"])
        scored = score_model(spark, small.mesh, model, run_id="c" * 32, start=START)
        assert (scored.rows, scored.model_version) == (600, 1)


def test_a_gate_that_is_not_kept_leaves_the_version_a_challenger_with_the_reason(
    spark: SparkSession, workspace_dir: Path
) -> None:
    for small in open_shop(spark, workspace_dir):
        with pytest.raises(
            NotFoundError, match=r"payments.risk: has no champion yet. Train one: mesh train payments.risk"
        ):
            score_model(spark, small.mesh, small.model, run_id="a" * 32)
        result = small.train("b" * 32, gate=GateSpec(at_least={"accuracy": 1.0}))
        assert (result.alias, read_alias(small.mesh.catalog, "payments.risk", "champion")) == ("challenger", None)
        assert "below 1" in result.unmet[0]

        accepted = small.train("c" * 32)
        assert (accepted.version, accepted.alias) == (2, "champion")
        end = START + timedelta(hours=500)
        scored = score_model(spark, small.mesh, small.model, run_id="d" * 32, start=START, until=end)
        assert (scored.rows, scored.model_version) == (500, 2)
        small.publish("payments.transactions", payments(600, 100))
        rest = score_model(spark, small.mesh, small.model, run_id="e" * 32)
        assert (rest.rows, rest.version) == (200, 1)
        assert rest.event_from == START + timedelta(hours=500)
        assert replace(score_model(spark, small.mesh, small.model, run_id="d" * 32), seconds=scored.seconds) == scored


def test_too_few_rows_or_one_class_only_is_refused_before_anything_is_published(shop: Shop) -> None:
    before = len(read_versions(shop.mesh.catalog, "payments.risk__training"))
    with pytest.raises(GateRefusedError, match="the train window has 0 labelled rows; at least 20 are needed"):
        shop.train(uuid4().hex, split=SplitSpec(test=timedelta(days=60)))
    with pytest.raises(GateRefusedError, match="the test window has 12 labelled rows"):
        shop.train(uuid4().hex, split=SplitSpec(test=timedelta(hours=12)))
    run_id = uuid4().hex
    with pytest.raises(GateRefusedError, match="no row with a label"):
        train_model(shop.spark, shop.mesh, shop.model, run_id=run_id, until=START)
    assert read_run(shop.mesh.catalog, run_id).outcome == "refused"
    assert len(read_versions(shop.mesh.catalog, "payments.risk__training")) == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"target": "fraude"}, "target: payments.transactions has no column 'fraude'. Did you mean 'fraud'"),
        ({"target": "shop"}, "target 'shop' is string"),
        ({"event_time": "amount"}, "event_time 'amount' is double, which is no time"),
        ({"entity": ()}, "joined by `entity`, which is missing"),
        ({"features": (FeatureRef(product="payments.transactions", column="fraud"),)}, "among the features"),
        ({"features": (FeatureRef(product="payments.transactions", column="paid_at"),)}, "'paid_at' is a timestamp"),
        ({"parameters": {"depth": 3}}, "'depth' is not a parameter"),
    ],
)
def test_a_model_that_does_not_fit_its_products_is_told_before_any_job(
    shop: Shop, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        shop.train(uuid4().hex, **change)


def test_a_name_that_comes_from_two_products_is_told(shop: Shop) -> None:
    both = (FeatureRef(product="payments.transactions", column="amount"), FeatureRef(product="payments.activity"))
    spec: ModelSpec = replace(shop.model, features=both)
    contract = shop.mesh.workspace.product("payments.activity").contract
    renamed = replace(
        contract, columns=tuple(replace(c, name="amount") if c.name == "spent" else c for c in contract.columns)
    )
    products = dict(shop.mesh.workspace.products)
    products["payments.activity"] = replace(products["payments.activity"], contract=renamed)
    workspace = replace(shop.mesh.workspace, products=products)
    with pytest.raises(InputError, match="'amount' comes from payments.transactions and from payments.activity"):
        plan_frame(replace(shop.mesh, workspace=workspace), spec)


def test_the_training_frame_inherits_each_columns_classification(shop: Shop) -> None:
    plan = plan_frame(shop.mesh, shop.model)
    contract = plan.contract("payments.risk__training", (), write_mode="overwrite", description="")
    assert contract.personal_columns == ("card",)
    assert contract.primary_key == ("payment_id",)
    assert "email" not in {column.name for column in contract.columns}


def test_without_labels_the_target_is_not_read_and_versions_can_be_pinned(shop: Shop) -> None:
    frame = build_frame(shop.spark, shop.mesh, shop.model, labelled=False, versions={"payments.transactions": 0})
    assert "fraud" not in frame.data.columns
    assert frame.inputs["payments.transactions"] == 0


@pytest.mark.parametrize("train", [None, timedelta(days=4)])
def test_windows_of_a_split_are_disjoint_in_order_and_leave_the_gap_out(
    spark: SparkSession, train: timedelta | None
) -> None:
    hours = spark.range(24 * 20).selectExpr("id", f"timestamp'{START:%Y-%m-%d}' + make_interval(0,0,0,0,id) as at")
    bounds = split_bounds(
        START + timedelta(hours=24 * 20 - 1), SplitSpec(test=timedelta(days=3), gap=timedelta(days=2), train=train)
    )
    rows = add_split(hours, bounds, event_time="at", column="split").collect()
    parts: dict[str, list[int]] = {"train": [], "test": []}
    for row in rows:
        parts[row["split"]].append(row["id"])

    assert len(rows) == len({row["id"] for row in rows})
    assert (min(parts["test"]), max(parts["test"])) == (24 * 17, 24 * 20 - 1)
    assert max(parts["train"]) == 24 * 15 - 1
    assert min(parts["train"]) == (0 if train is None else 24 * 11)

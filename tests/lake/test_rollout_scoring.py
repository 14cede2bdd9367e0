"""Scoring while a rollout is open: shadow, a canary by entity, a challenger that cannot score; and stock of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from mesh_catalog.access.gate import request_read
from mesh_catalog.catalog.decisions import read_decisions
from mesh_catalog.catalog.lineage import lineage
from mesh_catalog.catalog.models import read_alias
from mesh_catalog.catalog.rollouts import RolloutRecord, read_rollout_runs
from mesh_catalog.catalog.runs import read_versions
from mesh_catalog.lake.read import read_table
from mesh_catalog.models.registry import Registry, open_registry
from mesh_catalog.retraining.observing import observe
from mesh_catalog.retraining.rollout import apply_stock, begin_rollout, take_stock
from mesh_catalog.serving.arms import arm_column, arm_of
from mesh_catalog.serving.score import ScoreResult, score_model
from mesh_catalog.specs import ModelSpec, RolloutAlarm, RolloutSpec
from tests.lake.test_models_train import START, Shop, open_shop, payments

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ALARMS = (
    RolloutAlarm(name="ratio"),
    RolloutAlarm(name="errors"),
    RolloutAlarm(name="latency", limit=1000),  # a busy machine
    RolloutAlarm(name="prediction_drift"),
    RolloutAlarm(name="drift", limit=1.0),
    RolloutAlarm(name="kpi", kpi="payments.mean_amount"),
)
PLAN = RolloutSpec(steps=(0.0, 0.4), bake_rows=10, alarms=ALARMS)
KPIS = """
kpis:
  - name: mean_amount
    source: payments.transactions
    grain: day
    unit: EUR
    formula: avg(amount)
    target: {at_least: 0}
"""


@pytest.fixture(scope="module")
def shop(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """Two trained versions, the champion's first scores, and a plan."""
    root = tmp_path_factory.mktemp("rollout")
    for name in ("conf", "domains"):
        (root / name).mkdir()
    (root / "domains" / "payments").mkdir()
    (root / "domains" / "payments" / "kpis.yaml").write_text(KPIS)
    for shop in open_shop(spark, root):
        algorithm: dict[str, Any] = {"algorithm": "logistic_regression", "parameters": {}}
        shop.train("1" * 32, **algorithm)
        shop.train("2" * 32, **algorithm)
        shop.model = replace(shop.model, rollout=PLAN)
        score(shop, until=500)
        yield shop


def score(shop: Shop, *, until: int, run_id: str | None = None, model: ModelSpec | None = None) -> ScoreResult:
    end = START + timedelta(hours=until)
    return score_model(shop.spark, shop.mesh, model or shop.model, run_id=run_id or uuid4().hex, start=START, until=end)


def rows(shop: Shop, product: str) -> list[Any]:
    return read_table(shop.spark, request_read(shop.mesh, product, purpose="analysis")).collect()


def step_on(shop: Shop, rollout: RolloutRecord) -> RolloutRecord:
    stock = take_stock(shop.mesh, shop.model, rollout)
    assert stock.action == "advance", stock
    return apply_stock(shop.mesh, shop.model, rollout, stock)


def test_a_challenger_is_shadowed_then_decides_over_its_entities_then_fails_and_all_goes_back(shop: Shop) -> None:
    mesh = shop.mesh
    before = read_alias(mesh.catalog, "payments.risk", "champion")
    assert before == 1
    rollout = begin_rollout(mesh, shop.model, champion=1, challenger=2)

    shadow = score(shop, until=540, run_id="a" * 32)
    assert (shadow.rows, shadow.versions) == (40, {1: 40})
    assert shadow.rollout is not None
    assert (shadow.rollout.share, shadow.rollout.challenger) == (0.0, 2)
    beside = rows(shop, "payments.risk__shadow")
    assert len(beside) == 40
    assert all(row["challenger_score"] is not None and row["arm"] == "champion" for row in beside)
    predicted = {row["payment_id"]: row for row in rows(shop, "payments.risk__predictions")}
    assert all(predicted[row["payment_id"]]["score"] == row["champion_score"] for row in beside)
    assert "challenger_score" not in predicted[0].asDict()

    again = score(shop, until=540, run_id="a" * 32)
    assert replace(again, seconds=shadow.seconds) == shadow
    assert len(read_versions(mesh.catalog, "payments.risk__shadow")) == 1

    rollout = step_on(shop, rollout)
    assert rollout.position == 1
    canary = score(shop, until=600)
    assert canary.rows == 60
    assert set(canary.versions) == {1, 2}
    split = [row for row in rows(shop, "payments.risk__shadow") if row["step"] == 1]
    predicted = {row["payment_id"]: row for row in rows(shop, "payments.risk__predictions")}
    for row in split:
        arm = arm_of({"card": row["card"]}, salt=rollout.id, share=0.4)
        assert row["arm"] == arm
        assert predicted[row["payment_id"]]["model_version"] == (2 if arm == "challenger" else 1)
        assert predicted[row["payment_id"]]["score"] == row[f"{arm}_score"]
    assert canary.versions[2] == sum(row["arm"] == "challenger" for row in split)

    seen = observe(mesh, shop.model, rollout)
    assert seen.rows == canary.versions[2]
    signals = {signal.alarm: signal for signal in seen.signals}
    assert signals["errors"].state == "quiet"
    assert signals["latency"].evidence["runs"] == 1
    assert signals["ratio"].evidence["champion"] + signals["ratio"].evidence["challenger"] == 40
    assert signals["ratio"].evidence["challenger"] == len({row["card"] for row in split if row["arm"] == "challenger"})
    assert signals["drift"].evidence["compared"] == 3
    assert signals["prediction_drift"].state == "quiet"  # the same data and seed made both versions
    assert len(signals["kpi payments.mean_amount"].evidence["values"]) >= 2
    graph = lineage(mesh.catalog, "payments.risk__predictions", direction="upstream", columns=True)
    assert {link.from_column for link in graph.columns} >= {"amount", "shop"}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Registry, "load_pipeline", gone_for(open_registry(mesh.settings).run_of("payments.risk", 2)))
        shop.publish("payments.transactions", payments(600, 50))
        failed = score(shop, until=650)
    assert (failed.rows, failed.versions) == (50, {1: 50})
    assert failed.rollout is not None and failed.rollout.failure
    assert [run.failure is not None for run in read_rollout_runs(mesh.catalog, rollout.id)] == [False, False, True]
    stock = take_stock(mesh, shop.model, rollout)
    assert stock.action == "back"
    assert "the challenger could not score" in stock.reasons[0]

    ended = apply_stock(mesh, shop.model, rollout, stock)
    assert (ended.action, ended.finished_at is not None) == ("back", True)
    registry = open_registry(mesh.settings)
    assert (registry.read_alias("payments.risk", "champion"), registry.read_alias("payments.risk", "challenger")) == (
        1,
        None,
    )
    assert read_decisions(mesh.catalog, "payments.risk", 1)[0].action == "rollback"
    shop.publish("payments.transactions", payments(650, 10))
    after = score(shop, until=660)
    assert (after.versions, after.rollout) == ({1: 10}, None)


def gone_for(mlflow_run_id: str) -> Any:
    """`Registry.load_pipeline` where one run's files are gone."""
    from mesh_catalog.errors import StorageError

    load = Registry.load_pipeline

    def found(self: Registry, wanted: str) -> Any:
        if wanted == mlflow_run_id:
            raise StorageError("MLflow: could not be used (loaded a model): OSError.")
        return load(self, wanted)

    return found


def test_spark_and_python_give_an_entity_the_same_arm(spark: SparkSession) -> None:
    values: list[tuple[Any, ...]] = [
        (number, f"Kündin {number} 카드:|", number % 3 == 0, date(2026, 1, 1) + timedelta(days=number), amount)
        for number, amount in enumerate([Decimal("0.00"), Decimal("-12.50"), Decimal("9999999.01")] * 200)
    ]
    values += [(None, "a", True, date(2026, 1, 1), Decimal(1)), (1, "", False, date(1, 1, 1), Decimal(0))]
    names = ["number", "text", "flag", "day", "amount"]
    schema = "number bigint, text string, flag boolean, day date, amount decimal(12,2)"
    frame = spark.createDataFrame(values, schema)
    for salt, share in (("one", 0.05), ("two", 0.5)):
        found = frame.withColumn("arm", arm_column(names, salt=salt, share=share)).collect()
        expected = [arm_of({name: row[name] for name in names}, salt=salt, share=share) for row in found]
        assert [row["arm"] for row in found] == expected
        assert {None, "champion", "challenger"} == set(expected)

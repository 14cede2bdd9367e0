"""Both algorithms on rows with missing, infinite and unseen values; evaluation and samples on Spark."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from sklearn.metrics import (
    log_loss,
    mean_absolute_error,
    r2_score,
    roc_auc_score,
    root_mean_squared_error,
)

from mesh_catalog.errors import GateRefusedError, InputError
from mesh_catalog.models import evaluate
from mesh_catalog.models.algorithms import add_score, fit_pipeline, learned_features
from mesh_catalog.models.compare import sample_scores
from mesh_catalog.models.evaluate import count_scores, evaluate_counts
from mesh_catalog.models.regression import evaluate_numbers
from mesh_catalog.specs import ALGORITHMS

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.ml import PipelineModel
    from pyspark.sql import DataFrame, SparkSession

SCHEMA = "id bigint, amount double, night boolean, price decimal(8,2), place string, label int"
FEATURES = ("amount", "night", "price", "place")


def made_rows(seed: int, count: int) -> list[tuple[Any, ...]]:
    rng = random.Random(seed)
    rows = []
    for number in range(count):
        amount, night, place = rng.gauss(0, 1), rng.random() < 0.3, rng.choice(["north", "south", "west"])
        score = amount + (1.0 if night else 0.0) + {"north": 1.0, "south": -1.0, "west": 0.0}[place]
        label = int(score + rng.gauss(0, 0.5) > 0.3)
        broken = rng.random()
        shown = None if broken < 0.05 else float("inf") if broken < 0.07 else float("nan") if broken < 0.09 else amount
        rows.append((number, shown, night, None, None if broken > 0.97 else place, label))
    return rows


@pytest.fixture(scope="module")
def train_rows(spark: SparkSession) -> DataFrame:
    frame = spark.createDataFrame(made_rows(1, 400), SCHEMA)
    return frame.selectExpr("id", "amount", "night", "cast(id % 7 as decimal(8,2)) as price", "place", "label").cache()


def fit(rows: DataFrame, algorithm: str, **changes: Any) -> PipelineModel:
    call: dict[str, Any] = {
        "parameters": {"n_estimators": 20, "max_depth": 3} if algorithm == "xgboost" else {},
        "features": FEATURES,
        "label": "label",
        "keys": ["id"],
        "rows": 400,
        "seed": 7,
    }
    return fit_pipeline(rows, algorithm=algorithm, **(call | changes))


@pytest.mark.parametrize("algorithm", ALGORITHMS["binary"])
def test_it_learns_from_missing_infinite_and_boolean_values_and_scores_unseen_ones(
    spark: SparkSession, train_rows: DataFrame, algorithm: str, tmp_path: Path
) -> None:
    from pyspark.ml import PipelineModel

    model = fit(train_rows, algorithm)
    fresh = [*made_rows(2, 400), (9_998, None, None, None, "elsewhere", 1), (9_999, float("-inf"), True, None, None, 0)]
    scored = add_score(model, spark.createDataFrame(fresh, SCHEMA)).collect()

    assert learned_features(model) == FEATURES
    assert scored[0].asDict().keys() == {"id", *FEATURES, "label", "score"}
    assert all(0 <= row["score"] <= 1 for row in scored)
    assert roc_auc_score([row["label"] for row in scored], [row["score"] for row in scored]) > 0.85

    model.write().save(str(tmp_path / "model"))
    loaded = PipelineModel.load(str(tmp_path / "model"))
    again = add_score(loaded, spark.createDataFrame(fresh, SCHEMA).drop("label")).collect()
    assert [row["score"] for row in again] == [row["score"] for row in scored]


@pytest.mark.parametrize("algorithm", ALGORITHMS["binary"])
def test_the_same_rows_in_another_order_give_the_same_model(train_rows: DataFrame, algorithm: str) -> None:
    models = [fit(rows, algorithm) for rows in (train_rows, train_rows.orderBy("amount").repartition(3))]
    scores = [[row["score"] for row in add_score(model, train_rows).orderBy("id").collect()] for model in models]
    assert scores[0] == scores[1]


def test_a_feature_without_any_value_is_refused_where_the_algorithm_cannot_do_without(train_rows: DataFrame) -> None:
    empty = train_rows.selectExpr("*", "cast(null as double) as gone", "cast(null as string) as lost")
    with pytest.raises(GateRefusedError, match="feature 'gone' has no value in the training window"):
        fit(empty, "logistic_regression", features=("amount", "gone"))
    with pytest.raises(GateRefusedError, match="feature 'lost' has no value in the training window"):
        fit(empty, "xgboost", features=("amount", "lost"))


def test_a_category_with_too_many_values_is_an_input_error(spark: SparkSession) -> None:
    rows = spark.range(1_500).selectExpr("id", "cast(id as string) as name", "cast(id % 2 as int) as label")
    with pytest.raises(InputError, match="feature 'name' has about .* distinct values"):
        fit(rows, "xgboost", features=("name",))


def test_rows_that_lack_a_learned_column_are_an_input_error(train_rows: DataFrame) -> None:
    model = fit(train_rows, "xgboost", features=("amount", "night"))
    with pytest.raises(InputError, match="the model learned from 'night', which the rows do not have"):
        add_score(model, train_rows.drop("night"))


def test_metrics_counted_on_spark_equal_scikit_learns(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 3_000)
    scores = np.clip(np.round(0.3 + 0.3 * labels + rng.normal(0, 0.2, 3_000), 3), 0.0, 1.0)
    frame = spark.createDataFrame([(int(y), float(s)) for y, s in zip(labels, scores, strict=True)], "y int, s double")

    found = evaluate_counts(count_scores(frame, label="y", score="s", rows=3_000))
    assert found.rows == 3_000
    assert found.metrics["roc_auc"] == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
    assert found.metrics["log_loss"] == pytest.approx(log_loss(labels, np.clip(scores, 1e-15, 1 - 1e-15)), abs=1e-9)

    monkeypatch.setattr(evaluate, "EXACT_ROWS", 10)
    gridded = evaluate_counts(count_scores(frame, label="y", score="s", rows=3_000))
    assert gridded.metrics["roc_auc"] == pytest.approx(found.metrics["roc_auc"], abs=1e-5)


def test_a_sample_of_scores_is_bounded_paired_and_the_same_every_time(spark: SparkSession) -> None:
    rows = spark.range(500).selectExpr("id", "cast(id % 2 as int) as y", "id / 1000 as a", "1 - id / 1000 as b")
    call: dict[str, Any] = {"keys": ["id"], "label": "y", "champion": "a", "challenger": "b"}

    small = sample_scores(rows, **call, limit=100)
    again = sample_scores(rows.orderBy("b").repartition(4), **call, limit=100)
    whole = sample_scores(rows, **call)

    assert (small.labels.size, small.total, whole.labels.size) == (100, 500, 500)
    assert small.champion + small.challenger == pytest.approx(np.ones(100))
    assert (small.champion == again.champion).all()
    assert 15 < (small.labels == 1).sum() < 85
    with pytest.raises(InputError, match="Allowed: 1 to 50,000"):
        sample_scores(rows, **call, limit=60_000)


def test_errors_of_numbers_summed_on_spark_equal_scikit_learns_and_their_intervals_hold_the_truth(
    spark: SparkSession,
) -> None:
    rng = np.random.default_rng(0)
    labels = rng.gamma(2, 100, 4_000)
    predicted = labels + rng.laplace(0, 20, 4_000)
    pairs = [(float(y), float(p)) for y, p in zip(labels, predicted, strict=True)]
    frame = spark.createDataFrame(pairs, "y double, p double")
    constants = {"mean": 150.0, "last_period": 210.0}

    found = evaluate_numbers(frame, label="y", score="p", label_mean=float(labels.mean()), constants=constants)

    assert found.metrics["mae"] == pytest.approx(mean_absolute_error(labels, predicted))
    assert found.metrics["rmse"] == pytest.approx(root_mean_squared_error(labels, predicted))
    assert found.metrics["r2"] == pytest.approx(r2_score(labels, predicted))
    assert found.baseline["rmse"] == pytest.approx(root_mean_squared_error(labels, np.full(4_000, 150.0)))
    assert found.baseline["last_period_mae"] == pytest.approx(mean_absolute_error(labels, np.full(4_000, 210.0)))
    truth = {"mae": 20.0, "rmse": 20 * 2**0.5, "r2": 1 - 800 / 20_000}
    for name, (low, high) in found.intervals.items():
        assert low < truth[name] < high
    drawn = rng.integers(0, 4_000, (400, 4_000))
    resampled = [root_mean_squared_error(labels[rows], predicted[rows]) for rows in drawn]
    low, high = found.intervals["rmse"]
    assert high - low == pytest.approx(3.92 * np.std(resampled), rel=0.15)
    assert len(found.curves["calibration"].x) == 50


@pytest.mark.parametrize("algorithm", ALGORITHMS["regression"])
def test_a_regression_learns_numbers_from_missing_and_categorical_values(
    spark: SparkSession, train_rows: DataFrame, algorithm: str, tmp_path: Path
) -> None:
    from pyspark.ml import PipelineModel

    worth = "coalesce(nullif(amount, double('nan')), 0) * 10 + if(place = 'north', 50, 0) as label"
    rows = train_rows.where("amount is null or abs(amount) < 9").selectExpr("id", "amount", "night", "place", worth)
    model = fit(rows, algorithm, features=("amount", "night", "place"), kind="regression")
    model.write().save(str(tmp_path / "model"))

    scored = add_score(PipelineModel.load(str(tmp_path / "model")), rows).collect()

    assert scored[0].asDict().keys() == {"id", "amount", "night", "place", "label", "score"}
    assert r2_score([row["label"] for row in scored], [row["score"] for row in scored]) > 0.8

"""Contributions of features on Spark: they add up to the log-odds, and what is shuffled loses its weight."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from mesh_catalog.models.algorithms import add_score, fit_pipeline
from mesh_catalog.models.contributions import add_contributions, explain_rows
from mesh_catalog.monitoring.attribution import ndcg

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

FEATURES = ("weight", "noise", "kind")


def test_contributions_add_up_to_the_log_odds_and_tell_what_matters(spark: SparkSession) -> None:
    rng = np.random.default_rng(1)
    rows = pd.DataFrame({"id": range(600), "weight": rng.normal(size=600), "noise": rng.normal(size=600)})
    rows["kind"] = rng.choice(["a", "b", "c"], 600)
    odds = 2 * rows["weight"] + np.where(rows["kind"] == "a", 1.5, 0)
    rows["y"] = (rng.random(600) < 1 / (1 + np.exp(-odds))).astype(int)
    frame = spark.createDataFrame(rows)
    learnt: dict[str, dict[str, int]] = {"xgboost": {"n_estimators": 20, "max_depth": 3}, "logistic_regression": {}}
    for algorithm, parameters in learnt.items():
        pipeline = fit_pipeline(
            frame,
            algorithm=algorithm,
            parameters=parameters,
            features=FEATURES,
            label="y",
            keys=("id",),
            rows=600,
            seed=1,
        )
        scores = add_score(pipeline, frame).select("score").toArrow().column(0).to_numpy()
        parts = add_contributions(pipeline, frame).toArrow()
        assert parts.schema.names == [f"mesh_shap_{name}" for name in FEATURES]
        rest = np.log(scores / (1 - scores)) - sum(column.to_numpy() for column in parts.columns)
        assert rest.std() < 1e-4, algorithm  # what is left is one constant
        shifted = frame.drop("weight").withColumn("weight", frame["noise"] * 0)
        found = explain_rows(pipeline, frame, shifted, rows=10_000, seed=1)
        assert max(found.reference, key=found.reference.__getitem__) == "weight"
        assert found.rows == found.reference_rows == 600
        assert found.current["kind"] == pytest.approx(found.reference["kind"], rel=0.5)
        assert ndcg(found.reference, found.reference) == 1.0

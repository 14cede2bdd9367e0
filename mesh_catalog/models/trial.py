"""One candidate of a search, fitted and measured on the window before the newest; nothing is kept of it.

The newest test window is what the gate judges by, so a search may not look at it: it is left out, and the split moves
back by its length.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mesh_catalog.errors import GateRefusedError
from mesh_catalog.models.algorithms import add_score, fit_pipeline
from mesh_catalog.models.evaluate import count_scores, evaluate_counts
from mesh_catalog.models.frame import SCORE, SPLIT, build_frame
from mesh_catalog.models.regression import evaluate_numbers
from mesh_catalog.models.split import add_split, count_labels, newest_time, require_learnable, split_bounds

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from mesh_catalog.access.mesh import Mesh
    from mesh_catalog.specs import ModelSpec

__all__ = ["try_model"]


def try_model(spark: SparkSession, mesh: Mesh, model: ModelSpec) -> float:
    """The model's metric on the window before the newest test window.

    Raises:
        GateRefusedError: Too few rows, or rows of one class only.
        InputError: model.yaml and the data do not fit together.

    Cost: the frame twice, and a fit.
    """
    from pyspark.sql import functions as F

    frame = build_frame(spark, mesh, model)
    plan, time_column = frame.plan, frame.plan.event_time.name
    newest = newest_time(frame.rows, time_column)
    if newest is None:
        raise GateRefusedError(f"{model.name}: {plan.product} has no row with a label. Publish some first.")
    bounds = split_bounds(newest, model.split, until=split_bounds(newest, model.split).test_from)
    data = add_split(frame.data, bounds, event_time=time_column, column=SPLIT).persist()
    try:
        target = plan.target.name
        counts = count_labels(data, split=SPLIT, target=target, event_time=time_column, kind=model.kind)
        require_learnable(model.name, target, counts, kind=model.kind)
        pipeline = fit_pipeline(
            data.where(F.col(SPLIT) == "train"),
            algorithm=model.algorithm,
            parameters=model.parameters,
            features=[name for name in plan.features if name not in model.left_out],
            label=target,
            keys=(*plan.key_names, time_column),
            rows=counts["train"].rows,
            seed=model.seed,
            kind=model.kind,
        )
        scored = add_score(pipeline, data.where(F.col(SPLIT) == "test"), score=SCORE)
        if model.kind == "regression":
            mean = counts["test"].mean
            tested = evaluate_numbers(scored, label=target, score=SCORE, label_mean=mean, constants={"mean": mean})
        else:
            counted = count_scores(scored, label=target, score=SCORE, rows=counts["test"].rows)
            tested = evaluate_counts(counted, costs=model.costs)
        return tested.metrics[model.metric]
    finally:
        data.unpersist()

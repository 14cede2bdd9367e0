"""How much each feature contributes to the scores: mean |SHAP| over rows, computed by Spark where the rows are.

xgboost gives exact tree SHAP values of its own; of a logistic regression a feature's SHAP value is its coefficients
times what it differs from its mean. Both are on the scale of the log-odds; a category is one feature.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mesh_catalog.models.algorithms import features_of, learned_features

if TYPE_CHECKING:
    from pyspark.ml import PipelineModel
    from pyspark.sql import Column, DataFrame

__all__ = ["Explained", "add_contributions", "explain_rows"]

_PREFIX = "mesh_shap_"


@dataclass(frozen=True, kw_only=True)
class Explained:
    """Mean |SHAP| of each feature, on two sets of rows."""

    reference: Mapping[str, float]
    current: Mapping[str, float]
    reference_rows: int
    rows: int


def explain_rows(
    pipeline: PipelineModel, reference: DataFrame, current: DataFrame, *, rows: int, seed: int
) -> Explained:
    """Explain about `rows` rows of each side, drawn by `seed`.

    Args:
        pipeline: As `fit_pipeline` made it.
        reference: Rows with the columns that it learned from; what is usual is their mean.
        current: The same.

    Cost: two counts, and one job a side and one more for a logistic regression.
    """
    sides = [_sample(frame, rows, seed) for frame in (reference, current)]
    explained = [add_contributions(pipeline, frame) for frame in sides]
    names = learned_features(pipeline)
    usual = dict.fromkeys(names, 0.0)
    if "xgb" not in type(pipeline.stages[-1]).__name__.lower():
        usual = _aggregate(explained[0], names, absolute=False, usual=usual)[0]
    past, past_rows = _aggregate(explained[0], names, absolute=True, usual=usual)
    now, now_rows = _aggregate(explained[1], names, absolute=True, usual=usual)
    return Explained(reference=past, current=now, reference_rows=past_rows, rows=now_rows)


def add_contributions(pipeline: PipelineModel, rows: DataFrame) -> DataFrame:
    """Each feature's contribution to the log-odds as a double column `mesh_shap_<feature>`, and nothing else; lazy.

    Those of a logistic regression are not centred: a constant for each feature is left in.
    """
    from pyspark.ml import PipelineModel as Pipelines
    from pyspark.sql import functions as F

    names = learned_features(pipeline)
    last: Any = pipeline.stages[-1]
    if "xgb" in type(last).__name__.lower():
        explaining = last.copy()
        explaining.set(explaining.getParam("pred_contrib_col"), "mesh_contributions")
        made = Pipelines([*pipeline.stages[:-1], explaining]).transform(rows)
        parts = [F.col("mesh_contributions").getItem(place) for place in range(len(names))]
        return made.select(*(part.cast("double").alias(_PREFIX + n) for part, n in zip(parts, names, strict=True)))
    return _linear(pipeline, last, rows, names)


def _linear(pipeline: PipelineModel, last: Any, rows: DataFrame, names: tuple[str, ...]) -> DataFrame:
    from pyspark.ml.functions import vector_to_array
    from pyspark.sql import functions as F

    made = pipeline.transform(rows)
    weights = [float(value) for value in last.coefficients.toArray()]
    features = features_of(rows, names)
    numbers = [feature for feature in features if feature.kind == "number"]
    places = {feature.name: (place, place + 1) for place, feature in enumerate(numbers)}
    start = len(numbers)
    hot = [feature for feature in features if feature.kind == "category"]
    first = made.select(*(F.col(f"`{one.cast_name}_index_hot`") for one in hot)).first() if hot else None
    for place, feature in enumerate(hot):
        size = int(first[place].size) if first is not None else 0
        places[feature.name] = (start, start + size)
        start += size
    values = vector_to_array(F.col("__features"))

    def contribution(name: str) -> Column:
        begin, end = places[name]
        terms = [values.getItem(place) * F.lit(weights[place]) for place in range(begin, end)]
        return sum(terms, F.lit(0.0))

    return made.select(*(contribution(name).alias(_PREFIX + name) for name in names))


def _aggregate(
    explained: DataFrame, names: tuple[str, ...], *, absolute: bool, usual: Mapping[str, float]
) -> tuple[dict[str, float], int]:
    from pyspark.sql import functions as F

    columns = {name: F.col(f"`{_PREFIX}{name}`") - F.lit(usual[name]) for name in names}
    measured = [F.avg(F.abs(column) if absolute else column).alias(name) for name, column in columns.items()]
    found = explained.agg(F.count(F.lit(1)).alias("mesh_rows"), *measured).collect()[0]
    return {name: float(found[name] or 0.0) for name in names}, int(found["mesh_rows"])


def _sample(frame: DataFrame, rows: int, seed: int) -> DataFrame:
    total = frame.count()
    return frame if total <= rows else frame.sample(fraction=rows / total, seed=seed)

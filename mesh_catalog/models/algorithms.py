"""The algorithms a model may name, and how each becomes a Spark ML pipeline.

A pipeline takes the training frame as it lies in its table: its first stage casts every feature (booleans and decimals
to double, infinities to null), strings are indexed by frequency with a place for values never seen, and the last stage
adds `probability`. `add_score` turns that into the one column that everybody reads.

Parameters are a closed set with types and ranges, under the libraries' own names; anything else is an InputError.
"""

from __future__ import annotations

import importlib
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from mesh_catalog.contracts.types import is_numeric
from mesh_catalog.errors import GateRefusedError, InputError, listed, nearest
from mesh_catalog.specs import ModelKind

if TYPE_CHECKING:
    from pyspark.ml import Estimator, Pipeline, PipelineModel, Transformer
    from pyspark.sql import DataFrame

__all__ = [
    "CATEGORY_LIMIT",
    "PARAMETERS",
    "Feature",
    "Parameter",
    "add_score",
    "check_parameters",
    "feature_kind",
    "features_of",
    "fit_pipeline",
    "learned_features",
    "load_library",
]

CATEGORY_LIMIT = 1_000
"""Most distinct values of a string feature: the labels are kept on the driver and in the model."""
_ROWS_A_WORKER = 100_000
"""Rows that one xgboost worker takes before a second pays for itself; fewer workers make fewer different sums."""
_CAST = re.compile(r" as `__([^`]+)`")


@dataclass(frozen=True, kw_only=True)
class Parameter:
    kind: type[int | float]
    least: float
    most: float

    @property
    def text(self) -> str:
        return f"{'a whole number' if self.kind is int else 'a number'} from {self.least:g} to {self.most:g}"


_LINEAR: Mapping[str, Parameter] = {
    "reg_param": Parameter(kind=float, least=0, most=1e6),
    "elastic_net_param": Parameter(kind=float, least=0, most=1),
    "max_iter": Parameter(kind=int, least=1, most=10_000),
    "tol": Parameter(kind=float, least=1e-12, most=1),
}
PARAMETERS: Mapping[str, Mapping[str, Parameter]] = {
    "xgboost": {
        "n_estimators": Parameter(kind=int, least=1, most=10_000),
        "max_depth": Parameter(kind=int, least=1, most=32),
        "learning_rate": Parameter(kind=float, least=1e-6, most=1),
        "min_child_weight": Parameter(kind=float, least=0, most=1e6),
        "gamma": Parameter(kind=float, least=0, most=1e6),
        "subsample": Parameter(kind=float, least=0.01, most=1),
        "colsample_bytree": Parameter(kind=float, least=0.01, most=1),
        "reg_alpha": Parameter(kind=float, least=0, most=1e6),
        "reg_lambda": Parameter(kind=float, least=0, most=1e6),
        "scale_pos_weight": Parameter(kind=float, least=1e-6, most=1e6),
        "max_bin": Parameter(kind=int, least=2, most=4096),
    },
    "logistic_regression": _LINEAR,
    "linear_regression": _LINEAR,
}


@dataclass(frozen=True, kw_only=True)
class Feature:
    name: str
    kind: Literal["number", "category"]

    @property
    def cast_name(self) -> str:
        """The column that the pipeline's first stage makes of it."""
        return f"__{self.name}"


def check_parameters(algorithm: str, parameters: Mapping[str, Any]) -> dict[str, int | float]:
    """The parameters, each of its type.

    Raises:
        InputError: An unknown algorithm or parameter, or a value of the wrong type or outside its range.
    """
    known = PARAMETERS.get(algorithm)
    if known is None:
        raise InputError(f"algorithm '{algorithm}' is not known. Allowed: {listed(PARAMETERS)}.")
    found: dict[str, int | float] = {}
    for name, value in parameters.items():
        if name not in known:
            raise InputError(f"algorithm {algorithm}: '{name}' is not a parameter.{nearest(name, known)}")
        rule = known[name]
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not number or not rule.least <= value <= rule.most or (rule.kind is int and value != int(value)):
            raise InputError(f"algorithm {algorithm}: {name} is {str(value)[:40]!r}, but must be {rule.text}.")
        found[name] = rule.kind(value)
    return found


def feature_kind(name: str, spark_type: str) -> Literal["number", "category"]:
    """How a column of this Spark type is learned from.

    Raises:
        InputError: It cannot be: a date, a timestamp, or something nested.
    """
    base = spark_type.split("(")[0]
    if base == "boolean" or is_numeric(base):
        return "number"
    if base in ("string", "char", "varchar"):
        return "category"
    if base in ("date", "timestamp", "timestamp_ntz"):
        raise InputError(
            f"feature '{name}' is a {base}, which a model cannot learn from as it is. "
            "Take the hour, the weekday or the age out of it in the product's transform."
        )
    raise InputError(f"feature '{name}' is {base}. Allowed: numbers, booleans and strings.")


def features_of(frame: DataFrame, names: Sequence[str]) -> tuple[Feature, ...]:
    """The named columns of a frame as features, by its schema."""
    types = dict(frame.dtypes)
    return tuple(Feature(name=name, kind=feature_kind(name, types[name])) for name in names)


def fit_pipeline(
    train: DataFrame,
    *,
    algorithm: str,
    parameters: Mapping[str, Any],
    features: Sequence[str],
    label: str,
    keys: Sequence[str],
    rows: int,
    seed: int,
    kind: ModelKind = "binary",
) -> PipelineModel:
    """Fit the algorithm's pipeline.

    Args:
        train: Training rows; reads `features`, `label` (0 or 1, of a regression any number) and `keys`.
        keys: What names a row. Rows are laid out by a hash of these, so that the same data give the same model.
        rows: How many rows `train` has: decides over the number of xgboost workers.
        seed: Of the algorithm.
        kind: What is predicted: a probability or a number.

    Raises:
        InputError: A parameter or a feature cannot be used.
        GateRefusedError: A feature has no value in the whole window, where the algorithm cannot do without.

    Cost: one job for the layout (cached for the fit), one to count values where that is needed, then the algorithm's.
    """
    from pyspark.ml import Pipeline
    from pyspark.sql import functions as F

    checked = check_parameters(algorithm, parameters)
    found = features_of(train, features)
    if not found:
        raise InputError("the model has no feature left. Name at least one in model.yaml.")
    workers = max(1, min(_slots(train), -(-rows // _ROWS_A_WORKER)))
    order = [F.xxhash64(*(F.col(f"`{name}`") for name in (keys or features))), *(F.col(f"`{key}`") for key in keys)]
    laid_out = (
        train.select(*dict.fromkeys([*keys, *features, label]))
        .withColumn(label, F.col(f"`{label}`").cast("double"))
        .repartition(workers, order[0])
        .sortWithinPartitions(*order)
        .persist()
    )
    try:
        _require_usable(laid_out, found, algorithm=algorithm)
        tail = (
            _xgboost(checked, found, label=label, seed=seed, workers=workers, kind=kind)
            if algorithm == "xgboost"
            else _linear(checked, found, label=label, kind=kind)
        )
        pipeline: Pipeline = Pipeline(stages=[_casts(found), *_indexers(found), *tail])
        return pipeline.fit(laid_out)
    finally:
        laid_out.unpersist()


def add_score(model: PipelineModel, rows: DataFrame, *, score: str = "score") -> DataFrame:
    """The rows with their columns and the probability of 1, or the predicted number, as a double column; lazy.

    Raises:
        InputError: The rows lack a column that the model learned from.
    """
    for name in learned_features(model):
        if name not in rows.columns:
            raise InputError(
                f"the model learned from '{name}', which the rows do not have. "
                "Name it in model.yaml's features again, or train a new version."
            )
    from pyspark.ml.functions import vector_to_array
    from pyspark.sql import functions as F

    _quiet_xgboost()
    scored = model.transform(rows)
    found = vector_to_array(F.col("probability")).getItem(1) if _is_classifier(model) else F.col("prediction")
    return scored.select(
        *(F.col(f"`{column}`") for column in rows.columns),
        found.cast("double").alias(score),
    )


def load_library(algorithm: str) -> None:
    """Import what an algorithm needs: xgboost takes 6 s, which a caller may spend beside Spark's first jobs."""
    if algorithm == "xgboost":
        importlib.import_module("xgboost.spark")


def learned_features(model: PipelineModel) -> tuple[str, ...]:
    """The columns that a fitted pipeline reads, as its first stage casts them."""
    statement: str = model.stages[0].getStatement()  # type: ignore[attr-defined]
    return tuple(_CAST.findall(statement))


def _is_classifier(model: PipelineModel) -> bool:
    return model.stages[-1].hasParam("probabilityCol")


def _slots(frame: DataFrame) -> int:
    """Tasks that run at once here: barrier mode waits for ever for more."""
    context: Any = frame.sparkSession.sparkContext
    scala = context._jsc.sc()
    return int(scala.maxNumConcurrentTasks(scala.resourceProfileManager().defaultResourceProfile()))


def _require_usable(train: DataFrame, features: Sequence[Feature], *, algorithm: str) -> None:
    from pyspark.sql import functions as F

    categories = [feature.name for feature in features if feature.kind == "category"]
    # xgboost learns from missing values; the imputer needs one value to take the mean of.
    numbers = [f.name for f in features if f.kind == "number"] if algorithm != "xgboost" else []
    wanted = [F.approx_count_distinct(F.col(f"`{name}`")).alias(name) for name in categories]
    wanted += [F.count(F.nanvl(F.col(f"`{name}`").cast("double"), F.lit(None))).alias(name) for name in numbers]
    if not wanted:
        return
    found = train.agg(*wanted).collect()[0]
    for name in categories:
        if found[name] > CATEGORY_LIMIT:
            raise InputError(
                f"feature '{name}' has about {found[name]:,} distinct values; a category may have {CATEGORY_LIMIT:,}. "
                "Group its values in the product's transform, or leave it out."
            )
    for name in (*categories, *numbers):
        if not found[name]:
            raise GateRefusedError(
                f"feature '{name}' has no value in the training window. Leave it out, or take a longer window."
            )


def _casts(features: Sequence[Feature]) -> Transformer:
    from pyspark.ml.feature import SQLTransformer

    parts = []
    for feature in features:
        if feature.kind == "category":
            parts.append(f"cast(`{feature.name}` as string) as `{feature.cast_name}`")
            continue
        value = f"cast(`{feature.name}` as double)"
        parts.append(f"if(abs({value}) = double('infinity'), null, {value}) as `{feature.cast_name}`")
    # A contract's column names are letters, digits and _: no name can end the quotes.
    return SQLTransformer(statement=f"select *, {', '.join(parts)} from __THIS__")  # noqa: S608


def _indexers(features: Sequence[Feature]) -> list[Estimator[Any]]:
    from pyspark.ml.feature import StringIndexer

    names = [feature.cast_name for feature in features if feature.kind == "category"]
    if not names:
        return []
    return [StringIndexer(inputCols=names, outputCols=[f"{name}_index" for name in names], handleInvalid="keep")]


def _columns(features: Sequence[Feature]) -> list[str]:
    """What the algorithm reads: numbers as cast, categories as indexed; in the order of model.yaml."""
    return [f.cast_name if f.kind == "number" else f"{f.cast_name}_index" for f in features]


def _xgboost(
    parameters: Mapping[str, Any], features: Sequence[Feature], *, label: str, seed: int, workers: int, kind: ModelKind
) -> list[Estimator[Any]]:
    from xgboost.spark import SparkXGBClassifier, SparkXGBRegressor  # late: 6 s

    _quiet_xgboost()
    estimator: Any = SparkXGBClassifier if kind == "binary" else SparkXGBRegressor
    return [
        estimator(
            features_col=_columns(features),
            label_col=label,
            num_workers=workers,
            random_state=seed,
            tree_method="hist",
            verbose=False,
            **parameters,
        )
    ]


def _quiet_xgboost() -> None:
    """Unless a level is set, xgboost gives its loggers INFO and a handler on stderr; the workers take the driver's."""
    for name in ("XGBoost-PySpark", "SparkXGBClassifier", "SparkXGBRegressor", "XGBoostPySpark"):
        logging.getLogger(name).setLevel(logging.ERROR)


def _linear(
    parameters: Mapping[str, int | float], features: Sequence[Feature], *, label: str, kind: ModelKind
) -> list[Estimator[Any] | Transformer]:
    from pyspark.ml.classification import LogisticRegression
    from pyspark.ml.feature import Imputer, OneHotEncoder, StandardScaler, VectorAssembler
    from pyspark.ml.regression import LinearRegression

    numbers = [feature.cast_name for feature in features if feature.kind == "number"]
    indexed = [f"{feature.cast_name}_index" for feature in features if feature.kind == "category"]
    stages: list[Any] = []
    parts: list[str] = []
    if numbers:
        filled = [f"{name}_filled" for name in numbers]
        stages += [
            Imputer(inputCols=numbers, outputCols=filled, strategy="mean"),
            VectorAssembler(inputCols=filled, outputCol="__numbers"),
            StandardScaler(inputCol="__numbers", outputCol="__scaled", withMean=True, withStd=True),
        ]
        parts.append("__scaled")
    if indexed:
        hot = [f"{name}_hot" for name in indexed]
        stages.append(OneHotEncoder(inputCols=indexed, outputCols=hot, handleInvalid="keep"))
        parts += hot
    estimator: Any = LogisticRegression if kind == "binary" else LinearRegression
    regression = estimator(
        featuresCol="__features",
        labelCol=label,
        standardization=False,  # done above, so that the penalty means the same for every column
        regParam=float(parameters.get("reg_param", 0.01)),
        elasticNetParam=float(parameters.get("elastic_net_param", 0.0)),
        maxIter=int(parameters.get("max_iter", 100)),
        tol=float(parameters.get("tol", 1e-6)),
    )
    return [*stages, VectorAssembler(inputCols=parts, outputCol="__features"), regression]

"""A domain's transform: build.sql or build.py, run over the frames of its inputs.

The one boundary that runs a domain's code: what it raises becomes a `TransformError` with the product's address.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

from mesh_catalog.errors import MeshError, TransformError
from mesh_catalog.lake.messages import describe_error
from mesh_catalog.workspace import SOURCE

if TYPE_CHECKING:
    from types import ModuleType

    from pyspark.sql import DataFrame, SparkSession

    from mesh_catalog.specs import ProductSpec

__all__ = ["build", "run_query", "run_transform"]

Function = TypeVar("Function", bound=Callable[..., Any])
_READS = "__mesh_reads__"


def build(*, reads: Sequence[str]) -> Callable[[Function], Function]:
    """Mark the one function of a build.py that makes the product.

    Args:
        reads: The products it reads, `domain.product`, or `source` for the product's own source.yaml; the function is
            given one Spark DataFrame for each, in this order, and returns the product's rows in the contract's columns.
    """

    def mark(function: Function) -> Function:
        setattr(function, _READS, tuple(reads))
        return function

    return mark


def run_transform(
    spark: SparkSession, product: ProductSpec, frames: Mapping[str, DataFrame], *, quote: bool
) -> DataFrame:
    """The product's rows as a lazy frame: of its transform, or of its source where it has none.

    Args:
        frames: A frame for every input, by the name the transform reads it under.
        quote: Whether an exception's own text may be shown: only where no input holds personal data.

    Raises:
        TransformError: The domain's code raised, or did not return a DataFrame.
    """
    path = product.build
    if path is None:
        return frames[SOURCE]
    run = _run_sql if path.suffix == ".sql" else _run_python
    try:
        frame = run(spark, path, frames)
    except MeshError:
        raise
    except Exception as error:  # a domain's code may raise anything
        told = describe_error(error, folder=path.parent, quote=quote)
        raise TransformError(
            f"{path.name} failed: {told}. Correct it and publish again.", product=product.name
        ) from error
    if not hasattr(frame, "sparkSession"):
        raise TransformError(
            f"{path.name} returned {type(frame).__name__}, not a Spark DataFrame. Return one.", product=product.name
        )
    return frame


def _run_sql(spark: SparkSession, path: Path, frames: Mapping[str, DataFrame]) -> DataFrame:
    return run_query(spark, path.read_text(encoding="utf-8"), frames)


def run_query(spark: SparkSession, sql: str, frames: Mapping[str, DataFrame]) -> DataFrame:
    """The rows of a query whose inputs are these frames, by the names the query reads them under; no job runs."""
    views = {name: f"mesh_{uuid4().hex}" for name in frames}
    for name, frame in frames.items():
        frame.createTempView(views[name])
    try:
        return spark.sql(_with_views(sql, views))
    finally:  # the plan is resolved; the names are no longer needed
        for view in views.values():
            spark.catalog.dropTempView(view)


def _with_views(sql: str, views: Mapping[str, str]) -> str:
    """The text with each input's name replaced, and nothing else touched, by the view that holds its frame."""
    import sqlglot
    from sqlglot import exp

    tree = sqlglot.parse_one(sql.rstrip().rstrip(";"), dialect="spark")
    expressions = {cte.alias for cte in tree.find_all(exp.CTE)}
    spans: list[tuple[int, int, str]] = []
    for table in tree.find_all(exp.Table):
        name = ".".join(part.name for part in table.parts)
        if name in views and name not in expressions:
            alias = "" if table.alias else f" as `{table.name}`"
            spans.append((table.parts[0].meta["start"], table.parts[-1].meta["end"], f"{views[name]}{alias}"))
    for start, end, text in sorted(spans, reverse=True):
        sql = sql[:start] + text + sql[end + 1 :]
    return sql.rstrip().rstrip(";")


def _run_python(_spark: SparkSession, path: Path, frames: Mapping[str, DataFrame]) -> Any:
    import pyspark

    pickling: Any = pyspark.cloudpickle
    module = _load_module(path)
    functions = [value for value in vars(module).values() if hasattr(value, _READS)]
    if len(functions) != 1:
        raise ValueError(f"has {len(functions)} functions marked @build; it must have one")
    pickling.register_pickle_by_value(module)  # Spark's workers cannot import a file by its path
    try:
        return functions[0](*(frames[name] for name in getattr(functions[0], _READS)))
    finally:
        pickling.unregister_pickle_by_value(module)


def _load_module(path: Path) -> ModuleType:
    name = f"mesh_build_{uuid4().hex}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ValueError("cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module

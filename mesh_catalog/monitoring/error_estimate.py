"""A regression's error without labels: DLE, direct loss estimation.

A second model learns, on the champion's earlier rows whose labels have come, how large the champion's error is for
given features and prediction. Its mean over the window estimates the error there. It sees no concept drift, and rows
unlike all earlier ones get the error of the nearest that it knows.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mesh_catalog.catalog.verdicts import Measure
from mesh_catalog.lake.arrow import quoted
from mesh_catalog.monitoring.estimate import learned_from
from mesh_catalog.monitoring.finding import Finding, Monitor, not_run
from mesh_catalog.monitoring.intervals import error_intervals
from mesh_catalog.monitoring.metrics import judge_metrics, model_of
from mesh_catalog.monitoring.rows import LABEL, Rows, labelled_rows, scored_rows

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from mesh_catalog.monitoring.window import Window

    Floats = NDArray[np.float64]

__all__ = ["ESTIMATED_ERROR", "LIMITS", "ErrorModel", "judge_error"]

LIMITS = "estimated; sees no concept drift, and needs earlier rows like these"
_LEAST_ROWS = 300
_MOST_ROWS = 100_000
_CATEGORIES = 200


class ErrorModel:
    """How large |error| and its square are expected to be at given features and a given prediction."""

    def __init__(self, features: Mapping[str, NDArray[Any]], scores: Floats, labels: Floats, *, seed: int = 0) -> None:
        """Learn from rows with labels; features are numbers (NaN: missing) or texts (None: missing)."""
        from sklearn.ensemble import HistGradientBoostingRegressor  # late: weight

        self._codes = {name: _codes(values) for name, values in features.items() if values.dtype == object}
        known = self._matrix(features, scores)
        error = np.abs(scores - labels)
        self._models = [
            HistGradientBoostingRegressor(random_state=seed, early_stopping=False).fit(known, target)
            for target in (error, error**2)
        ]

    def expected(self, features: Mapping[str, NDArray[Any]], scores: Floats) -> tuple[Floats, Floats]:
        """|error| and error² of each row, never negative."""
        known = self._matrix(features, scores)
        absolute, square = (np.maximum(model.predict(known), 0.0) for model in self._models)
        return absolute, square

    def _matrix(self, features: Mapping[str, NDArray[Any]], scores: Floats) -> Floats:
        columns = [scores]
        for name, values in features.items():
            codes = self._codes.get(name)
            columns.append(
                values.astype(np.float64)
                if codes is None
                else np.array([codes.get(value, np.nan) for value in values], dtype=np.float64)
            )
        return np.column_stack(columns)


def judge_error(window: Window) -> Finding:
    """Expected mae, rmse and mse of the window.

    Raises:
        StorageError: A table cannot be read.
    """
    model = model_of(window)
    if window.baseline is None or window.labels is None:
        return not_run("the champion scored nothing before this window to learn its errors from")
    names = _features(window)
    rows = labelled_rows(window, ["score", *names], part=window.baseline)
    past = _sampled(rows, names, total=window.baseline.rows, seed=model.seed)
    if len(past["score"]) < _LEAST_ROWS:
        return not_run(
            f"{len(past['score']):,} earlier labels have come, {_LEAST_ROWS} are needed to estimate an error"
        )
    learned = ErrorModel({name: past[name] for name in names}, past["score"], past[LABEL], seed=model.seed)
    sums, count = np.zeros(3), 0
    for batch in _batches(scored_rows(window, ["score", *names]), names, label=None):
        absolute, square = learned.expected({name: batch[name] for name in names}, batch["score"])
        sums += [absolute.sum(), square.sum(), (square**2).sum()]
        count += len(absolute)
    if not count:
        return not_run("the window has no row of the champion's")
    mae, mse, fourth = (float(total) / count for total in sums)
    values = {"mae": mae, "rmse": math.sqrt(mse), "mse": mse}
    intervals = error_intervals(mae=mae, mse=mse, fourth=fourth, rows=count)
    learning = Measure(method="rows learned from", score=float(len(past["score"])), outcome="pass")
    return judge_metrics(window, window.spec.estimate, values, intervals, beside=learning, note=f" ({LIMITS})")


def _features(window: Window) -> list[str]:
    from mesh_catalog.models.frame import plan_frame

    assert window.model is not None
    return list(plan_frame(window.mesh, window.model).features)


def _sampled(rows: Rows, names: Sequence[str], *, total: int, seed: int) -> dict[str, NDArray[Any]]:
    """Labelled rows, about _MOST_ROWS of them, drawn by their order and `seed`."""
    rng, share = np.random.default_rng(seed), min(1.0, _MOST_ROWS / max(total, 1))
    parts: dict[str, list[NDArray[Any]]] = {name: [] for name in ("score", LABEL, *names)}
    for batch in _batches(rows, names, label=LABEL):
        kept = rng.random(len(batch["score"])) < share
        for name, values in batch.items():
            parts[name].append(values[kept])
    return {name: np.concatenate(values) if values else np.zeros(0) for name, values in parts.items()}


def _batches(rows: Rows, names: Sequence[str], *, label: str | None) -> Iterator[dict[str, NDArray[Any]]]:
    shown = [quoted(name) for name in names] + ([label] if label else [])
    rest = f"where score is not null{f' and {label} is not null' if label else ''} order by score"
    for batch in rows.batches(f"cast(score as double) as score, {', '.join(shown)}", rest=rest):
        yield {name: _array(batch.column(name)) for name in batch.schema.names}


def _array(column: pa.Array) -> NDArray[Any]:
    import pyarrow as pa

    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return np.array(column.to_pylist(), dtype=object)
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.int8())
    return np.asarray(column.cast(pa.float64()).to_numpy(zero_copy_only=False), dtype=np.float64)


def _codes(values: NDArray[Any]) -> dict[Any, int]:
    """Frequent texts as numbers; what is rare or new is missing."""
    found: dict[Any, int] = {}
    for value in values:
        if value is not None:
            found[value] = found.get(value, 0) + 1
    frequent = sorted(found, key=lambda value: (-found[value], str(value)))[:_CATEGORIES]
    return {value: place for place, value in enumerate(frequent)}


ESTIMATED_ERROR = Monitor(
    kind="estimated_performance",
    title="estimated error",
    applies=lambda window: window.model is not None and window.model.kind == "regression",
    reference=learned_from,
    judge=judge_error,
)

"""Performance with late labels: the window's scores against the labels that have come by now.

The label of a row is what the target's product holds for its primary key. How many are still missing is said; where too
few have come, nothing is judged yet. Metrics are held against limits; where the section says `by: losses`, what the
rows lost is tested against what was lost before, in place of the limit on the model's own metric.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from mesh_catalog.catalog.verdicts import Measure
from mesh_catalog.errors import InputError
from mesh_catalog.monitoring.degradation import Losses
from mesh_catalog.monitoring.finding import Finding, Monitor, not_run
from mesh_catalog.monitoring.intervals import error_intervals, wilson
from mesh_catalog.monitoring.late import COVERAGE
from mesh_catalog.monitoring.losses import (
    counted_losses,
    judge_against_before,
    judged_by_losses,
    pin_losses,
    reference_names,
)
from mesh_catalog.monitoring.metrics import judge_metrics, measured, model_of, read_scores, score_counts
from mesh_catalog.monitoring.rows import LABEL, labelled_rows
from mesh_catalog.monitoring.window import losses_text

if TYPE_CHECKING:
    import pyarrow as pa

    from mesh_catalog.monitoring.rows import Rows
    from mesh_catalog.monitoring.window import Window
    from mesh_catalog.specs import ModelSpec

__all__ = ["PERFORMANCE", "judge_performance"]


def judge_performance(window: Window) -> Finding:
    """Metrics of the rows whose labels have come.

    Raises:
        StorageError: A table cannot be read.
    """
    model = model_of(window)
    try:
        rows = labelled_rows(window, ["score"])
    except InputError as error:
        return not_run(f"{error}")
    if model.kind == "regression":
        return _regression(window, rows)
    table = read_scores(rows, LABEL, rows_about=window.current.rows)
    return _binary(window, model, table)


def _binary(window: Window, model: ModelSpec, table: pa.Table) -> Finding:
    scores, labels, rows = (np.asarray(table.column(name).to_numpy(), dtype=float) for name in ("s", "y", "n"))
    known = np.isin(labels, (0.0, 1.0)) & np.isfinite(scores)
    came, total = int(rows[known].sum()), int(rows.sum())
    coverage = _coverage(window, came, total, strange=int(rows[~known & np.isfinite(labels)].sum()))
    if coverage.outcome == "not_run":
        return not_run(coverage.reason or "", [coverage])
    ones = labels[known] == 1
    counts = score_counts(scores[known], rows[known] * ones, rows[known] * ~ones)
    if not counts.positives.sum() or not counts.negatives.sum():
        return not_run(
            f"the {came:,} labels that came are all {int(ones.any())}: nothing can be told apart", [coverage]
        )
    losses = counted_losses(counts, model.metric) if judged_by_losses(window) else None
    return _judged(window, *measured(counts, model), coverage, losses)


def _regression(window: Window, rows: Rows) -> Finding:
    error = f"(cast(score as double) - {LABEL})"
    sums = rows.select(
        f"count(*) as n, count({LABEL}) as came, sum({error} * {error}) as squares, "
        f"sum({error} * {error} * {error} * {error}) as fourths, sum(abs({error})) as off, "
        f"sum({LABEL}) as y, sum({LABEL} * {LABEL}) as yy"
    ).to_pylist()[0]
    came, total = int(sums["came"]), int(sums["n"])
    coverage = _coverage(window, came, total, strange=0)
    if coverage.outcome == "not_run":
        return not_run(coverage.reason or "", [coverage])
    mse, mae = sums["squares"] / came, sums["off"] / came
    spread = sums["yy"] / came - (sums["y"] / came) ** 2
    values = {"rmse": mse**0.5, "mae": mae, "mse": mse}
    intervals = error_intervals(mae=mae, mse=mse, fourth=sums["fourths"] / came, rows=came)
    if spread > 0:
        low, high = intervals["mse"]
        values["r2"] = 1 - mse / spread
        intervals["r2"] = (1 - high / spread, 1 - low / spread)
    losses = Losses(rows=came, mean=mae, variance=max(mse - mae * mae, 0.0)) if judged_by_losses(window) else None
    return _judged(window, values, intervals, coverage, losses)


def _judged(
    window: Window,
    values: dict[str, float],
    intervals: dict[str, tuple[float, float]],
    coverage: Measure,
    losses: Losses | None,
) -> Finding:
    missing, rows = coverage.details["missing"], coverage.details["rows"]
    note = f"; {missing:,} of {rows:,} labels are still missing" if missing else ""
    spec = window.spec.performance
    found = judge_metrics(window, spec, values, intervals, beside=coverage, note=note, by_test=losses is None)
    if losses is None:
        return found
    against = judge_against_before(window, losses)
    decides = against.outcome == "fail" or (found.outcome == "pass" and against.outcome == "not_run")
    return replace(
        found,
        outcome=against.outcome if decides else found.outcome,
        reason=f"{against.reason}; {found.reason}",
        measures=(*found.measures, against),
    )


def _coverage(window: Window, came: int, total: int, *, strange: int) -> Measure:
    """How many labels have come, and whether that is enough."""
    spec = window.spec.performance
    share = came / total if total else None
    low, high = wilson(came, total)
    details = {"rows": total, "labels": came, "missing": total - came - strange, "neither_0_nor_1": strange}
    reason = None
    if not total:
        reason = "the window has no row of the champion's"
    elif came < spec.labels_rows or came < spec.labels_share * total:
        wanted = max(spec.labels_rows, int(np.ceil(spec.labels_share * total)))
        reason = f"{came:,} of {total:,} labels have come, {wanted:,} are needed"
    return Measure(
        method=COVERAGE,
        score=share,
        threshold=spec.labels_share,
        low=low,
        high=high,
        outcome="not_run" if reason else "pass",
        reason=reason,
        details=details,
    )


def _pins(window: Window) -> tuple[str | None, ...]:
    against = losses_text(reference_names(window)) if judged_by_losses(window) else None
    return window.training, window.labels_text, against


PERFORMANCE = Monitor(
    kind="performance",
    title="performance",
    applies=lambda window: window.model is not None,
    reference=_pins,
    pin=pin_losses,
    judge=judge_performance,
    labelled=True,
)

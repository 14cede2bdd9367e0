"""Drift of a window: of a model's features against what its champion learned from, of its scores, of a product's rows.

From stored profiles; a slice's rows are counted instead. The verdict on a whole window is what the tests of Evidently's
report say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from mesh_catalog.catalog.inventory import read_version_columns
from mesh_catalog.errors import StorageError
from mesh_catalog.lake.arrow import quoted
from mesh_catalog.lake.profile import ColumnProfile, Profile
from mesh_catalog.lake.statistics import Counts
from mesh_catalog.models.frame import MODEL_VERSION, SCORE, SPLIT, plan_frame
from mesh_catalog.monitoring.datasets import ProductSide, open_product
from mesh_catalog.monitoring.drift import Comparison, DriftResult, Side, compare_sides
from mesh_catalog.monitoring.files import profile_counts
from mesh_catalog.monitoring.finding import Finding, Monitor, not_run
from mesh_catalog.monitoring.rows import Rows, rows_of
from mesh_catalog.monitoring.window import Part, own_names

if TYPE_CHECKING:
    from pathlib import Path

    from mesh_catalog.lake.profile import Kind
    from mesh_catalog.monitoring.report import ReportFiles
    from mesh_catalog.monitoring.window import Window
    from mesh_catalog.specs import DriftSpec

__all__ = ["DATA_DRIFT", "PREDICTION_DRIFT", "SlicedSide", "judge_drift", "judge_prediction_drift"]


@dataclass(frozen=True, kw_only=True)
class SlicedSide:
    """The rows of a slice: each column is counted when it is asked for, and forgotten."""

    selected: Rows
    profile: Profile
    """Of all the rows: which columns there are, of which kind, and which are withheld."""
    names: tuple[str, ...]
    concurrent: bool = False

    @cached_property
    def rows(self) -> int:
        return int(self.selected.select("count(*) as n").column("n")[0].as_py())

    def column(self, name: str) -> ColumnProfile:
        known = self.profile.columns[name]
        if known.withheld or known.kind in ("datetime", "other"):
            return replace(known, count=self.rows, null_count=0)
        found = self.counts(name)
        counts = Counts.of(found)
        nulls = found.get(None, 0)
        other = sum(found.values()) - nulls - counts.total
        return profile_counts(counts, kind=known.kind, rows=self.rows, nulls=nulls, infinities=other)

    def counts(self, name: str) -> dict[Any, int]:
        kind: Kind = self.profile.columns[name].kind
        value = f"cast({quoted(name)} as double)" if kind == "float" else quoted(name)
        table = self.selected.select(f"{value} as v, count(*) as n", rest="group by 1")
        found: dict[Any, int] = {}
        for shown, number in zip(table.column("v").to_pylist(), table.column("n").to_pylist(), strict=True):
            clean = shown if shown is None or not isinstance(shown, float) or np.isfinite(shown) else float("inf")
            found[clean] = found.get(clean, 0) + number
        return found

    def values(self, name: str) -> None:
        """Rows are not at hand, their counts are."""
        return


def judge_drift(window: Window) -> Finding:
    """Drift of a model's features, or of all columns of a product.

    Raises:
        StorageError: A profile, a table or the report cannot be read.
    """
    if window.model is None:
        if window.baseline is None:
            return not_run("nothing was published before this window to compare it with")
        columns = _compared_columns(window)
        return _compared(window, _side(window, window.baseline, columns), columns)
    columns = _features(window)
    number = window.champion.training_version if window.champion else None
    if window.slice.column == SCORE:
        return not_run("the training rows have no score, so none of them are like these")
    reference = open_product(window.mesh, window.model.training_name, version=number, columns=columns)
    return _compared(window, _narrowed(window, reference, columns), columns)


def judge_prediction_drift(window: Window) -> Finding:
    """Drift of the scores, against those that the champion gave first.

    Raises:
        StorageError: A profile, a table or the report cannot be read.
    """
    if window.baseline is None:
        number = window.champion.version if window.champion else 0
        return not_run(f"v{number} scored nothing before this window to compare its scores with")
    return _compared(window, _side(window, window.baseline, [SCORE]), [SCORE])


def _compared(window: Window, reference: Side, columns: Sequence[str]) -> Finding:
    current = _side(window, window.current, columns)
    for side, name in ((current, "the window"), (reference, "the reference")):
        if not side.rows:
            return not_run(f"no row in {name}" + (f" where {window.slice}" if window.slice.column else ""))
    comparison = compare_sides(
        reference, current, columns=columns, limit=window.spec.drift_share, spec=_spec(window, columns)
    )
    result = comparison.result
    return Finding(
        outcome=result.outcome,
        reason=result.sentence,
        measures=tuple(column.measure for column in result.columns),
        share=result.share,
        limit=result.limit,
        reference_digest=_digest(reference),
        current_digest=_digest(current),
        write=partial(_write, comparison),
    )


def _spec(window: Window, columns: Sequence[str]) -> DriftSpec:
    """The section's methods, as far as they are of these columns: the score has none of a feature's."""
    spec = window.spec.drift
    return (
        spec if SCORE not in columns else replace(spec, columns={n: c for n, c in spec.columns.items() if n == SCORE})
    )


def _digest(side: Side) -> str | None:
    return side.profile.digest if isinstance(side, ProductSide) else None


def _side(window: Window, part: Part, columns: Sequence[str]) -> Side:
    found = open_product(window.mesh, part.product, version=part.last, first=part.first, columns=columns)
    if window.slice.column is None:
        return found
    return SlicedSide(selected=rows_of(window, columns, part=part), profile=found.profile, names=found.names)


def _narrowed(window: Window, reference: ProductSide, columns: Sequence[str]) -> Side:
    """The training rows, of the slice where there is one: like is compared with like.

    Of what one version scored, all that it learned from.
    """
    if window.slice.column in (None, MODEL_VERSION):
        return reference
    version = reference.ticket.version
    part = Part(product=reference.ticket.product, first=version, last=version, whole=True)
    return SlicedSide(selected=rows_of(window, columns, part=part), profile=reference.profile, names=reference.names)


def _features(window: Window) -> list[str]:
    """The columns that the champion learned from: those of its training data but keys, time, target and split."""
    model, champion = window.model, window.champion
    if model is None or champion is None or champion.training_version is None:
        return []
    plan = plan_frame(window.mesh, model)
    others = {*plan.key_names, *plan.entity, plan.event_time.name, plan.target.name, SPLIT}
    columns = read_version_columns(window.mesh.catalog, model.training_name, champion.training_version)
    return [column.name for column in columns if column.name not in others]


def _compared_columns(window: Window) -> list[str]:
    """A product's columns but keys and event time, which are new in every batch."""
    columns = read_version_columns(window.mesh.catalog, window.current.product, window.current.last)
    own = own_names(window, columns)
    return [column.name for column in columns if column.name not in own]


def _write(comparison: Comparison, folder: Path, name: str, title: str) -> ReportFiles:
    """Write the report, and see that its tests say what the numbers say."""
    from mesh_catalog.monitoring.report import read_report, write_report

    result = comparison.result
    files = write_report(result, comparison.reference, comparison.current, folder=folder, name=name, title=title)
    said = read_report(files.json)
    columns = tuple(
        replace(column, drifted=said.columns[column.column]) if column.reason is None else column
        for column in result.columns
    )
    if DriftResult(drifted=said.drifted, share=said.share, limit=said.limit, columns=columns) != result:
        raise StorageError(f"{files.json}: its tests contradict the numbers. Is another Evidently installed?")
    return files


DATA_DRIFT = Monitor(
    kind="data_drift",
    title="data drift",
    applies=lambda _window: True,
    reference=lambda window: (window.training or window.baseline_text,),
    judge=judge_drift,
)
PREDICTION_DRIFT = Monitor(
    kind="prediction_drift",
    title="prediction drift",
    applies=lambda window: window.model is not None,
    reference=lambda window: (window.baseline_text,),
    judge=judge_prediction_drift,
)

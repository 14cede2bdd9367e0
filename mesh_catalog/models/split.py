"""The split by time: train | gap | test, the test window newest.

All windows are half open, in UTC: a row belongs to the window from its first moment to before its end. Nothing here
reads the target but `count_labels`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal

from mesh_catalog.errors import GateRefusedError, InputError
from mesh_catalog.specs import ModelKind, SplitSpec

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = [
    "LEAST_ROWS",
    "LabelCounts",
    "Part",
    "SplitBounds",
    "add_split",
    "count_labels",
    "newest_time",
    "require_learnable",
    "split_bounds",
]

LEAST_ROWS = 20
"""Fewest rows of a training window, and of a test window."""
Part = Literal["train", "test"]
_OTHERS: Mapping[ModelKind, str] = {"binary": "neither 0 nor 1", "regression": "not a finite number"}
_MOMENT = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class SplitBounds:
    """train_from (None: the beginning) ≤ train < train_to ≤ gap < test_from ≤ test < test_to."""

    train_from: datetime | None
    train_to: datetime
    test_from: datetime
    test_to: datetime


@dataclass(frozen=True, kw_only=True)
class LabelCounts:
    """Rows of one part of a split."""

    rows: int
    others: int
    """Rows whose label is neither 0 nor 1; of a number: not finite."""
    mean: float
    """Of the other labels, as `least` and `most`: of a binary label the share of 1."""
    least: float
    most: float
    first_at: datetime
    last_at: datetime


def newest_time(rows: DataFrame, event_time: str) -> datetime | None:
    """The newest event time; None where there is no row. Cost: one job over one column."""
    from pyspark.sql import functions as F

    micros = rows.agg(F.unix_micros(F.max(F.col(f"`{event_time}`").cast("timestamp")))).collect()[0][0]
    return None if micros is None else _from_micros(micros)


def split_bounds(newest: datetime, split: SplitSpec, *, until: datetime | None = None) -> SplitBounds:
    """The windows of a split whose data end at `newest`, or before `until` where that is earlier."""
    end = newest + _MOMENT
    if until is not None:
        end = min(end, until if until.tzinfo else until.replace(tzinfo=UTC))
    test_from = end - split.test
    train_to = test_from - split.gap
    train_from = split.since if split.train is None else train_to - split.train
    return SplitBounds(train_from=train_from, train_to=train_to, test_from=test_from, test_to=end)


def add_split(rows: DataFrame, bounds: SplitBounds, *, event_time: str, column: str) -> DataFrame:
    """The rows of the training and the test window, with `column` 'train' or 'test'; lazy, no shuffle."""
    from pyspark.sql import functions as F

    moment = F.col(f"`{event_time}`").cast("timestamp")
    train = moment < F.lit(bounds.train_to)
    if bounds.train_from is not None:
        train = train & (moment >= F.lit(bounds.train_from))
    test = (moment >= F.lit(bounds.test_from)) & (moment < F.lit(bounds.test_to))
    return rows.withColumn(column, F.when(test, "test").when(train, "train")).where(F.col(f"`{column}`").isNotNull())


def count_labels(
    rows: DataFrame, *, split: str, target: str, event_time: str, kind: ModelKind
) -> dict[Part, LabelCounts]:
    """Labels and times of each part that has a row. Cost: one job over three columns."""
    from pyspark.sql import functions as F

    label, moment = F.col(f"`{target}`").cast("double"), F.unix_micros(F.col(f"`{event_time}`").cast("timestamp"))
    known = label.isin(0.0, 1.0) if kind == "binary" else F.abs(label) < float("inf")
    value = F.when(known, label)
    found = (
        rows.groupBy(F.col(f"`{split}`").alias("part"))
        .agg(
            F.count("*").alias("rows"),
            F.count_if(~known).alias("others"),
            F.avg(value).alias("mean"),
            F.min(value).alias("least"),
            F.max(value).alias("most"),
            F.min(moment).alias("first"),
            F.max(moment).alias("last"),
        )
        .collect()
    )
    return {
        row["part"]: LabelCounts(
            rows=row["rows"],
            others=row["others"],
            mean=row["mean"] or 0.0,
            least=row["least"] or 0.0,
            most=row["most"] or 0.0,
            first_at=_from_micros(row["first"]),
            last_at=_from_micros(row["last"]),
        )
        for row in found
    }


def require_learnable(model: str, target: str, counts: Mapping[Part, LabelCounts], *, kind: ModelKind) -> None:
    """Raise where nothing could be learned or measured.

    Raises:
        InputError: Labels other than 0 and 1, or numbers that are not finite.
        GateRefusedError: Too few rows in a window, or rows of one label only.
    """
    others = sum(part.others for part in counts.values())
    if others:
        raise InputError(
            f"{model}: the target '{target}' is {_OTHERS[kind]} in {others:,} rows. "
            "Make it so in the product's transform."
        )
    parts: tuple[Part, ...] = ("train", "test")
    for name in parts:
        part = counts.get(name)
        rows = part.rows if part else 0
        if part is None or rows < LEAST_ROWS:
            raise GateRefusedError(
                f"{model}: the {name} window has {rows} labelled rows; at least {LEAST_ROWS} are needed. "
                "Publish more data, or change `split` in model.yaml."
            )
        if part.least == part.most:
            only = f"{target} = {part.most:g}" if kind == "binary" else f"the same {target}"
            raise GateRefusedError(
                f"{model}: all {rows:,} rows of the {name} window have {only}, so nothing can be "
                f"{'learned' if name == 'train' else 'measured'}. Publish more data, or change `split` in model.yaml."
            )


def _from_micros(micros: int) -> datetime:
    return _EPOCH + timedelta(microseconds=micros)

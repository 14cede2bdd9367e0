"""Rows of an interval of event time."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from mesh_catalog.specs import Interval

__all__ = ["within"]


def within(
    frame: DataFrame,
    column: str | None,
    interval: Interval,
    *,
    lookback: timedelta = timedelta(0),
    keep_null: bool = False,
) -> DataFrame:
    """The rows whose event time is from `interval.start - lookback` up to, and without, `interval.end`.

    A date counts as its midnight, UTC. A frame that has no such column of dates or timestamps is returned as it is.

    Args:
        column: The event time.
        keep_null: Keep rows without one, for the audit to judge.

    Cost: lazy; the filter is on the plain column, so that Delta skips files by it.
    """
    from pyspark.sql import functions as F

    kind = dict(frame.dtypes).get(column) if column else None
    if column is None or kind not in ("date", "timestamp"):
        return frame
    start, end = interval.start - lookback, interval.end
    first, last = (_first_midnight(start), _first_midnight(end)) if kind == "date" else (start, end)
    time = F.col(f"`{column}`")
    inside = (time >= F.lit(first)) & (time < F.lit(last))
    return frame.filter(inside | time.isNull()) if keep_null else frame.filter(inside)


def _first_midnight(time: datetime) -> date:
    """The day of the first midnight, UTC, that is not before a time."""
    day = time.astimezone(UTC)
    return day.date() if day.time() == datetime.min.time() else day.date() + timedelta(days=1)

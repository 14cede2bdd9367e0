"""Rows of an interval of event time, and the intervals that rows lie in."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final

from mesh_catalog.contracts.spark_names import spark_name
from mesh_catalog.errors import InputError
from mesh_catalog.specs import Interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyspark.sql import DataFrame

    from mesh_catalog.contracts.contract import Contract

__all__ = ["covered_intervals", "interval_condition", "within"]

_UNIT_SECONDS: Final = {"1h": 3_600, "1d": 86_400, "1w": 604_800}
_MONDAY: Final = 4 * 86_400
"""Of the week after the epoch, which was a Thursday; in seconds."""
_INTERVAL_LIMIT: Final = 1_000


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
    time = F.col(spark_name(column))
    inside = (time >= F.lit(first)) & (time < F.lit(last))
    return frame.filter(inside | time.isNull()) if keep_null else frame.filter(inside)


def _first_midnight(time: datetime) -> date:
    """The day of the first midnight, UTC, that is not before a time."""
    day = time.astimezone(UTC)
    return day.date() if day.time() == datetime.min.time() else day.date() + timedelta(days=1)


def interval_condition(contract: Contract, intervals: Sequence[Interval]) -> str:
    """SQL that is true where the event time lies in one of the intervals; false where it is null."""
    name = spark_name(contract.event_time or "")
    column = contract.column(contract.event_time or "")
    is_date = column is not None and column.spark_type == "date"
    ranges = [
        f"({name} >= {_instant(one.start, is_date)} and {name} < {_instant(one.end, is_date)})" for one in intervals
    ]
    return f"{name} is not null and ({' or '.join(ranges)})"


def _instant(at: datetime, is_date: bool) -> str:
    return f"date'{_first_midnight(at):%Y-%m-%d}'" if is_date else f"timestamp'{at:%Y-%m-%dT%H:%M:%S.%f}Z'"


def covered_intervals(rows: DataFrame, contract: Contract) -> tuple[Interval, ...]:
    """The contract's units of event time that hold at least one of the rows, neighbours joined; one Spark job.

    Raises:
        InputError: They are more than one predicate can name.
    """
    from pyspark.sql import functions as F

    unit, shift = _UNIT_SECONDS[contract.interval], _MONDAY if contract.interval == "1w" else 0
    seconds = F.unix_seconds(F.col(spark_name(contract.event_time or "")).cast("timestamp"))
    number = F.floor((seconds - shift) / unit).cast("bigint")
    found = sorted(row[0] for row in rows.select(number).distinct().collect())
    spans: list[list[int]] = []
    for one in found:
        if spans and spans[-1][1] == one:
            spans[-1][1] = one + 1
        else:
            spans.append([one, one + 1])
    if len(spans) > _INTERVAL_LIMIT:
        raise InputError(
            f"{contract.id}: the batch covers {len(spans):,} separate intervals of {contract.interval}. "
            "Publish it with --from and --to, or set a longer interval in its contract."
        )
    return tuple(Interval(_time(first * unit + shift), _time(end * unit + shift)) for first, end in spans)


def _time(seconds: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)

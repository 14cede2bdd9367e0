"""Labelled rows in the order of their time, for benchmarks that replay a model's life: four real series, three made.

Real ones are read from a folder of data files; made ones come from river's generators, with abrupt changes at
weeks that the seed draws. Every feature of a row was known at the row's time, and a label is known `label_delay` later.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["MADE", "REAL", "WEEK", "Stream", "load_real", "make_stream", "shuffled"]

WEEK = 7 * 24 * 60
"""Minutes."""
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_MADE_WEEKS, _MADE_CHANGES = 60, 3
_ROWS_A_WEEK = 1008
MADE = ("sea", "agrawal", "led")
REAL: Mapping[str, str] = {
    "elec2": "elec2/elec.csv",
    "bike-sharing": "bike-sharing/hour.csv",
    "beijing-pm25": "beijing-pm25/pollution.csv",
    "fraud-handbook": "fraud-handbook/transactions_2018-04.csv.gz",
}
"""Each real series, and the file that tells whether it is there."""


@dataclass(frozen=True, kw_only=True)
class Stream:
    """Rows sorted by time."""

    name: str
    minutes: NDArray[np.int64]
    """Event time since EPOCH."""
    features: Floats
    columns: tuple[str, ...]
    labels: Floats
    metric: Literal["accuracy", "average_precision", "mae"]
    first_weeks: int
    """The first model learns from so many weeks."""
    label_delay: int = 0
    """Minutes from a row to its label."""

    @property
    def weeks(self) -> int:
        return int(self.minutes[-1]) // WEEK + 1

    @property
    def kind(self) -> Literal["binary", "regression"]:
        return "regression" if self.metric == "mae" else "binary"

    def rows(self, start: int, end: int) -> slice:
        """The rows from minute `start` to before minute `end`."""
        first, last = np.searchsorted(self.minutes, [start, end])
        return slice(int(first), int(last))


def at(minute: int) -> datetime:
    """The time that a stream's minute stands for."""
    return EPOCH + timedelta(minutes=minute)


def load_real(name: str, folder: Path) -> Stream:
    """A real series from the folder of data files.

    Raises:
        FileNotFoundError: Its files are not there.
    """
    return _LOADERS[name](folder / REAL[name])


def shuffled(stream: Stream, *, seed: int) -> Stream:
    """The same rows at the same times in any order: nothing changes any more, whatever alarms is false."""
    order = np.random.default_rng(seed).permutation(len(stream.labels))
    return replace(stream, features=stream.features[order], labels=stream.labels[order], label_delay=0)


def make_stream(name: str, *, seed: int, weeks: int = _MADE_WEEKS) -> Stream:
    """A made series: one row in ten minutes, three abrupt changes of what the label depends on.

    `sea`: Street and Kim 2001, 10 % noise. `agrawal`: Agrawal 1993, 5 % perturbation, four of its ten functions.
    `led`: Breiman 1984 with 17 attributes that say nothing, 3 to 7 attributes swapped; the label is whether the digit
    is odd, since models here tell two classes.
    """
    rng = np.random.default_rng(seed)
    first, rows = 12, weeks * _ROWS_A_WEEK
    changes = np.sort(rng.choice(np.arange(first + 2, weeks - 4), _MADE_CHANGES, replace=False))
    bounds = [0, *(int(week) * _ROWS_A_WEEK for week in changes), rows]
    concepts = [int(one) for one in rng.permutation(10 if name == "agrawal" else 4)[: _MADE_CHANGES + 1]]
    columns: tuple[str, ...] = ()
    features, labels = [], []
    for index, (start, end) in enumerate(pairwise(bounds)):
        for row, label in _generator(name, concepts[index], seed=seed * 100 + index).take(end - start):
            columns = columns or tuple(f"x_{key}" for key in row)
            features.append([float(value) for value in row.values()])
            labels.append(float(label % 2 if name == "led" else label))
    return Stream(
        name=name,
        minutes=np.arange(rows, dtype=np.int64) * 10,
        features=np.array(features),
        columns=columns,
        labels=np.array(labels),
        metric="accuracy",
        first_weeks=first,
    )


def _generator(name: str, concept: int, *, seed: int) -> Any:
    from river.datasets import synth

    if name == "sea":
        return synth.SEA(variant=concept, noise=0.1, seed=seed)
    if name == "agrawal":
        return synth.Agrawal(classification_function=concept, perturbation=0.05, seed=seed)
    swapped = (0, 3, 5, 7)[concept]
    return synth.LEDDrift(noise_percentage=0.1, irrelevant_features=True, n_drift_features=swapped, seed=seed)


def _elec2(path: Path) -> Stream:
    rows = pd.read_csv(path)
    minutes = np.arange(len(rows), dtype=np.int64) * 30
    features = rows[["period", "nswdemand", "vicprice", "vicdemand", "transfer"]]
    features = features.assign(weekday=(minutes // 1440 + 1) % 7)  # 7 May 1996 was a Tuesday
    return _stream("elec2", minutes, features, rows["class"], metric="accuracy", first_weeks=13)


def _bike_sharing(path: Path) -> Stream:
    rows = pd.read_csv(path)
    days = (pd.to_datetime(rows.dteday) - pd.Timestamp("2011-01-01")).dt.days
    names = ["season", "mnth", "hr", "holiday", "weekday", "workingday", "weathersit", "temp", "atemp", "hum"]
    minutes = (days * 1440 + rows.hr * 60).to_numpy(np.int64)
    return _stream("bike-sharing", minutes, rows[[*names, "windspeed"]], rows.cnt, metric="mae", first_weeks=26)


def _beijing_pm25(path: Path) -> Stream:
    rows = pd.read_csv(path)
    features = rows[["month", "hour", "DEWP", "TEMP", "PRES", "Iws", "Is", "Ir"]].assign(
        wind=rows.cbwd.astype("category").cat.codes
    )
    known = rows["pm2.5"].notna()
    minutes = np.arange(len(rows), dtype=np.int64)[known] * 60
    return _stream("beijing-pm25", minutes, features[known], rows["pm2.5"][known], metric="mae", first_weeks=52)


def _fraud_handbook(path: Path) -> Stream:
    """Amount, hour, weekend; each customer's payments and their mean over 1, 7 and 30 days before the payment's day;
    each terminal's payments and its share of frauds over the same lengths, ending seven days before."""
    rows = pd.concat([pd.read_csv(one) for one in sorted(path.parent.glob("*.csv.gz"))], ignore_index=True)
    moments = pd.to_datetime(rows.TX_DATETIME)
    minutes = ((moments - moments.iloc[0].normalize()).dt.total_seconds() // 60).to_numpy(np.int64)
    days = minutes // 1440
    features: dict[str, Any] = {"amount": rows.TX_AMOUNT, "hour": moments.dt.hour, "weekend": moments.dt.weekday >= 5}
    sides = (("customer", rows.CUSTOMER_ID, rows.TX_AMOUNT, 0), ("terminal", rows.TERMINAL_ID, rows.TX_FRAUD, 7))
    for side, ids, values, delay in sides:
        for length in (1, 7, 30):
            count, mean = _trailing(ids.to_numpy(), days, values.to_numpy(np.float64), length=length, delay=delay)
            features |= {f"{side}_count_{length}d": count, f"{side}_mean_{length}d": mean}
    frame = pd.DataFrame(features).astype(float)
    stream = _stream("fraud-handbook", minutes, frame, rows.TX_FRAUD, metric="average_precision", first_weeks=5)
    return replace(stream, label_delay=WEEK)


def _trailing(
    ids: NDArray[np.int64], days: NDArray[np.int64], values: Floats, *, length: int, delay: int
) -> tuple[Floats, Floats]:
    """Count and mean of each id's values over the `length` days that end before the row's day, `delay` days earlier."""
    shape = int(ids.max()) + 1, int(days.max()) + 2
    end = np.clip(days - delay, 0, None)
    found = []
    for weights in (np.ones(len(ids)), values):
        sums = np.zeros(shape)
        np.add.at(sums, (ids, days + 1), weights)
        before = sums.cumsum(axis=1)  # column d: the days before d
        found.append(before[ids, end] - before[ids, np.clip(end - length, 0, None)])
    count, total = found
    return count, np.divide(total, count, out=np.full(len(ids), np.nan), where=count > 0)


def _stream(name: str, minutes: Any, features: pd.DataFrame, labels: pd.Series, **named: Any) -> Stream:
    return Stream(
        name=name,
        minutes=minutes,
        features=features.to_numpy(np.float64),
        columns=tuple(features.columns),
        labels=labels.to_numpy(np.float64),
        **named,
    )


_LOADERS: Mapping[str, Callable[[Path], Stream]] = {
    "elec2": _elec2,
    "bike-sharing": _bike_sharing,
    "beijing-pm25": _beijing_pm25,
    "fraud-handbook": _fraud_handbook,
}

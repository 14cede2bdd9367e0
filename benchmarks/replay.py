"""A model's life replayed week by week, test then train: a week is scored, then its labels may be learned from.

`replay` keeps the promises that a comparison of policies needs: a policy is given a `Past` and nothing else, which ends
where labels are known; every policy's models come from the same trainer and the same first model; a fit is a training
whoever asked for it and whatever became of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

from benchmarks.streams import WEEK, Stream
from mesh_catalog.models.evaluate import ScoreCounts, evaluate_counts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["Adwin", "Every", "Model", "Never", "Past", "Played", "Policy", "Trainer", "losses", "measure", "replay"]

DAY = 24 * 60
_TREES = {"n_estimators": 60, "max_depth": 5, "learning_rate": 0.15, "tree_method": "hist", "n_jobs": 1}
Model = Callable[["Floats"], "Floats"]
"""From features to the probability of 1, or to the number."""


class Trainer:
    """xgboost, the same for everybody; a window that somebody has asked for before is not fitted again, but counted."""

    def __init__(self, stream: Stream, *, seed: int = 0) -> None:
        self._stream, self._seed = stream, seed
        self._fitted: dict[tuple[int, int], Model] = {}

    def fit(self, start: int, end: int) -> Model:
        """A model of the rows from minute `start` to before minute `end`."""
        rows = self._stream.rows(max(start, 0), end)
        if (rows.start, rows.stop) not in self._fitted:
            self._fitted[rows.start, rows.stop] = self._fit(self._stream.features[rows], self._stream.labels[rows])
        return self._fitted[rows.start, rows.stop]

    def _fit(self, features: Floats, labels: Floats) -> Model:
        from xgboost import XGBClassifier, XGBRegressor

        if self._stream.kind == "regression":
            regressor = XGBRegressor(**_TREES, random_state=self._seed).fit(features, labels)
            return lambda rows: np.asarray(regressor.predict(rows), dtype=np.float64)
        if labels.min() == labels.max():
            return lambda rows: np.full(len(rows), labels[0])
        classifier = XGBClassifier(**_TREES, random_state=self._seed).fit(features, labels)
        return lambda rows: np.asarray(classifier.predict_proba(rows)[:, 1], dtype=np.float64)


@dataclass(frozen=True, kw_only=True)
class Past:
    """What is known at the end of a week."""

    stream: Stream
    scores: Floats
    """Of every row that was scored; nan before the first week and after this one."""
    now: int
    """Minute at which the week ends."""

    @property
    def known(self) -> int:
        """Minute up to which labels are known."""
        return self.now - self.stream.label_delay

    def rows(self, start: int, end: int) -> slice:
        """The rows from `start` to before `end` whose labels are known."""
        return self.stream.rows(max(start, 0), min(end, self.known))


class Policy(Protocol):
    """Decides at the end of each week which model scores the next."""

    model: Model
    trainings: int

    def learn(self, past: Past) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Played:
    """How a policy did."""

    score: float
    trainings: int
    """The first model's counted."""
    scores: Floats = field(repr=False)


def replay(stream: Stream, policy: Policy) -> Played:
    """Score each week with the policy's model of the time, then let it learn."""
    scores = np.full(len(stream.labels), np.nan)
    for week in range(stream.first_weeks, stream.weeks):
        rows = stream.rows(week * WEEK, (week + 1) * WEEK)
        if rows.stop > rows.start:
            scores[rows] = policy.model(stream.features[rows])
        if week + 1 < stream.weeks:  # nothing is scored after the last
            policy.learn(Past(stream=stream, scores=scores, now=(week + 1) * WEEK))
    return Played(score=measure(stream, scores), trainings=policy.trainings, scores=scores)


def losses(stream: Stream, rows: slice, scores: Floats) -> Floats:
    """Loss of each row: 0 or 1, or the absolute error; of average precision, which no row has, the logarithmic loss."""
    labels = stream.labels[rows]
    if stream.metric == "mae":
        return np.asarray(np.abs(labels - scores))
    if stream.metric == "accuracy":
        return np.asarray((scores >= 0.5) != (labels == 1), dtype=np.float64)
    return log_loss(labels, scores)


def log_loss(labels: Floats, scores: Floats) -> Floats:
    """Of each row, of a probability no nearer to 0 or 1 than 1e-6."""
    clipped = np.clip(scores, 1e-6, 1 - 1e-6)
    return np.asarray(-(labels * np.log(clipped) + (1 - labels) * np.log1p(-clipped)))


def measure(stream: Stream, scores: Floats) -> float:
    """The stream's metric over all rows that were scored; average precision as the mean of the weeks' own."""
    if stream.metric != "average_precision":
        rows = slice(int(np.flatnonzero(~np.isnan(scores))[0]), len(scores))
        loss = float(losses(stream, rows, scores[rows]).mean())
        return loss if stream.metric == "mae" else 1 - loss
    found = []
    for week in range(stream.first_weeks, stream.weeks):
        rows = stream.rows(week * WEEK, (week + 1) * WEEK)
        values, where = np.unique(scores[rows], return_inverse=True)
        ones = np.bincount(where, weights=stream.labels[rows], minlength=len(values))[::-1].astype(np.float64)
        every = np.bincount(where, minlength=len(values))[::-1].astype(np.float64)
        if 0 < ones.sum() < every.sum():
            counts = ScoreCounts(scores=values[::-1], positives=ones, negatives=every - ones, loss=0.0)
            found.append(evaluate_counts(counts).metrics["average_precision"])
    return float(np.mean(found))


class Never:
    """The first model for ever."""

    def __init__(self, stream: Stream, trainer: Trainer, *, window: int) -> None:
        self.stream, self.trainer, self.window = stream, trainer, window
        known = stream.first_weeks * WEEK - stream.label_delay
        self.model = trainer.fit(known - window, known)
        self.trainings = 1

    def learn(self, past: Past) -> None:
        """Does nothing."""

    def train(self, start: int, end: int) -> None:
        self.model = self.trainer.fit(start, end)
        self.trainings += 1


class Every(Never):
    """Trained at the end of every week on the newest window."""

    def learn(self, past: Past) -> None:
        self.train(past.known - self.window, past.known)


class Adwin(Never):
    """Trained where ADWIN (Bifet and Gavalda 2007, river's defaults) finds a change in what it reads of the rows.

    It sees each row as soon as its label is known, and starts anew with each model. Errors of numbers are divided by
    the range of the first window's labels, since ADWIN's bound is for values from 0 to 1.

    Args:
        own: Learn from the rows since the change, as ADWIN's own window tells, but at least from a week; from the same
            sliding window as everybody else otherwise.
        reads: errors: 0 or 1 for a class, the absolute error of a number. losses: the logarithmic loss of a class, as
            the loop's test reads it where the metric is no row's own, not scaled down; of a number the same as errors.
    """

    def __init__(
        self, stream: Stream, trainer: Trainer, *, window: int, own: bool, reads: Literal["errors", "losses"] = "errors"
    ) -> None:
        super().__init__(stream, trainer, window=window)
        self._detector = _adwin()
        self._own, self._reads, self._seen = own, reads, stream.first_weeks * WEEK
        self._scale = float(np.ptp(stream.labels[stream.rows(0, self._seen)])) if stream.metric == "mae" else 1.0

    def learn(self, past: Past) -> None:
        rows = past.rows(self._seen, past.known)
        self._seen = max(self._seen, past.known)
        changed = False
        for value in self._read(past.stream.labels[rows], past.scores[rows]):
            self._detector.update(float(value))
            changed = changed or self._detector.drift_detected
        if changed:
            since = past.known - self.window
            if self._own and rows.stop > self._detector.width:
                since = min(int(past.stream.minutes[rows.stop - int(self._detector.width)]), past.known - WEEK)
            self.train(since, past.known)
            self._detector = _adwin()

    def _read(self, labels: Floats, scores: Floats) -> Floats:
        if self.stream.metric == "mae":
            return np.asarray(np.minimum(np.abs(labels - scores) / self._scale, 1.0))
        if self._reads == "losses":
            return log_loss(labels, scores)
        return np.asarray((scores >= 0.5) != (labels == 1), dtype=np.float64)


def _adwin() -> Any:
    """By name: river is not installed where the benchmarks are not run, and says nothing of its types where it is."""
    return import_module("river.drift").ADWIN()

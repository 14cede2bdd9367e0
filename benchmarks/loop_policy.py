"""The product's loop as a policy of a replay: its own decisions, monitors and gate, with a local trainer for Spark's.

What decides is the product: `decide` on facts, `judge_losses` on late labels, `compare_profiles` for drift, the gate's
paired bootstrap. Here only stands what the catalog would otherwise remember between two turns.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.replay import Model, Never, Past, Trainer, losses
from benchmarks.streams import Stream, at
from mesh_catalog.errors import GateRefusedError
from mesh_catalog.lake.profile import Profile
from mesh_catalog.lake.statistics import Counts
from mesh_catalog.models.compare import paired_bootstrap
from mesh_catalog.monitoring.degradation import judge_losses
from mesh_catalog.monitoring.drift import compare_profiles
from mesh_catalog.monitoring.files import profile_counts
from mesh_catalog.retraining.facts import Facts, Training, Window
from mesh_catalog.retraining.policy import Decision, decide
from mesh_catalog.specs import GateSpec, RetrainSpec

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["Loop", "LoopSpec", "Turn"]

MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, kw_only=True)
class LoopSpec:
    """What model.yaml says of the loop; times in minutes."""

    retrain: RetrainSpec
    gate: GateSpec
    window: int
    """Of monitoring."""
    test: int
    """Held out of a training, for the gate."""
    cooldown_share: float
    """The policy's cooldown is this share of the time that the champion learned from, in whole windows: what has
    come since must be worth a training."""
    drift_share: float = 0.5
    loses: float = 0.0
    significance: float = 0.05
    remembers: int = 4
    """Of the performance verdict: so many windows that passed, or test windows of champions, are its reference."""
    since_rows: int = 500
    """Where fewer rows came since the drift, the stream's training window is learned from."""


@dataclass(frozen=True, kw_only=True)
class Turn:
    """What the loop decided at the end of a week."""

    minute: int
    decision: Decision
    outcome: str = "keep"
    better_share: float | None = None


@dataclass(kw_only=True)
class _Memory:
    """What the catalog would hold."""

    windows: list[Window] = field(default_factory=list)
    trainings: list[Training] = field(default_factory=list)
    turns: list[Turn] = field(default_factory=list)
    review: str | None = None


class Loop(Never):
    """One turn of the loop a week."""

    def __init__(self, stream: Stream, trainer: Trainer, *, window: int, spec: LoopSpec) -> None:
        super().__init__(stream, trainer, window=window)
        self.spec, self.memory = spec, _Memory()
        known = stream.first_weeks * spec.window - stream.label_delay
        rows = stream.rows(known - spec.test, known)
        self.model = trainer.fit(known - spec.test - window, known - spec.test)
        self._since = stream.first_weeks * spec.window
        self.memory.trainings = [Training(id="first", at=at(self._since), outcome="by_hand")]
        self._reference = [losses(stream, rows, self.model(stream.features[rows]))]
        self._learned = stream.rows(known - spec.test - window, known - spec.test)

    @property
    def stopped(self) -> Turn | None:
        """The turn in which the loop said that training does not help, and stopped."""
        return next((turn for turn in self.memory.turns if turn.outcome == "review"), None)

    def learn(self, past: Past) -> None:
        windows = [verdict for verdict in (self._performance(past), self._drift(past)) if verdict is not None]
        self.memory.windows = [*windows, *self.memory.windows]
        clock = at(past.now)
        facts = Facts(
            clock=clock,
            windows=self.memory.windows[:50],
            trainings=self.memory.trainings,
            review=self.memory.review,
        )
        decision = self.decide(facts)
        turn = Turn(minute=past.now, decision=decision)
        if decision.review:
            self.memory.review = f"review of {clock:%Y-%m-%d}"
            turn = Turn(minute=past.now, decision=decision, outcome="review")
        elif decision.train:
            turn = self._train(past, decision)
            training = Training(
                id=f"{past.now}",
                at=clock,
                outcome="promote" if turn.outcome == "promote" else "reject",
                answers=frozenset(decision.answers),
            )
            self.memory.trainings = [training, *self.memory.trainings]
        self.memory.turns.append(turn)

    def decide(self, facts: Facts) -> Decision:
        minutes = self.stream.minutes[[self._learned.start, self._learned.stop - 1]]
        windows = max(1, round(self.spec.cooldown_share * float(minutes[1] - minutes[0]) / self.spec.window))
        return decide(facts, replace(self.spec.retrain, cooldown=windows * self.spec.window * MINUTE))

    def _performance(self, past: Past) -> Window | None:
        """The newest window whose labels are known and that this champion scored, against its rows before."""
        start = max(past.known - self.spec.window, self._since)
        rows = past.rows(start, past.known)
        if "performance" not in self.spec.retrain.on or rows.stop - rows.start < 2:
            return None
        current = losses(past.stream, rows, past.scores[rows])
        found = judge_losses(
            current,
            np.concatenate(self._reference),
            loses=self.spec.loses,
            significance=self.spec.significance,
        )
        if found.outcome == "pass":
            self._reference = [*self._reference, current][-self.spec.remembers :]
        return Window(
            id=f"performance {past.now}",
            trigger="performance",
            outcome=found.outcome,
            start=at(start),
            end=at(past.now),
            reason=found.reason,
        )

    def _drift(self, past: Past) -> Window | None:
        """The newest window's features against those that the champion learned from; needs no label."""
        rows = past.stream.rows(past.now - self.spec.window, past.now)
        if "drift" not in self.spec.retrain.on or rows.stop == rows.start:
            return None
        found = compare_profiles(
            profile(past.stream, self._learned), profile(past.stream, rows), limit=self.spec.drift_share
        )
        return Window(
            id=f"drift {past.now}",
            trigger="drift",
            outcome="fail" if found.drifted else "pass",
            start=at(past.now - self.spec.window),
            end=at(past.now),
            reason=f"{found.share:.0%} of the columns drifted",
        )

    def _train(self, past: Past, decision: Decision) -> Turn:
        """Train without the newest rows, compare on them, promote or reject."""
        end = past.known - self.spec.test
        start = end - self.window
        if self.spec.retrain.window == "since_drift" and decision.data_from is not None:
            since = int((decision.data_from - at(0)) / MINUTE)
            found = past.rows(since, end)
            start = since if found.stop - found.start >= self.spec.since_rows else start
        rows = past.rows(end, past.known)
        challenger = self.trainer.fit(start, end)
        self.trainings += 1
        share = self._better_share(past, rows, challenger)
        if share is None or share < self.spec.gate.beats_champion:
            return Turn(minute=past.now, decision=decision, outcome="reject", better_share=share)
        self.model, self._since = challenger, past.now
        self._learned = past.stream.rows(max(start, 0), end)
        kept = [] if start > end - self.window else self._reference  # a new concept: what was lost before says nothing
        self._reference = [*kept, losses(past.stream, rows, challenger(past.stream.features[rows]))][
            -self.spec.remembers :
        ]
        return Turn(minute=past.now, decision=decision, outcome="promote", better_share=share)

    def _better_share(self, past: Past, rows: slice, challenger: Model) -> float | None:
        features, labels = past.stream.features[rows], past.stream.labels[rows]
        try:
            found = paired_bootstrap(
                labels, self.model(features), challenger(features), metric=past.stream.metric, samples=500
            )
        except GateRefusedError:
            return None
        return found.better_share


def profile(stream: Stream, rows: slice) -> Profile:
    """The profile of a stream's features, as the product's own files have one."""
    columns = {}
    for place, name in enumerate(stream.columns):
        column = stream.features[rows, place]
        values, counts = np.unique(column[np.isfinite(column)], return_counts=True)
        columns[name] = profile_counts(
            Counts(values=values, counts=counts),
            kind="float",
            rows=len(column),
            nulls=0,
            nans=len(column) - counts.sum(),
        )
    return Profile(rows=rows.stop - rows.start, columns=columns)

"""The product's loop as a policy of a replay: its own decisions, monitors and gate, with a local trainer for Spark's.

What decides is the product, as a model.yaml says: `decide` on facts, `judge_losses` on late labels against the windows
that `choose_reference` chooses, `compare_profiles` for drift, the gate's paired bootstrap. Here only stands what the
catalog would otherwise remember between two turns.
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
from mesh_catalog.monitoring.degradation import Losses, PastLosses, choose_reference, judge_losses
from mesh_catalog.monitoring.drift import compare_profiles
from mesh_catalog.monitoring.files import profile_counts
from mesh_catalog.retraining.facts import Facts, Training, WindowVerdict
from mesh_catalog.retraining.policy import Decision, decide
from mesh_catalog.retraining.recovery import Alarm
from mesh_catalog.specs import ModelSpec

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["Loop", "Turn"]

MINUTE = timedelta(minutes=1)
_WINDOWS = 100


@dataclass(frozen=True, kw_only=True)
class Turn:
    """What the loop decided at the end of a week."""

    minute: int
    decision: Decision
    outcome: str = "keep"
    better_share: float | None = None
    losses: tuple[float, float] | None = None
    """Mean loss of champion and challenger on the gate's rows."""


@dataclass(frozen=True, kw_only=True)
class _Challenger:
    """A model that the gate refused."""

    model: Model
    learned: slice
    fresh: bool
    """It learned since a drift."""
    known: int
    """Minute up to which labels were known when it was trained."""


@dataclass(kw_only=True)
class _Memory:
    """What the catalog would hold."""

    windows: list[WindowVerdict] = field(default_factory=list)
    trainings: list[Training] = field(default_factory=list)
    turns: list[Turn] = field(default_factory=list)
    review: str | None = None
    refused: _Challenger | None = None
    """Of the newest training."""


class Loop(Never):
    """One turn of the loop a week, by what a model.yaml says of monitor, gate and retrain.

    Args:
        window: What is learned from, in minutes: as `split.train` would say.
    """

    def __init__(self, stream: Stream, trainer: Trainer, *, window: int, spec: ModelSpec) -> None:
        super().__init__(stream, trainer, window=window)
        self.spec, self.memory = spec, _Memory()
        self._step, self._test = spec.monitor.window // MINUTE, spec.split.test // MINUTE
        known = stream.first_weeks * self._step - stream.label_delay
        self.model = trainer.fit(known - self._test - window, known - self._test)
        self._since = stream.first_weeks * self._step
        self.memory.trainings = [Training(id="first", at=at(self._since), outcome="by_hand")]
        self._past = [self._test_window(stream, known)]
        self._learned = stream.rows(known - self._test - window, known - self._test)

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
            windows=self.memory.windows[:_WINDOWS],
            trainings=self.memory.trainings,
            review=self.memory.review,
            learned=self._span(),
            window=self.spec.monitor.window,
        )
        decision = decide(facts, self.spec.retrain)
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
                alarm=_alarm(decision),
                gate=turn.losses,
            )
            before, *earlier = self.memory.trainings
            if turn.outcome == "reject":
                training = replace(training, refused=self.trainings)
            self.memory.trainings = [training, replace(before, recovery=decision.recovery), *earlier]
        elif decision.again is not None and self.memory.refused is not None:
            turn = self._look_again(past, decision, self.memory.refused)
            looked = replace(decision.again, looked_at=clock)
            if turn.outcome == "promote":
                looked = replace(looked, outcome="promote", refused=None, gate=turn.losses)
            self.memory.trainings[0] = looked
        self.memory.turns.append(turn)

    def _span(self) -> timedelta:
        """How much time the champion learned from."""
        first, last = self.stream.minutes[[self._learned.start, self._learned.stop - 1]]
        return int(last - first) * MINUTE

    def _test_window(self, stream: Stream, known: int) -> PastLosses:
        """What the champion loses on the rows that were held out of its training."""
        rows = stream.rows(known - self._test, known)
        lost = Losses.of(losses(stream, rows, self.model(stream.features[rows])))
        return PastLosses(name=f"test {known}", losses=lost, begins=None, ends=at(known))

    def _performance(self, past: Past) -> WindowVerdict | None:
        """The newest window whose labels are known and that this champion scored, against its rows before."""
        start = max(past.known - self._step, self._since)
        rows = past.rows(start, past.known)
        if "performance" not in self.spec.retrain.on or rows.stop - rows.start < 2:
            return None
        spec = self.spec.monitor.performance
        current = Losses.of(losses(past.stream, rows, past.scores[rows]))
        held = choose_reference(self._past, before=at(start), windows=spec.windows)
        reference = Losses.joined(one.losses for one in held)
        found = judge_losses(current, reference, loses=spec.loses, significance=spec.significance)
        if found.outcome != "fail":
            name = f"window {past.known}"
            self._past.append(PastLosses(name=name, losses=current, begins=at(start), ends=at(past.known)))
        return WindowVerdict(
            id=f"performance {past.now}",
            trigger="performance",
            outcome=found.outcome,
            start=at(start),
            end=at(past.now),
            reason=found.reason,
            loss=found.current,
            before=found.reference,
        )

    def _drift(self, past: Past) -> WindowVerdict | None:
        """The newest window's features against those that the champion learned from; needs no label."""
        rows = past.stream.rows(past.now - self._step, past.now)
        if "drift" not in self.spec.retrain.on or rows.stop == rows.start:
            return None
        found = compare_profiles(
            profile(past.stream, self._learned), profile(past.stream, rows), limit=self.spec.monitor.drift_share
        )
        return WindowVerdict(
            id=f"drift {past.now}",
            trigger="drift",
            outcome="fail" if found.drifted else "pass",
            start=at(past.now - self._step),
            end=at(past.now),
            reason=f"{found.share:.0%} of the columns drifted",
        )

    def _train(self, past: Past, decision: Decision) -> Turn:
        """Train without the newest rows, compare on them, promote or reject."""
        end = past.known - self._test
        start = end - self.window
        if self.spec.retrain.window == "since_drift" and decision.data_from is not None:
            since = int((decision.data_from - at(0)) / MINUTE)
            found = past.rows(since, end)
            start = since if found.stop - found.start >= self.spec.retrain.since_rows else start
        challenger = _Challenger(
            model=self.trainer.fit(start, end),
            learned=past.stream.rows(max(start, 0), end),
            fresh=start > end - self.window,
            known=past.known,
        )
        self.trainings += 1
        self.memory.refused = challenger
        return self._gate(past, decision, challenger, past.rows(end, past.known), refused="reject")

    def _look_again(self, past: Past, decision: Decision, challenger: _Challenger) -> Turn:
        """Compare a challenger that was refused on the rows that came since."""
        return self._gate(past, decision, challenger, past.rows(challenger.known, past.known), refused="keep")

    def _gate(self, past: Past, decision: Decision, challenger: _Challenger, rows: slice, *, refused: str) -> Turn:
        share = self._better_share(past, rows, challenger.model)
        if share is None or share < self.spec.gate.beats_champion:
            return Turn(minute=past.now, decision=decision, outcome=refused, better_share=share)
        lost = [float(self._losses(past, rows, model).mean()) for model in (self.model, challenger.model)]
        self.model, self._since, self._learned = challenger.model, past.now, challenger.learned
        kept = [] if challenger.fresh else self._past  # a new concept: what was lost before says nothing
        self._past = [*kept, self._test_window(past.stream, challenger.known)]
        self.memory.refused = None
        return Turn(
            minute=past.now, decision=decision, outcome="promote", better_share=share, losses=(lost[0], lost[1])
        )

    def _losses(self, past: Past, rows: slice, model: Model) -> Floats:
        return losses(past.stream, rows, model(past.stream.features[rows]))

    def _better_share(self, past: Past, rows: slice, challenger: Model) -> float | None:
        features, labels = past.stream.features[rows], past.stream.labels[rows]
        try:
            found = paired_bootstrap(
                labels, self.model(features), challenger(features), metric=past.stream.metric, samples=500
            )
        except GateRefusedError:
            return None
        return found.better_share


def _alarm(decision: Decision) -> Alarm | None:
    told = next((one.evidence for one in decision.triggers if one.kind == "performance"), {})
    return Alarm(loss=told["loss"], before=told["before"]) if "loss" in told else None


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

"""Where the losses come from that performance is judged by: a window's counts, and what the catalog knows of before.

The loss of a row is 1 for a wrong class where the metric is the accuracy, the absolute error of a number, and else the
logarithmic loss. A verdict keeps its window's losses beside its measure, so that no row of before is read again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from mesh_catalog.catalog.decisions import read_retraining
from mesh_catalog.catalog.models import ModelVersionRecord, alias_history, read_model_versions
from mesh_catalog.catalog.runs import read_versions
from mesh_catalog.catalog.verdicts import Measure, VerdictRecord, read_verdict, read_verdicts
from mesh_catalog.errors import MeshError, NotFoundError
from mesh_catalog.lake.profiles import load_profile
from mesh_catalog.models.evaluate import LOSS_DEVIATION, ScoreCounts, log_losses
from mesh_catalog.models.frame import MODEL_VERSION, SPLIT
from mesh_catalog.monitoring.degradation import Losses, PastLosses, choose_reference, judge_losses

if TYPE_CHECKING:
    from mesh_catalog.monitoring.window import Window
    from mesh_catalog.specs import ModelSpec

__all__ = [
    "counted_losses",
    "judge_against_before",
    "judged_by_losses",
    "pin_losses",
    "reference_names",
    "verdict_losses",
]

_METHOD = "loss"
_NAME_LENGTH = 12
_LOOKED_AT = 200
"""Windows of before that are looked through, at most."""


def judged_by_losses(window: Window) -> bool:
    """Whether the section asks for the test."""
    return window.model is not None and window.spec.performance.by == "losses"


def counted_losses(counts: ScoreCounts, metric: str) -> Losses:
    """Of rows counted by score."""
    if metric != "accuracy":
        hits, misses = log_losses(counts)
        return Losses.of(np.r_[hits, misses], np.r_[counts.positives, counts.negatives])
    called = counts.scores >= 0.5
    wrong = float(counts.negatives[called].sum() + counts.positives[~called].sum())
    return Losses.of(np.array([0.0, 1.0]), np.array([counts.rows - wrong, wrong]))


def judge_against_before(window: Window, losses: Losses) -> Measure:
    """The test of this window's losses against the reference, as a measure that keeps them.

    Raises:
        NotFoundError: A verdict that the window is pinned to is gone.
    """
    reference = Losses.joined(one.losses for one in _named(window, reference_names(window)))
    spec = window.spec.performance
    found = judge_losses(losses, reference, loses=spec.loses, significance=spec.significance)
    reason = found.reason
    if not reference.rows:
        reason = f"no losses of before are known: later windows are held against these {losses.rows:,} labelled rows"
    return Measure(
        method=_METHOD,
        score=losses.mean,
        threshold=reference.mean * (1 + spec.loses) if reference.rows else None,
        outcome=found.outcome,
        reason=reason,
        details={
            "rows": losses.rows,
            "mean": losses.mean,
            "variance": losses.variance,
            "p_value": found.p_value,
            "reference_rows": reference.rows,
            "reference_mean": reference.mean,
        },
    )


def verdict_losses(verdict: VerdictRecord) -> tuple[float | None, float | None]:
    """Mean loss of a verdict's rows and of those that they were held against; None where not judged by losses."""
    told = next((one.details for one in verdict.measures if one.method == _METHOD), None)
    if told is None or not told.get("reference_rows"):
        return None, None
    return float(told["mean"]), float(told["reference_mean"])


def pin_losses(window: Window) -> Window:
    """The window that says what it is held against, where it is judged by losses."""
    return replace(window, pinned_losses=reference_names(window)) if judged_by_losses(window) else window


def reference_names(window: Window) -> tuple[str, ...]:
    """What the window is held against: `v3` is that champion's test window, else the beginning of a verdict's id.

    A window that could not be judged, for want of anything before it, is a reference too: something has to begin. A
    slice is held against its own windows, since which of the test window's rows were its is not known.
    """
    if window.pinned_losses is not None:
        return window.pinned_losses
    model, begins = window.model, window.current.begins
    if model is None or window.champion is None or begins is None:
        return ()
    chain = _chain(window, model, window.champion)
    numbers = [one.version for one in chain]
    tested = chain if window.slice.column in (None, MODEL_VERSION) else []
    known = [past for one in tested if (past := _test_window(window, model, one)) is not None]
    known += _windows(window, numbers)
    return tuple(one.name for one in choose_reference(known, before=begins, windows=window.spec.performance.windows))


def _chain(window: Window, model: ModelSpec, champion: ModelVersionRecord) -> list[ModelVersionRecord]:
    """The champion and those before it, back to one that learned since a drift: before that it was another concept."""
    catalog = window.mesh.catalog
    records = {one.version: one for one in read_model_versions(catalog, model.name)}
    moves = [one.version for one in alias_history(catalog, model.name, "champion") if one.version in records]
    if champion.version in moves:
        moves = moves[: len(moves) - moves[::-1].index(champion.version)]
    found: dict[int, ModelVersionRecord] = {}
    for number in dict.fromkeys([champion.version, *reversed(moves)]):
        found[number] = records.get(number, champion)
        if _learned_since_drift(window, found[number]):
            break
    return list(found.values())


def _learned_since_drift(window: Window, version: ModelVersionRecord) -> bool:
    if version.retraining_id is None:
        return False
    try:
        state = read_retraining(window.mesh.catalog, version.retraining_id).state
    except NotFoundError:
        return False
    return (state.get("variant") or {}).get("since") is not None


def _test_window(window: Window, model: ModelSpec, version: ModelVersionRecord) -> PastLosses | None:
    """The champion's losses on its test window, from its metrics; None where it was trained before these were kept."""
    records = read_versions(window.mesh.catalog, model.training_name)
    ends = next((one.event_to for one in records if one.version == version.training_version), None)
    moments = _moments(model, version)
    if version.training_version is None or ends is None or moments is None:
        return None
    try:
        parts = load_profile(window.mesh, model.training_name, version.training_version).columns[SPLIT].values or {}
    except (MeshError, KeyError):
        return None  # a damaged profile takes this part of the reference, not the verdict
    rows = int(parts.get("test", 0))
    if not rows:
        return None
    mean, variance = moments
    return PastLosses(
        name=f"v{version.version}", losses=Losses(rows=rows, mean=mean, variance=variance), begins=None, ends=ends
    )


def _moments(model: ModelSpec, version: ModelVersionRecord) -> tuple[float, float] | None:
    known = version.metrics
    try:
        if model.kind == "regression":
            return known["mae"], max(known["rmse"] ** 2 - known["mae"] ** 2, 0.0)
        if model.metric == "accuracy":
            return 1 - known["accuracy"], known["accuracy"] * (1 - known["accuracy"])
        return known["log_loss"], known[LOSS_DEVIATION] ** 2
    except KeyError:
        return None


def _windows(window: Window, champions: Sequence[int]) -> Iterator[PastLosses]:
    """The windows of these champions that did not fail, newest first."""
    found = read_verdicts(
        window.mesh.catalog, window.subject, kind="performance", slice=str(window.slice), limit=_LOOKED_AT
    )
    for verdict in found:
        if verdict.outcome != "fail" and verdict.model_version in champions and verdict.current != str(window.current):
            past = _past(verdict)
            if past is not None:
                yield past


def _past(verdict: VerdictRecord) -> PastLosses | None:
    measure = next((one for one in verdict.measures if one.method == _METHOD), None)
    if measure is None or verdict.window_from is None or verdict.window_to is None:
        return None
    told = measure.details
    return PastLosses(
        name=verdict.id[:_NAME_LENGTH],
        losses=Losses(rows=int(told["rows"]), mean=float(told["mean"]), variance=float(told["variance"])),
        begins=verdict.window_from,
        ends=verdict.window_to,
    )


def _named(window: Window, names: Sequence[str]) -> list[PastLosses]:
    """What the names stand for.

    Raises:
        NotFoundError: A verdict or version is gone.
    """
    if window.model is None or not names:
        return []
    versions = {f"v{one.version}": one for one in read_model_versions(window.mesh.catalog, window.model.name)}
    found = []
    for name in names:
        if name in versions:
            past = _test_window(window, window.model, versions[name])
        else:
            past = _past(read_verdict(window.mesh.catalog, name))
        if past is None:
            raise NotFoundError(f"{window.subject}: the losses of {name}, which the window is held against, are gone.")
        found.append(past)
    return found

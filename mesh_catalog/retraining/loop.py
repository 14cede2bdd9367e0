"""One turn of the loop: decide, or go on where an earlier turn stopped.

    decided → trained → compared → (waiting_approval) → rolling → settled

Every step is written to the catalog before the next begins and can be repeated without doing its work twice, so a
killed run is taken up by the next call at the step it had reached (`steps.py`). A lease keeps two runners apart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from mesh_catalog.catalog.decisions import RetrainingRecord, begin_retraining, open_retraining, read_retrainings
from mesh_catalog.catalog.models import read_alias
from mesh_catalog.catalog.retrain_requests import request_retraining
from mesh_catalog.catalog.reviews import open_review
from mesh_catalog.errors import NotFoundError
from mesh_catalog.models.mirror import mirror_or_say
from mesh_catalog.models.policy_words import require_sound_policy
from mesh_catalog.models.split import LEAST_ROWS
from mesh_catalog.retraining.facts import Request
from mesh_catalog.retraining.lease import LEASE_SECONDS, leased
from mesh_catalog.retraining.policy import Decision, decide
from mesh_catalog.retraining.reading import learned_all, read_facts, rows_since
from mesh_catalog.retraining.rollout import StepwiseRollout
from mesh_catalog.retraining.steps import Turn, take_steps
from mesh_catalog.retraining.trainer import SparkTrainer

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from mesh_catalog.access.mesh import Mesh
    from mesh_catalog.retraining.facts import Facts
    from mesh_catalog.retraining.trainer import Rollout, Trainer
    from mesh_catalog.specs import ModelSpec

__all__ = ["RetrainResult", "plan_retraining", "retrain_model"]

Action = Literal["keep", "wait", "promote", "reject", "failed"]
"""keep: no training was called for; wait: for a person, a rollout or the next turn; the others: what became of it."""


@dataclass(frozen=True, kw_only=True)
class RetrainResult:
    """How a turn of the loop ended."""

    model: str
    action: Action
    reasons: tuple[str, ...]
    champion: int | None
    step: str | None = None
    """Where the retraining stands; None where there is none."""
    challenger: int | None = None
    evidence: Mapping[str, Any] | None = None
    resumed: bool = False
    review: str | None = None
    """The review that waits for a person."""


def retrain_model(
    session: Callable[[], SparkSession],
    mesh: Mesh,
    model: ModelSpec,
    *,
    force: bool = False,
    reason: str = "asked for by hand",
    tell: Callable[[str], None] = lambda _line: None,
    trainer: Trainer | None = None,
    rollout: Rollout | None = None,
    stop: Callable[[], bool] = lambda: False,
    lease_seconds: float = LEASE_SECONDS,
) -> RetrainResult:
    """Take the loop one turn: decide, train, compare, promote or reject; or go on where a killed turn stopped.

    Args:
        session: Opens Spark; called only where a training or comparison is due.
        force: Train whatever the verdicts say; kept as a request by hand.
        reason: Of the request.
        tell: Given a line of progress at each step.
        trainer: Who trains and compares; Spark where None.
        rollout: Who brings a challenger into production; where None, step by step if model.yaml says so, else at once.
        stop: Asked between two steps: True leaves the rest to the next turn.
        lease_seconds: After so long a dead runner's model is free.

    Raises:
        NotFoundError: The model has no champion yet.
        DocumentError: A word of its model.yaml means nothing; a retraining that is under way goes on all the same.
        ConflictError: Another runner works on this model.
        StorageError: The catalog, a table or MLflow cannot be used; the next turn goes on at the same step.
    """
    if open_retraining(mesh.catalog, model.name) is None:
        require_sound_policy(mesh.workspace, model)
    if force:
        request_retraining(mesh.catalog, model.name, kind="hand", reason=reason, principal=mesh.principal)
    with leased(mesh.catalog, model.name, seconds=lease_seconds) as lease:
        _mirror(mesh, model, tell)
        record = open_retraining(mesh.catalog, model.name)
        resumed = record is not None
        if record is None:
            begun = _begin(mesh, model, tell)
            if isinstance(begun, RetrainResult):
                return begun
            record = begun
        elif record.step != "waiting_approval":
            tell(f"goes on with the retraining that stopped at step '{record.step}'")
        turn = Turn(
            mesh=mesh,
            model=model,
            trainer=trainer or SparkTrainer(session, tell),
            rollout=rollout or (StepwiseRollout() if model.rollout else None),
            lease=lease,
            tell=tell,
            stop=stop,
        )
        record = take_steps(turn, record)
        _mirror(mesh, model, tell)
        return _told(mesh, record, resumed=resumed)


def plan_retraining(mesh: Mesh, model: ModelSpec, *, asked: str | None = None) -> Decision:
    """What the loop would decide now; nothing is begun.

    Args:
        asked: The reason of a request by hand, as if it had been made.

    Raises:
        DocumentError: A word of its model.yaml means nothing.
    """
    unfinished = open_retraining(mesh.catalog, model.name)
    if unfinished is not None:
        return Decision(train=True, reasons=(f"a retraining stopped at step '{unfinished.step}' and goes on",))
    require_sound_policy(mesh.workspace, model)
    facts = read_facts(mesh, model)
    if asked is not None:
        facts = replace(facts, requests=(*facts.requests, Request(id="", trigger="hand", reason=asked)))
    return decide(facts, model.retrain)


def _begin(mesh: Mesh, model: ModelSpec, tell: Callable[[str], None]) -> RetrainingRecord | RetrainResult:
    """Begin a retraining; or say why none is begun."""
    champion = read_alias(mesh.catalog, model.name, "champion")
    if champion is None:
        raise NotFoundError(f"{model.name}: has no champion yet. Train one: mesh train {model.name}")
    facts = read_facts(mesh, model)
    decision = decide(facts, model.retrain)
    reasons = decision.reasons
    if any(trigger.kind == "hand" for trigger in decision.triggers):
        same = learned_all(mesh, model)
        reasons += (f"nothing is new since v{same}: learns from the same rows",) if same is not None else ()
    tell("; ".join(reasons))
    if decision.train:
        since = _learn_since(mesh, model, decision, tell)
        state = {
            **_begun(facts, decision),
            "reasons": list(reasons),
            "answers": list(decision.answers),
            "search": list(decision.search),
            "fits": decision.fits,
            "data_from": since.isoformat() if since else None,
            "obliged": decision.obliged,
            "recovery": decision.recovery.to_state() if decision.recovery else None,
        }
        asked = [one.id for one in facts.requests]
        return begin_retraining(mesh.catalog, model.name, state, requests=asked)
    if decision.again is not None:
        look = {**_begun(facts, decision), "again": decision.again.id, "challenger": decision.again.refused}
        return begin_retraining(mesh.catalog, model.name, {**look, "champion": champion}, step="trained")
    review = _open_review(mesh, model, decision) if decision.review else facts.review
    if decision.review and review is not None:
        tell(f"opened the review {review[:8]}")
    return RetrainResult(model=model.name, action="keep", reasons=decision.reasons, champion=champion, review=review)


def _begun(facts: Facts, decision: Decision) -> dict[str, Any]:
    return {
        "reasons": list(decision.reasons),
        "triggers": [
            {"kind": one.kind, "reason": one.reason, "evidence": dict(one.evidence)} for one in decision.triggers
        ],
        "clock": facts.clock.isoformat() if facts.clock else None,
    }


def _learn_since(mesh: Mesh, model: ModelSpec, decision: Decision, tell: Callable[[str], None]) -> datetime | None:
    """Where the alarm began; None where too little came since to learn from."""
    if decision.data_from is None or model.retrain.window != "since_drift":
        return decision.data_from
    least = max(model.retrain.since_rows, LEAST_ROWS)  # of fewer nothing is trained at all
    found = rows_since(mesh, model, decision.data_from)
    if found >= least:
        return decision.data_from
    tell(f"{found:,} labelled rows came since the drift, {least:,} are needed: learns from what split says")
    return None


def _open_review(mesh: Mesh, model: ModelSpec, decision: Decision) -> str:
    """A review with what the trainings that did not help were compared on."""
    unhelpful = [one.id for one in decision.unhelpful]
    recoveries = {one.id: one.recovery for one in decision.unhelpful}
    tried = [record for record in read_retrainings(mesh.catalog, model.name) if record.id in unhelpful]
    evidence = {
        "triggers": [{"kind": one.kind, "reason": one.reason} for one in decision.triggers],
        "trainings": [
            {
                "id": record.id,
                "outcome": record.outcome,
                "searched": record.state.get("searched", []),
                "comparison": record.state.get("comparison"),
                "recovery": recovery.to_state() if (recovery := recoveries[record.id]) else None,
                "reasons": list(record.reasons),
            }
            for record in tried
        ],
    }
    review_id = f"{unhelpful[0]}-review" if unhelpful else None
    return open_review(mesh.catalog, model.name, reason=decision.reasons[-1], evidence=evidence, review_id=review_id).id


def _mirror(mesh: Mesh, model: ModelSpec, tell: Callable[[str], None]) -> None:
    """Tell MLflow what it does not know; a server that cannot be reached is told by the next turn."""
    if untold := mirror_or_say(mesh, model.name):
        tell(untold)


def _told(mesh: Mesh, record: RetrainingRecord, *, resumed: bool) -> RetrainResult:
    challenger = record.state.get("challenger")
    action: Any = record.outcome or "wait"
    return RetrainResult(
        model=record.model,
        action=action,
        reasons=record.reasons or tuple(record.state.get("waits", ())),
        champion=read_alias(mesh.catalog, record.model, "champion"),
        step=record.step,
        challenger=None if challenger is None else int(challenger),
        evidence=record.state.get("comparison"),
        resumed=resumed,
    )

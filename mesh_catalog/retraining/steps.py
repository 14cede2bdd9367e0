"""The steps of a retraining. Each takes the row as it is, does its work once, and gives the row as it is then.

A step that fails leaves the row where it was: the next turn tries it again. What cannot be done in `TRIES` turns is
given up, with a review that says why; a storage that is away does not count as a try.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from mesh_catalog.catalog.approvals import read_approval
from mesh_catalog.catalog.decisions import (
    DecisionAction,
    DecisionRecord,
    RetrainingRecord,
    advance_retraining,
    read_retraining,
    settle_retraining,
)
from mesh_catalog.catalog.models import read_alias
from mesh_catalog.catalog.reviews import open_review
from mesh_catalog.catalog.store import utc_now
from mesh_catalog.errors import ConflictError, GateRefusedError, MeshError, StorageError
from mesh_catalog.retraining.approval import approval_needed
from mesh_catalog.retraining.compare import Comparison
from mesh_catalog.retraining.search import Variant, draw_variants, plain_variant
from mesh_catalog.retraining.trainer import Rollout, Trainer
from mesh_catalog.specs import LESS_IS_BETTER

if TYPE_CHECKING:
    from mesh_catalog.access.mesh import Mesh
    from mesh_catalog.retraining.lease import Lease
    from mesh_catalog.specs import ModelSpec

__all__ = ["TRIES", "Turn", "take_steps"]

TRIES = 5
"""After so many turns that got no further at a step, a retraining is given up."""


@dataclass(frozen=True, kw_only=True)
class Turn:
    """What the steps of one turn work with."""

    mesh: Mesh
    model: ModelSpec
    trainer: Trainer
    rollout: Rollout | None
    lease: Lease
    tell: Callable[[str], None]
    stop: Callable[[], bool]


def take_steps(turn: Turn, record: RetrainingRecord) -> RetrainingRecord:
    """Go on from where the row stands until it is settled, or has to wait."""
    while record.outcome is None and not turn.stop():
        turn.lease.require()
        step = _STEPS[record.step]
        found = _tried(turn, record, step)
        if found is None:
            break
        record = found
    return record


def _tried(
    turn: Turn, record: RetrainingRecord, step: Callable[[Turn, RetrainingRecord], RetrainingRecord | None]
) -> RetrainingRecord | None:
    heavy, tries = record.step in _HEAVY, int(record.state.get("tries", 0))
    if heavy and tries >= TRIES:
        return _give_up(turn, record)
    if heavy:
        record = _written(turn, record, record.step, tries=tries + 1)
    try:
        return step(turn, record)
    except StorageError:
        if heavy:
            _written(turn, read_retraining(turn.mesh.catalog, record.id), record.step, tries=tries)
        turn.tell(f"stays at step '{record.step}', where the next turn goes on")
        raise
    except ConflictError:
        raise  # somebody else has the row now
    except MeshError as error:
        _written(turn, read_retraining(turn.mesh.catalog, record.id), record.step, error=str(error))
        raise


def _written(turn: Turn, record: RetrainingRecord, step: str, **state: Any) -> RetrainingRecord:
    """The row at a step, with what is to be remembered; refused where somebody else went on."""
    turn.lease.require()
    got_further = {"error": None} if step != record.step else {}
    told = {**record.state, **got_further, **state}
    return advance_retraining(turn.mesh.catalog, record.id, step, told, after=record.step)


def _train(turn: Turn, record: RetrainingRecord) -> RetrainingRecord:
    variant = _chosen(turn, record)
    if isinstance(variant, RetrainingRecord):
        return variant
    turn.tell(f"trains a challenger on the newest data{f': {variant.text}' if variant.text else ''}")
    version = turn.trainer.train(turn.mesh, variant.applied(turn.model), retraining_id=record.id)
    champion = read_alias(turn.mesh.catalog, turn.model.name, "champion")
    return _written(turn, record, "trained", challenger=version, champion=champion, tries=0, variant=variant.to_state())


def _chosen(turn: Turn, record: RetrainingRecord) -> Variant | RetrainingRecord:
    """What to train; or the row with one more candidate of the search tried out."""
    plain = plain_variant(turn.model, data_from=_moment(record.state.get("data_from")))
    parts = record.state.get("search", ())
    if not parts:
        return plain
    fits = record.state.get("fits")
    most = turn.model.tune.trials if fits is None else min(turn.model.tune.trials, int(fits) - 1)
    candidates = [plain, *draw_variants(turn.model, parts, count=max(0, most - 1), seed=record.id, plain=plain)]
    tried: list[Mapping[str, Any]] = list(record.state.get("searched", ()))
    if len(tried) < min(len(candidates), most):
        candidate = candidates[len(tried)]
        turn.tell(f"tries {len(tried) + 1} of {min(len(candidates), most)}: {candidate.text or 'as model.yaml says'}")
        score = turn.trainer.try_out(turn.mesh, candidate.applied(turn.model))
        tried.append({"variant": candidate.to_state(), turn.model.metric: score})
        return _written(turn, record, "decided", searched=tried, tries=0)
    if not tried:
        return plain
    better = min if turn.model.metric in LESS_IS_BETTER else max
    best = better(range(len(tried)), key=lambda place: float(tried[place][turn.model.metric]))
    return candidates[best]


def _compare(turn: Turn, record: RetrainingRecord) -> RetrainingRecord:
    try:
        comparison = turn.trainer.compare(
            turn.mesh,
            turn.model,
            champion=int(record.state["champion"]),
            challenger=int(record.state["challenger"]),
            obliged=bool(record.state.get("obliged")),
            again="again" in record.state,
        )
    except GateRefusedError as error:  # the rows stay what they are: another try would tell the same
        return _settle(turn, record, "reject", (str(error),))
    turn.tell(comparison.sentence)
    return _written(turn, record, "compared", comparison=comparison.to_state(), tries=0)


def _ask(turn: Turn, record: RetrainingRecord) -> RetrainingRecord:
    comparison = Comparison.from_state(record.state["comparison"])
    if not comparison.passes:
        return _settle(turn, record, "reject", (comparison.sentence,))
    why = approval_needed(turn.model)
    if why is None:
        return _written(turn, record, "rolling")
    version = record.state["challenger"]
    waits = f"waits for approval, since {why}: mesh approve {turn.model.name} v{version}"
    return _written(turn, record, "waiting_approval", waits=[comparison.sentence, waits])


def _await_approval(turn: Turn, record: RetrainingRecord) -> RetrainingRecord | None:
    said = read_approval(turn.mesh.catalog, record.id)
    if said is None:
        turn.tell(record.state["waits"][-1])
        return None
    comparison = Comparison.from_state(record.state["comparison"])
    if not said.approved:
        told = f"rejected by {said.principal}: {said.reason}"
        return _settle(turn, record, "reject", (comparison.sentence, told), principal=said.principal)
    approval = {"principal": said.principal, "reason": said.reason, "at": said.at.isoformat()}
    return _written(turn, record, "rolling", approval=approval)


def _roll(turn: Turn, record: RetrainingRecord) -> RetrainingRecord | None:
    comparison = Comparison.from_state(record.state["comparison"])
    approval = record.state.get("approval")
    reasons = [comparison.sentence, *([f"approved by {approval['principal']}"] if approval else [])]
    champion = read_alias(turn.mesh.catalog, turn.model.name, "champion")
    # a rollout moves the alias itself, so that after a kill it may stand at the challenger already
    if champion not in (int(record.state["champion"]), int(record.state["challenger"])):
        why = f"the champion is v{champion} by now, and v{record.state['champion']} was compared with"
        return _settle(turn, record, "reject", (*reasons, why))
    if turn.rollout is None:
        return _settle(turn, record, "promote", tuple(reasons))
    stock = turn.rollout.turn(
        turn.mesh,
        turn.model,
        champion=int(record.state["champion"]),
        challenger=int(record.state["challenger"]),
        retraining_id=record.id,
    )
    if stock.action in ("promote", "back"):
        told = (*reasons, *stock.reasons)
        action: DecisionAction = "promote" if stock.action == "promote" else "reject"
        now = read_alias(turn.mesh.catalog, turn.model.name, "champion")
        if action == "promote" and now != int(record.state["challenger"]):
            action, told = "reject", (*told, f"it took over, and was rolled back to v{now} since")
        return _settle(turn, record, action, told, evidence={"rollout": dict(stock.evidence)})
    turn.tell(f"rolls out v{record.state['challenger']}: {'; '.join(stock.reasons)}")
    _written(turn, record, "rolling", waits=list(stock.reasons), rollout=dict(stock.evidence))
    return None


def _settle(
    turn: Turn,
    record: RetrainingRecord,
    action: DecisionAction,
    reasons: tuple[str, ...],
    *,
    principal: str | None = None,
    evidence: Mapping[str, Any] | None = None,
) -> RetrainingRecord:
    """Decision, aliases and the row's end in one transaction; an obligation that is not met opens a review before."""
    challenger = record.state.get("challenger")
    champion = read_alias(turn.mesh.catalog, turn.model.name, "champion")
    told = (*record.state["reasons"], *reasons)
    if record.state.get("obliged") and action != "promote":
        _open_review(turn, record, "the champion must not stay, and no version could take its place", told)
    elif action == "failed":
        _open_review(turn, record, reasons[-1], told)
    approval = record.state.get("approval")
    decision = DecisionRecord(
        id=record.id,
        model=turn.model.name,
        action=action,
        reasons=told,
        at=utc_now(),
        principal=principal or (approval["principal"] if approval else turn.mesh.principal),
        from_version=record.state.get("champion", champion),
        to_version=challenger if action == "promote" else champion,
        evidence={
            **(record.state.get("comparison") or {}),
            "triggers": record.state.get("triggers", []),
            **({"approval": approval} if approval else {}),
            **(evidence or {}),
        },
    )
    aliases = {"challenger": None, **({"champion": int(record.state["challenger"])} if action == "promote" else {})}
    turn.lease.require()
    settle_retraining(turn.mesh.catalog, decision, aliases=aliases)
    turn.tell(f"champion is v{challenger}" if action == "promote" else f"champion stays v{champion}")
    return read_retraining(turn.mesh.catalog, record.id)


def _give_up(turn: Turn, record: RetrainingRecord) -> RetrainingRecord:
    last = f", the last time: {record.state['error']}" if record.state.get("error") else ""
    return _settle(turn, record, "failed", (f"given up at step '{record.step}' after {TRIES} tries{last}",))


def _open_review(turn: Turn, record: RetrainingRecord, reason: str, told: tuple[str, ...]) -> None:
    evidence = {"retraining": record.id, "reasons": list(told), "comparison": record.state.get("comparison")}
    review = open_review(
        turn.mesh.catalog, turn.model.name, reason=reason, evidence=evidence, review_id=f"{record.id}-review"
    )
    turn.tell(f"opened the review {review.id[:8]}: {reason}")


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


_HEAVY = ("decided", "trained")
"""The steps that run somebody's data and code, and so may fail for good."""
_STEPS: Mapping[str, Callable[[Turn, RetrainingRecord], RetrainingRecord | None]] = {
    "decided": _train,
    "trained": _compare,
    "compared": _ask,
    "waiting_approval": _await_approval,
    "rolling": _roll,
}

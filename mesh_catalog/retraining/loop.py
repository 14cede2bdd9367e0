"""The retraining state machine: decided → trained → compared → settled.

Every step is written to the catalog before the next begins and can be repeated without doing its work twice, so a
killed run is taken up by the next call at the step it had reached. A lease keeps two runners apart; it is renewed while
its holder lives, so a dead holder's lease ends within seconds.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Event, Thread
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any, Literal
from uuid import uuid4

from mesh_catalog.catalog.decisions import (
    DecisionRecord,
    RetrainingRecord,
    advance_retraining,
    begin_retraining,
    finish_retraining,
    open_retraining,
    read_retrainings,
    record_decision,
)
from mesh_catalog.catalog.leases import acquire_lease, release_lease, renew_lease
from mesh_catalog.catalog.models import read_alias, set_alias
from mesh_catalog.catalog.verdicts import read_verdicts
from mesh_catalog.errors import ConflictError, NotFoundError
from mesh_catalog.retraining.compare import Comparison, compare_versions
from mesh_catalog.retraining.policy import Decision, decide

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from mesh_catalog.access.mesh import Mesh
    from mesh_catalog.specs import ModelSpec

__all__ = ["RetrainResult", "plan_retraining", "retrain_model"]

_log = logging.getLogger(__name__)
_LEASE_SECONDS = 20
Action = Literal["keep", "promote", "reject"]
"""keep: no training was called for; promote, reject: what became of the challenger."""


@dataclass(frozen=True, kw_only=True)
class RetrainResult:
    """How a call of the loop ended."""

    model: str
    action: Action
    reasons: tuple[str, ...]
    champion: int | None
    challenger: int | None = None
    evidence: Mapping[str, Any] | None = None
    resumed: bool = False


def retrain_model(
    session: Callable[[], SparkSession],
    mesh: Mesh,
    model: ModelSpec,
    *,
    force: bool = False,
    tell: Callable[[str], None] = lambda _line: None,
) -> RetrainResult:
    """Take the loop one turn: decide, train, compare, promote or reject; or go on where a killed turn stopped.

    Args:
        session: Opens Spark; called only where a training or comparison is due.
        force: Train whatever the verdicts say.
        tell: Given a line of progress at each step.

    Raises:
        NotFoundError: The model has no champion yet.
        ConflictError: Another runner works on this model.
    """
    with _leased(mesh, model.name):
        record = open_retraining(mesh.catalog, model.name)
        resumed = record is not None
        if record is None:
            if read_alias(mesh.catalog, model.name, "champion") is None:
                raise NotFoundError(f"{model.name}: has no champion yet. Train one: mesh train {model.name}")
            decision, settled = _decide(mesh, model, force=force)
            tell("; ".join(decision.reasons))
            if not decision.train:
                return RetrainResult(
                    model=model.name,
                    action="keep",
                    reasons=decision.reasons,
                    champion=read_alias(mesh.catalog, model.name, "champion"),
                )
            record = begin_retraining(mesh.catalog, model.name, {"verdict": settled, "reasons": list(decision.reasons)})
        else:
            tell(f"goes on with the retraining that stopped at step '{record.step}'")
        return _run_steps(session, mesh, model, record, tell, resumed=resumed)


def plan_retraining(mesh: Mesh, model: ModelSpec) -> Decision:
    """What the loop would decide now; nothing is begun."""
    unfinished = open_retraining(mesh.catalog, model.name)
    if unfinished is not None:
        return Decision(train=True, reasons=(f"a retraining stopped at step '{unfinished.step}' and goes on",))
    return _decide(mesh, model, force=False)[0]


def _decide(mesh: Mesh, model: ModelSpec, *, force: bool) -> tuple[Decision, str | None]:
    verdicts = read_verdicts(mesh.catalog, model.name, kind="data_drift", limit=model.retrain.of)
    newest = verdicts[0].id if verdicts else None
    if force:
        return Decision(train=True, reasons=("asked for by hand",)), newest
    earlier = read_retrainings(mesh.catalog, model.name)
    last = max(earlier, key=lambda r: r.started_at, default=None)
    decision = decide(
        verdicts,
        model.retrain,
        last_trained_until=_trained_until(mesh, model),
        settled_verdict=last.state.get("verdict") if last else None,
    )
    return decision, newest


def _trained_until(mesh: Mesh, model: ModelSpec) -> datetime | None:
    """End of the data of the newest training, whatever became of it."""
    from mesh_catalog.catalog.runs import latest_version

    latest = latest_version(mesh.catalog, model.training_name)
    return latest.event_to if latest else None


def _run_steps(
    session: Callable[[], SparkSession],
    mesh: Mesh,
    model: ModelSpec,
    record: RetrainingRecord,
    tell: Callable[[str], None],
    *,
    resumed: bool,
) -> RetrainResult:
    if record.step == "decided":
        record = _train(session(), mesh, model, record, tell)
    if record.step == "trained":
        record = _compare(session(), mesh, model, record, tell)
    return _settle(mesh, model, record, tell, resumed=resumed)


def _train(
    spark: SparkSession, mesh: Mesh, model: ModelSpec, record: RetrainingRecord, tell: Callable[[str], None]
) -> RetrainingRecord:
    from mesh_catalog.models.train import train_model

    tell("trains a challenger on the newest data")
    result = train_model(spark, mesh, model, run_id=record.id, retraining_id=record.id)
    state = {
        **record.state,
        "challenger": result.version,
        "champion": read_alias(mesh.catalog, model.name, "champion"),
    }
    return advance_retraining(mesh.catalog, record.id, "trained", state)


def _compare(
    spark: SparkSession, mesh: Mesh, model: ModelSpec, record: RetrainingRecord, tell: Callable[[str], None]
) -> RetrainingRecord:
    comparison = compare_versions(
        spark, mesh, model, champion=int(record.state["champion"]), challenger=int(record.state["challenger"])
    )
    tell(comparison.sentence)
    return advance_retraining(
        mesh.catalog, record.id, "compared", {**record.state, "comparison": comparison.to_state()}
    )


def _settle(
    mesh: Mesh, model: ModelSpec, record: RetrainingRecord, tell: Callable[[str], None], *, resumed: bool
) -> RetrainResult:
    from mesh_catalog.models.registry import open_registry

    comparison = Comparison.from_state(record.state["comparison"])
    challenger, champion = int(record.state["challenger"]), int(record.state["champion"])
    action: Action = "promote" if comparison.passes else "reject"
    reasons = (*record.state["reasons"], comparison.sentence)
    now = datetime.now(UTC)
    registry = open_registry(mesh.settings)
    if comparison.passes:
        registry.set_alias(model.name, "champion", challenger)
        set_alias(mesh.catalog, model.name, "champion", challenger, reason=comparison.sentence, at=now)
    registry.set_alias(model.name, "challenger", None)
    set_alias(mesh.catalog, model.name, "challenger", None, reason=f"{action} of v{challenger}", at=now)
    record_decision(
        mesh.catalog,
        DecisionRecord(
            id=record.id,
            model=model.name,
            action=action,
            reasons=reasons,
            at=now,
            principal=mesh.principal,
            from_version=champion,
            to_version=challenger if comparison.passes else champion,
            evidence=comparison.to_state(),
        ),
    )
    finish_retraining(mesh.catalog, record.id, action, reasons)
    tell(f"champion is v{challenger}" if comparison.passes else f"champion stays v{champion}")
    return RetrainResult(
        model=model.name,
        action=action,
        reasons=reasons,
        champion=challenger if comparison.passes else champion,
        challenger=challenger,
        evidence=comparison.to_state(),
        resumed=resumed,
    )


@contextmanager
def _leased(mesh: Mesh, model: str) -> Iterator[None]:
    """Hold the model's lease, renewed in the background; wait for a dead holder's to end."""
    name, holder = f"retrain:{model}", uuid4().hex
    until = monotonic() + _LEASE_SECONDS + 5
    while not acquire_lease(mesh.catalog, name, holder=holder, seconds=_LEASE_SECONDS):
        if monotonic() > until:
            raise ConflictError(f"{model}: another runner retrains it now. Wait for it, then try again.")
        sleep(1)
    ended = Event()

    def renew() -> None:
        while not ended.wait(_LEASE_SECONDS / 4):
            renew_lease(mesh.catalog, name, holder=holder, seconds=_LEASE_SECONDS)

    thread = Thread(target=renew, name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        release_lease(mesh.catalog, name, holder=holder)

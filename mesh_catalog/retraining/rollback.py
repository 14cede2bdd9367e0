"""Back to the champion before, or to a version by number: moves aliases, touches no data, starts no Spark."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import uuid4

from mesh_catalog.catalog.decisions import DecisionRecord, record_decision
from mesh_catalog.catalog.models import alias_history, read_alias, read_model_versions
from mesh_catalog.catalog.store import utc_now
from mesh_catalog.errors import GateRefusedError, NotFoundError
from mesh_catalog.models.mirror import Mirror, mirror_decisions, mirror_later, mirror_or_say
from mesh_catalog.retraining.rollout import end_rollout

if TYPE_CHECKING:
    from mesh_catalog.access.mesh import Mesh
    from mesh_catalog.catalog.store import Catalog

__all__ = ["RollbackResult", "previous_champion", "rollback_model"]


@dataclass(frozen=True, kw_only=True)
class RollbackResult:
    model: str
    from_version: int
    to_version: int
    untold: str | None = None
    """Why MLflow does not know of it yet, in a sentence."""


def rollback_model(
    mesh: Mesh,
    model: str,
    *,
    to_version: int | None = None,
    reason: str = "asked for by hand",
    mirror: Mirror = mirror_decisions,
) -> RollbackResult:
    """Make an earlier version the champion again; an open rollout ends first, all back.

    Args:
        to_version: Which; where None, the one that an open rollout was to replace, else the champion before this one.

    Raises:
        NotFoundError: No champion, or no such version.
        GateRefusedError: There was no champion before this one.
    """
    known = {record.version for record in read_model_versions(mesh.catalog, model)}
    if to_version is not None and to_version not in known:
        raise NotFoundError(
            f"{model}: no version v{to_version}. There is: {', '.join(f'v{v}' for v in sorted(known))}."
        )
    # MLflow is told last: were it an error that it is away, whoever tries again would go back two versions
    ended = end_rollout(mesh, model, reason=f"rollback: {reason}", mirror=mirror_later)
    if ended is not None and ended.action == "back" and to_version in (None, ended.champion):
        # what came last is the rollout: it is what one step back undoes
        untold = mirror_or_say(mesh, model, mirror)
        return RollbackResult(model=model, from_version=ended.challenger, to_version=ended.champion, untold=untold)
    current = read_alias(mesh.catalog, model, "champion")
    if current is None:
        raise NotFoundError(f"{model}: has no champion to roll back from.")
    target = previous_champion(mesh.catalog, model) if to_version is None else to_version
    decision = DecisionRecord(
        id=uuid4().hex,
        model=model,
        action="rollback",
        reasons=(reason,),
        at=utc_now(),
        principal=mesh.principal,
        from_version=current,
        to_version=target,
        evidence={},
    )
    record_decision(mesh.catalog, decision, aliases={"champion": target})
    untold = mirror_or_say(mesh, model, mirror)
    return RollbackResult(model=model, from_version=current, to_version=target, untold=untold)


def previous_champion(catalog: Catalog, model: str) -> int:
    """The champion before the present one; a version that was rolled back from is not gone back to.

    Raises:
        NotFoundError: The model has no champion.
        GateRefusedError: There was no champion before this one.
    """
    current = read_alias(catalog, model, "champion")
    if current is None:
        raise NotFoundError(f"{model}: has no champion to roll back from.")
    stack: list[int] = []
    for change in alias_history(catalog, model, "champion"):
        if change.version is None:
            continue
        if change.version in stack:
            del stack[stack.index(change.version) + 1 :]
        else:
            stack.append(change.version)
    earlier = stack[: stack.index(current)]
    if not earlier:
        raise GateRefusedError(
            f"{model}: v{current} is the first champion; there is none to go back to. Name one: --to"
        )
    return earlier[-1]

"""How the loop of a model stands, for whoever looks: what is open, what it waits for, what is left of the budget."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mesh_catalog.catalog.decisions import open_retraining
from mesh_catalog.catalog.mirroring import read_unmirrored
from mesh_catalog.catalog.retrain_requests import open_requests
from mesh_catalog.catalog.reviews import open_review_of
from mesh_catalog.catalog.rollouts import read_rollouts
from mesh_catalog.errors import MeshError
from mesh_catalog.retraining.policy import budget_left, decide
from mesh_catalog.retraining.reading import read_facts

if TYPE_CHECKING:
    from mesh_catalog.access.mesh import Mesh
    from mesh_catalog.specs import ModelSpec

__all__ = ["LoopStatus", "read_status"]


@dataclass(frozen=True, kw_only=True)
class LoopStatus:
    """The loop of one model, now."""

    step: str | None
    """Where the open retraining stands; None where none is open."""
    challenger: int | None
    waits: tuple[str, ...]
    """For whom or what, as sentences."""
    error: str | None
    """Why the open retraining got no further the last time."""
    review: str | None
    """The open review's id."""
    requests: int
    """Requests that no training has taken up."""
    budget: str | None
    """`3 of 4 per month left`; None where there is no budget, or the policy is not known."""
    decides: tuple[str, ...]
    """What the next turn would say, where no retraining is open and the policy is known."""
    untold: bool
    """MLflow has not been told everything yet."""


def read_status(mesh: Mesh, name: str, model: ModelSpec | None) -> LoopStatus:
    """How the loop of a model stands.

    Args:
        model: As the workspace declares it; None where that cannot be read: then the policy is not told.

    Raises:
        StorageError: The catalog cannot be read.
    """
    record = open_retraining(mesh.catalog, name)
    review = open_review_of(mesh.catalog, name)
    state = record.state if record else {}
    waits = tuple(state.get("waits", ()))
    newest = next(iter(read_rollouts(mesh.catalog, name, limit=1)), None)
    if record is not None and newest is not None and newest.retraining_id == record.id and newest.finished_at:
        waits = ("the rollout has ended: the next turn settles the retraining",)
    budget, told = _policy(mesh, model) if model is not None else (None, ())
    return LoopStatus(
        step=record.step if record else None,
        challenger=state.get("challenger"),
        waits=waits,
        error=state.get("error"),
        review=review.id if review else None,
        requests=len(open_requests(mesh.catalog, name)),
        budget=budget,
        decides=() if record else told,
        untold=bool(read_unmirrored(mesh.catalog, name)),
    )


def _policy(mesh: Mesh, model: ModelSpec) -> tuple[str | None, tuple[str, ...]]:
    try:
        facts = read_facts(mesh, model)
    except MeshError as error:  # a KPI that cannot be computed: said, and the rest is shown
        return None, (str(error),)
    left = budget_left(facts, model.retrain)
    budget = None if left is None else f"{left} of {model.retrain.budget} left"
    return budget, decide(facts, model.retrain).reasons

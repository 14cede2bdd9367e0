"""How a model's newest rollout stands, for whoever looks: its step, what has baked, what its alarms say, what comes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from mesh_catalog.catalog.decisions import open_retraining
from mesh_catalog.catalog.rollouts import RolloutAction, RolloutRecord, read_rollouts
from mesh_catalog.errors import MeshError
from mesh_catalog.retraining.judge import Stock, step_name

if TYPE_CHECKING:
    from mesh_catalog.catalog.store import Catalog

__all__ = ["RolloutStatus", "read_rollout_status"]

Look = Callable[[RolloutRecord], Stock]


@dataclass(frozen=True, kw_only=True)
class RolloutStatus:
    """The newest rollout of one model, now."""

    champion: int
    challenger: int
    action: RolloutAction | None
    """What it ended with; None while it is under way."""
    since: datetime
    step: int
    """From 1."""
    steps: tuple[str, ...]
    """`shadow`, `10 %` and so on."""
    share: float
    """The challenger's, of the entities, 0..1."""
    rows: int | None
    """That have baked in this step; None where that is not known."""
    bake_rows: int
    alarms: tuple[Mapping[str, Any], ...]
    """Each with `alarm`, `state` (quiet, rings or unheard) and `reason`."""
    reasons: tuple[str, ...]
    """What it waits for, or why it ended."""

    @property
    def sentence(self) -> str:
        """`v2 takes over from v1: step 2 of 3 (10 %), 412 of 1,000 rows baked; then 50 %`."""
        if self.action is not None:
            word = "took over from" if self.action == "promote" else "was sent back, and did not take over from"
            return f"v{self.challenger} {word} v{self.champion}"
        baked = "rows baked are not known" if self.rows is None else f"{self.rows:,} of {self.bake_rows:,} rows baked"
        after = f"then {self.steps[self.step]}" if self.step < len(self.steps) else "then it is champion"
        place = f"step {self.step} of {len(self.steps)} ({self.steps[self.step - 1]})"
        return f"v{self.challenger} takes over from v{self.champion}: {place}, {baked}; {after}"


def read_rollout_status(catalog: Catalog, name: str, *, look: Look | None = None) -> RolloutStatus | None:
    """How the newest rollout of a model stands; None where it never had one.

    Args:
        look: Takes stock of one that is under way; what the loop's last turn found where None.

    Raises:
        StorageError: The catalog cannot be read.
    """
    record = next(iter(read_rollouts(catalog, name, limit=1)), None)
    if record is None:
        return None
    evidence, reasons = _found(catalog, record, look)
    return RolloutStatus(
        champion=record.champion,
        challenger=record.challenger,
        action=record.action,
        since=record.started_at,
        step=record.position + 1,
        steps=tuple(step_name(share) for share in record.plan.steps),
        share=record.share,
        rows=evidence.get("rows"),
        bake_rows=record.plan.bake_rows,
        alarms=tuple(evidence.get("alarms", ())),
        reasons=tuple(reasons),
    )


def _found(catalog: Catalog, record: RolloutRecord, look: Look | None) -> tuple[Mapping[str, Any], Sequence[str]]:
    if record.action is not None:
        return record.evidence, record.reasons
    if look is None:
        return _last_turn(catalog, record)
    try:
        stock = look(record)
    except MeshError as error:  # a KPI or a table that is gone: said, and the rest is shown
        return {}, (str(error),)
    return stock.evidence, stock.reasons


def _last_turn(catalog: Catalog, record: RolloutRecord) -> tuple[Mapping[str, Any], Sequence[str]]:
    """What the loop kept with its row, where that is of the step that the rollout is in now."""
    retraining = open_retraining(catalog, record.model)
    state = retraining.state if retraining is not None and retraining.id == record.retraining_id else {}
    found: Mapping[str, Any] = state.get("rollout") or {}
    if found.get("position") != record.position:
        return {}, ("no turn of the loop has looked at this step yet",)
    return found, state.get("waits", ())

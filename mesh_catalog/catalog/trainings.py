"""The trainings of a model whose challenger was compared with the champion: what the gate saw, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from mesh_catalog.catalog.decisions import RetrainingRecord, read_retrainings
from mesh_catalog.catalog.store import Catalog

__all__ = ["ComparedTraining", "read_compared_trainings"]


@dataclass(frozen=True, kw_only=True)
class ComparedTraining:
    """A challenger beside the champion on the same rows."""

    began_at: datetime
    stands: str
    """promote, reject or failed; the step where it stands while it is open."""
    champion_version: int
    challenger_version: int
    metric: str
    rows: int
    champion: float
    challenger: float
    difference: float
    """Above zero where the challenger is better, whatever the metric."""
    low: float
    high: float
    """Of the difference's 95 % interval, by paired bootstrap."""
    better_share: float
    needed_share: float
    reason: str
    """The last of what was told of it."""


def read_compared_trainings(catalog: Catalog, model: str, limit: int = 10) -> tuple[ComparedTraining, ...]:
    """The newest first; also one that still waits for a person or rolls out."""
    found = read_retrainings(catalog, model, limit)
    return tuple(_compared(one) for one in found if one.state.get("comparison"))


def _compared(record: RetrainingRecord) -> ComparedTraining:
    seen = record.state["comparison"]
    told = record.reasons or record.state.get("waits") or record.state.get("reasons") or ("",)
    return ComparedTraining(
        began_at=record.started_at,
        stands=record.outcome or record.step,
        champion_version=int(seen["champion_version"]),
        challenger_version=int(seen["challenger_version"]),
        metric=seen["metric"],
        rows=int(seen["rows"]),
        **{
            key: float(seen[key])
            for key in ("champion", "challenger", "difference", "low", "high", "better_share", "needed_share")
        },
        reason=str(told[-1]),
    )

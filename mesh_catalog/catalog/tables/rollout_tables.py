"""Tables of rollouts: which challenger takes over from which champion, step by step."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Column, ForeignKey, Index, Named, String, Table, TypedColumns, text

from mesh_catalog.catalog.tables.base import UtcDateTime, metadata

__all__ = ["rollout_runs", "rollout_steps", "rollouts"]


class _Rollouts(TypedColumns):
    id = Column(String, primary_key=True)
    model: Named[str] = Column(ForeignKey("models.name"))
    champion: Named[int]
    challenger: Named[int]
    retraining_id: Named[str | None]
    plan: Named[dict[str, Any]] = Column(JSON)
    position: Named[int]
    event_from: Named[datetime | None] = Column(UtcDateTime)
    action: Named[str | None]
    """Decided, and perhaps not carried out yet: promote or back."""
    reasons: Named[list[str]] = Column(JSON)
    evidence: Named[dict[str, Any]] = Column(JSON)
    started_at: Named[datetime] = Column(UtcDateTime)
    updated_at: Named[datetime] = Column(UtcDateTime)
    finished_at: Named[datetime | None] = Column(UtcDateTime)


class _RolloutSteps(TypedColumns):
    rollout_id: Named[str] = Column(ForeignKey("rollouts.id"), primary_key=True)
    position: Named[int] = Column(primary_key=True, autoincrement=False)
    event_from: Named[datetime | None] = Column(UtcDateTime)
    began_at: Named[datetime] = Column(UtcDateTime)
    ended_at: Named[datetime | None] = Column(UtcDateTime)
    reasons: Named[list[str]] = Column(JSON)
    evidence: Named[dict[str, Any]] = Column(JSON)


class _RolloutRuns(TypedColumns):
    rollout_id: Named[str] = Column(ForeignKey("rollouts.id"), primary_key=True)
    run_id: Named[str] = Column(String, primary_key=True)
    position: Named[int]
    failure: Named[str | None]
    """Why the challenger could not score at all."""
    champion_seconds: Named[float | None]
    challenger_seconds: Named[float | None]
    rows: Named[int] = Column(BigInteger)
    """That both were timed on."""
    at: Named[datetime] = Column(UtcDateTime)


_unfinished = text("finished_at IS NULL")
rollouts = Table(
    "rollouts",
    metadata,
    _Rollouts,
    Index(None, "model", "started_at"),
    Index("uq_rollouts_open", "model", unique=True, sqlite_where=_unfinished, postgresql_where=_unfinished),
)
rollout_steps = Table("rollout_steps", metadata, _RolloutSteps)
rollout_runs = Table("rollout_runs", metadata, _RolloutRuns)

"""Tables of what was learned and decided: model versions, aliases, verdicts, retrainings, decisions."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Column, ForeignKey, Index, Named, String, Table, TypedColumns, text

from mesh_catalog.catalog.tables.base import Counted, UtcDateTime, metadata

__all__ = ["alias_moves", "decisions", "model_versions", "retrainings", "verdict_measures", "verdicts"]


class _ModelVersions(TypedColumns):
    model: Named[str] = Column(ForeignKey("models.name"), primary_key=True)
    version: Named[int] = Column(primary_key=True, autoincrement=False)
    mlflow_run_id: Named[str]
    training_version: Named[int | None] = Column(BigInteger)
    inputs: Named[dict[str, int]] = Column(JSON)
    contract_versions: Named[dict[str, str]] = Column(JSON)
    metrics: Named[dict[str, float | None]] = Column(JSON)
    algorithm: Named[str]
    code_commit: Named[str | None]
    retraining_id: Named[str | None]
    created_at: Named[datetime] = Column(UtcDateTime)


class _AliasMoves(TypedColumns):
    id: Named[int] = Column(Counted, primary_key=True)
    model: Named[str] = Column(ForeignKey("models.name"))
    alias: Named[str]
    version: Named[int | None]
    """Null: the alias was taken away."""
    reason: Named[str]
    at: Named[datetime] = Column(UtcDateTime)
    mirrored_at: Named[datetime | None] = Column(UtcDateTime)
    """When MLflow's registry was told."""


class _Verdicts(TypedColumns):
    id = Column(String, primary_key=True)
    subject: Named[str]
    """A model, or a product."""
    subject_kind: Named[str]
    kind: Named[str]
    slice: Named[str]
    window_from: Named[datetime | None] = Column(UtcDateTime)
    window_to: Named[datetime | None] = Column(UtcDateTime)
    reference: Named[str]
    current: Named[str]
    model_version: Named[int | None]
    outcome: Named[str]
    reason: Named[str]
    share: Named[float | None]
    limit: Named[float | None]
    report_html: Named[str | None]
    report_json: Named[str | None]
    reference_digest: Named[str | None]
    current_digest: Named[str | None]
    code_version: Named[str]
    created_at: Named[datetime] = Column(UtcDateTime)


class _VerdictMeasures(TypedColumns):
    verdict_id: Named[str] = Column(ForeignKey("verdicts.id"), primary_key=True)
    position: Named[int] = Column(primary_key=True, autoincrement=False)
    column: Named[str | None]
    """Null: of the whole window."""
    method: Named[str]
    score: Named[float | None]
    threshold: Named[float | None]
    outcome: Named[str]
    low: Named[float | None]
    high: Named[float | None]
    reason: Named[str | None]
    details: Named[dict[str, Any]] = Column(JSON)


class _Retrainings(TypedColumns):
    id = Column(String, primary_key=True)
    model: Named[str] = Column(ForeignKey("models.name"))
    step: Named[str]
    state: Named[dict[str, Any]] = Column(JSON)
    outcome: Named[str | None]
    reasons: Named[list[str]] = Column(JSON)
    started_at: Named[datetime] = Column(UtcDateTime)
    updated_at: Named[datetime] = Column(UtcDateTime)
    finished_at: Named[datetime | None] = Column(UtcDateTime)


class _Decisions(TypedColumns):
    id = Column(String, primary_key=True)
    model: Named[str] = Column(ForeignKey("models.name"))
    action: Named[str]
    reasons: Named[list[str]] = Column(JSON)
    at: Named[datetime] = Column(UtcDateTime)
    principal: Named[str]
    from_version: Named[int | None]
    to_version: Named[int | None]
    evidence: Named[dict[str, Any]] = Column(JSON)
    mirrored_at: Named[datetime | None] = Column(UtcDateTime)
    """When MLflow's registry was told."""


model_versions = Table("model_versions", metadata, _ModelVersions)
alias_moves = Table("alias_moves", metadata, _AliasMoves, Index(None, "model", "alias", "id"))
verdicts = Table("verdicts", metadata, _Verdicts, Index(None, "subject", "kind", "window_to"))
verdict_measures = Table("verdict_measures", metadata, _VerdictMeasures)
_unfinished = text("outcome IS NULL")
retrainings = Table(
    "retrainings",
    metadata,
    _Retrainings,
    Index(None, "model", "started_at"),
    Index("uq_retrainings_open", "model", unique=True, sqlite_where=_unfinished, postgresql_where=_unfinished),
)
decisions = Table("decisions", metadata, _Decisions, Index(None, "model", "at"))

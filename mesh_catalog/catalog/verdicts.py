"""Verdicts of monitoring: what was compared with what, and what came out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select

from mesh_catalog.catalog.models import require_model
from mesh_catalog.catalog.store import Catalog, retried, upsert
from mesh_catalog.catalog.tables import verdicts

__all__ = ["VerdictRecord", "read_verdicts", "record_verdict"]


@dataclass(frozen=True, kw_only=True)
class VerdictRecord:
    """One verdict on a model's data."""

    id: str
    model: str
    kind: str = "data_drift"
    window_from: datetime | None
    """Event time of the current window."""
    window_to: datetime | None
    reference: str
    """`product@version`"""
    current: str
    """`product@first..last`"""
    drifted: bool
    share: float
    """Drifted columns of those compared, 0..1."""
    limit: float
    """Share from which the whole counts as drifted."""
    columns: tuple[Mapping[str, Any], ...]
    report_html: str | None
    report_json: str | None
    reference_digest: str | None
    current_digest: str | None
    code_version: str
    created_at: datetime


@retried
def record_verdict(catalog: Catalog, record: VerdictRecord) -> None:
    """Keep a verdict; one whose id is known stays as it is.

    Raises:
        NotFoundError: No such model.
    """
    with catalog.write() as connection:
        require_model(connection, record.model)
        upsert(connection, verdicts, [asdict(record)])


def read_verdicts(catalog: Catalog, model: str, limit: int = 20) -> list[VerdictRecord]:
    """The newest verdicts, newest first."""
    query = (
        select(verdicts)
        .where(verdicts.c.model == model)
        .order_by(verdicts.c.created_at.desc(), verdicts.c.id)
        .limit(limit)
    )
    with catalog.read() as connection:
        rows = connection.execute(query).mappings().all()
    return [VerdictRecord(**{**row, "columns": tuple(row["columns"])}) for row in rows]

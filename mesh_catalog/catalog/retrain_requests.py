"""Requests for a training: by hand, or because a person was erased from what a model learned from.

A request is open until a retraining takes it up, in the transaction that begins it (`decisions.begin_retraining`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import uuid4

from sqlalchemy import select

from mesh_catalog.catalog.models import require_model
from mesh_catalog.catalog.store import Catalog, retried, upsert, utc_now
from mesh_catalog.catalog.tables import retrain_requests
from mesh_catalog.errors import InputError

__all__ = ["RequestKind", "RetrainRequest", "open_requests", "request_retraining"]

RequestKind = Literal["hand", "erasure"]
_TEXT_LIMIT = 1000


@dataclass(frozen=True, kw_only=True)
class RetrainRequest:
    """Somebody wants a model to be trained."""

    id: str
    model: str
    kind: RequestKind
    reason: str
    principal: str
    at: datetime
    answered_by: str | None
    """The retraining that took it up."""


@retried
def request_retraining(
    catalog: Catalog, model: str, *, kind: RequestKind, reason: str, principal: str, request_id: str | None = None
) -> str:
    """Ask for a training of a model; returns the request's id.

    Args:
        reason: Why, without anything of the person who was erased: it is kept and shown.
        request_id: Names the request; the same id again changes nothing.

    Raises:
        NotFoundError: No such model.
        InputError: No reason, or too long a one.
    """
    if not reason.strip() or len(reason) > _TEXT_LIMIT:
        raise InputError(f"{model}: asking for a training needs a reason of 1 to {_TEXT_LIMIT:,} characters.")
    row = {
        "id": request_id or uuid4().hex,
        "model": model,
        "kind": kind,
        "reason": reason.strip(),
        "principal": principal,
        "at": utc_now(),
        "answered_by": None,
    }
    with catalog.write() as connection:
        require_model(connection, model)
        upsert(connection, retrain_requests, [row])
    return str(row["id"])


def open_requests(catalog: Catalog, model: str) -> list[RetrainRequest]:
    """The requests that no retraining has taken up, oldest first."""
    table = retrain_requests.c
    query = (
        select(retrain_requests).where(table.model == model, table.answered_by.is_(None)).order_by(table.at, table.id)
    )
    with catalog.read() as connection:
        return [RetrainRequest(**row) for row in connection.execute(query).mappings()]

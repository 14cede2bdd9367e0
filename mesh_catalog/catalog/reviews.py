"""Reviews: the loop stopped, and a person has to look. At most one of a model is open; the database sees to that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import select, update

from mesh_catalog.catalog.models import require_model
from mesh_catalog.catalog.store import Catalog, dialect_insert, retried, unique_row, utc_now
from mesh_catalog.catalog.tables import reviews
from mesh_catalog.errors import ConflictError, InputError

__all__ = ["ReviewRecord", "close_review", "list_reviews", "open_review", "open_review_of", "read_review"]

_TEXT_LIMIT = 1000


@dataclass(frozen=True, kw_only=True)
class ReviewRecord:
    """Why the loop stopped, and what a person made of it."""

    id: str
    model: str
    reason: str
    evidence: Mapping[str, Any]
    opened_at: datetime
    closed_at: datetime | None = None
    closed_by: str | None = None
    resolution: str | None = None


@retried
def open_review(
    catalog: Catalog, model: str, *, reason: str, evidence: Mapping[str, Any], review_id: str | None = None
) -> ReviewRecord:
    """Open a review; where one of the model is open already, that one is told.

    Args:
        review_id: Names it; the same id again changes nothing, also where it has been closed since.

    Raises:
        NotFoundError: No such model.
    """
    record = ReviewRecord(
        id=review_id or uuid4().hex, model=model, reason=reason, evidence=dict(evidence), opened_at=utc_now()
    )
    with catalog.write() as connection:
        require_model(connection, model)
        # on conflict: of the id, or of the unique index over open ones
        connection.execute(dialect_insert(connection, reviews).values(asdict(record)).on_conflict_do_nothing())
        known = select(reviews).where(reviews.c.model == model)
        query = known.where((reviews.c.id == record.id) | reviews.c.closed_at.is_(None))
        row = connection.execute(query.order_by(reviews.c.closed_at.is_not(None))).mappings().first()
    assert row is not None
    return ReviewRecord(**row)


@retried
def close_review(catalog: Catalog, review_id: str, *, resolution: str, principal: str) -> ReviewRecord:
    """Close an open review, with what was found or done.

    Raises:
        NotFoundError: No such review.
        ConflictError: It is closed already.
        InputError: No resolution, or too long a one.
    """
    if not resolution.strip() or len(resolution) > _TEXT_LIMIT:
        raise InputError(f"review {review_id[:8]}: say what was done in 1 to {_TEXT_LIMIT:,} characters.")
    known = read_review(catalog, review_id)
    change = update(reviews).where(reviews.c.id == known.id, reviews.c.closed_at.is_(None))
    values = {"closed_at": utc_now(), "closed_by": principal, "resolution": resolution.strip()}
    with catalog.write() as connection:
        done = connection.execute(change.values(values)).rowcount
    found = read_review(catalog, known.id)
    if not done:
        raise ConflictError(f"review {known.id[:8]}: was closed by {found.closed_by} already.")
    return found


def read_review(catalog: Catalog, review_id: str) -> ReviewRecord:
    """One review, by its id or by the first characters of it.

    Raises:
        NotFoundError: There is none, or several begin so.
    """
    none = "review {}: does not exist. See: mesh review list"
    several = "review {}: several begin so: write more of it"
    with catalog.read() as connection:
        return ReviewRecord(**unique_row(connection, reviews, review_id, none=none, several=several))


def open_review_of(catalog: Catalog, model: str) -> ReviewRecord | None:
    """The model's open review."""
    found = list_reviews(catalog, model, only_open=True)
    return found[0] if found else None


def list_reviews(
    catalog: Catalog, model: str | None = None, *, only_open: bool = False, limit: int = 50
) -> list[ReviewRecord]:
    """The newest reviews, of one model or of all, newest first."""
    query = select(reviews).order_by(reviews.c.opened_at.desc(), reviews.c.id).limit(limit)
    if model is not None:
        query = query.where(reviews.c.model == model)
    if only_open:
        query = query.where(reviews.c.closed_at.is_(None))
    with catalog.read() as connection:
        return [ReviewRecord(**row) for row in connection.execute(query).mappings()]

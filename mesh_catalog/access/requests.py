"""Requests for data: who wants what, what for, who answers for it, and what was decided and why.

A log of words and decisions. It opens nothing: what a principal may read is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final, Literal
from uuid import uuid4

from sqlalchemy import RowMapping, insert, select, update

from mesh_catalog.catalog.domains import read_domain
from mesh_catalog.catalog.inventory import read_life_cycle, read_product
from mesh_catalog.catalog.store import Catalog, utc_now
from mesh_catalog.catalog.tables import data_requests
from mesh_catalog.errors import AccessDeniedError, ConflictError, InputError, NotFoundError

if TYPE_CHECKING:
    from mesh_catalog.access.mesh import Mesh

__all__ = ["DataRequest", "RequestState", "ask_for", "decide_request", "read_request", "read_requests"]

RequestState = Literal["open", "approved", "denied", "withdrawn"]
_TEXT_LIMIT: Final = 1000


@dataclass(frozen=True, kw_only=True)
class DataRequest:
    """One request, and how it ended."""

    id: str
    product: str
    principal: str
    """Who wants the data."""
    purpose: str
    owner: str | None
    """Who answered for the product when it was asked for."""
    state: RequestState
    asked_at: datetime
    asked_by: str
    """Who wrote the request."""
    decided_at: datetime | None
    decided_by: str | None
    reason: str | None


def ask_for(mesh: Mesh, product: str, *, purpose: str, principal: str | None = None) -> DataRequest:
    """Log a request for a product.

    Args:
        purpose: What for, in the asker's words.
        principal: Who wants the data; who is asking where None.

    Raises:
        NotFoundError: No such product.
        RefusedError: It is retired.
        InputError: No purpose, one that is too long, or nobody answers for the product.
        ConflictError: The principal has an open request for it.
    """
    record = read_product(mesh.catalog, product)
    read_life_cycle(mesh.catalog, product).require_use(product, utc_now().date())
    for_whom = (principal or mesh.principal).strip()
    if not purpose.strip() or len(purpose) > _TEXT_LIMIT or not for_whom or len(for_whom) > _TEXT_LIMIT:
        raise InputError(f"{product}: a request needs a purpose and a principal of 1 to {_TEXT_LIMIT:,} characters.")
    if record.owner is None:
        raise InputError(f"{product}: has no owner who could decide. Name one in domain.yaml.")
    row = {
        "id": uuid4().hex[:12],
        "product": product,
        "principal": for_whom,
        "purpose": purpose.strip(),
        "owner": record.owner,
        "state": "open",
        "asked_at": utc_now(),
        "asked_by": mesh.principal,
        "decided_at": None,
        "decided_by": None,
        "reason": None,
    }
    c = data_requests.c
    open_one = select(c.id).where(c.product == product, c.principal == for_whom, c.state == "open")
    with mesh.catalog.write() as connection:
        known = connection.execute(open_one).scalars().first()
        if known is not None:
            raise ConflictError(
                f"{product}: {for_whom} has an open request for it already, {known}. Wait, or withdraw it."
            )
        connection.execute(insert(data_requests).values(row))
    return read_request(mesh.catalog, str(row["id"]))


def read_request(catalog: Catalog, request_id: str) -> DataRequest:
    """One request.

    Raises:
        NotFoundError: There is none of this id.
    """
    with catalog.read() as connection:
        row = connection.execute(select(data_requests).where(data_requests.c.id == request_id)).mappings().one_or_none()
    if row is None:
        raise NotFoundError(f"request {request_id[:40]}: does not exist. See: mesh requests")
    return _record(row)


def read_requests(
    catalog: Catalog, product: str | None = None, *, state: RequestState | None = None, limit: int = 50
) -> list[DataRequest]:
    """The newest requests, of one product or of all, newest first."""
    query = select(data_requests).order_by(data_requests.c.asked_at.desc(), data_requests.c.id).limit(limit)
    if product is not None:
        query = query.where(data_requests.c.product == product)
    if state is not None:
        query = query.where(data_requests.c.state == state)
    with catalog.read() as connection:
        return [_record(row) for row in connection.execute(query).mappings()]


def decide_request(mesh: Mesh, request_id: str, state: RequestState, *, reason: str) -> DataRequest:
    """Decide an open request.

    Approving and denying is for the product's owner and the members of its domain; withdrawing for whoever asked.

    Raises:
        NotFoundError: No such request.
        AccessDeniedError: Somebody else is asked to decide.
        ConflictError: It is decided already.
        InputError: No reason.
    """
    request = read_request(mesh.catalog, request_id)
    if not reason.strip() or len(reason) > _TEXT_LIMIT:
        raise InputError(f"request {request_id}: a decision needs a reason of 1 to {_TEXT_LIMIT:,} characters.")
    _require_decider(mesh, request, state)
    values = {
        "state": state,
        "decided_at": utc_now(),
        "decided_by": mesh.principal,
        "reason": reason.strip(),
    }
    change = update(data_requests).where(data_requests.c.id == request_id, data_requests.c.state == "open")
    with mesh.catalog.write() as connection:
        done = connection.execute(change.values(values)).rowcount
    decided = read_request(mesh.catalog, request_id)
    if not done:
        raise ConflictError(f"request {request_id}: is {decided.state} already, by {decided.decided_by}.")
    return decided


def _require_decider(mesh: Mesh, request: DataRequest, state: RequestState) -> None:
    if state == "withdrawn":
        allowed: Sequence[str] = (request.principal, request.asked_by)
    else:
        record = read_product(mesh.catalog, request.product)
        members = read_domain(mesh.catalog, record.domain).members
        allowed = [*([record.owner] if record.owner else []), *members]
    if mesh.principal not in allowed:
        who = " or ".join(dict.fromkeys(allowed)) or "nobody: name an owner in domain.yaml"
        raise AccessDeniedError(
            f"request {request.id}: {mesh.principal} cannot make it {state}. It is for {who} to decide."
        )


def _record(row: RowMapping) -> DataRequest:
    return DataRequest(**{name: row[name] for name in DataRequest.__dataclass_fields__})

"""The only door to a product's rows.

Whoever reads, be it an analyst, a preview, a transform, a training or a monitor, asks here first and gets a ticket:
which version, which columns, where they lie, which of them are masked. The readers in `lake` take tickets and nothing
else. Every request leaves an audit event, a refused one too; where the event cannot be written, nothing is given.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, get_args

from mesh_catalog.access.audit import AuditEvent, read_audit, record_event
from mesh_catalog.access.life_cycle import use_product
from mesh_catalog.access.locations import table_location
from mesh_catalog.catalog.inventory import (
    read_contract_document,
    read_life_cycle,
    read_personal_columns,
    read_product,
    read_version_columns,
)
from mesh_catalog.catalog.models import pinned_versions
from mesh_catalog.catalog.runs import latest_version, read_versions
from mesh_catalog.catalog.store import utc_now
from mesh_catalog.contracts.rights import written_uses
from mesh_catalog.errors import AccessDeniedError, InputError, MeshError, NotFoundError, listed, nearest

if TYPE_CHECKING:
    from mesh_catalog.access.mesh import Mesh
    from mesh_catalog.contracts.contract import Column, Use

__all__ = ["AuditEvent", "Purpose", "Ticket", "find_version", "read_audit", "request_read"]

Purpose = Literal["analysis", "preview", "build", "train", "score", "monitor", "upkeep", "consent"]
_MASKING_PURPOSES = ("preview",)
_USES: Mapping[str, Use] = {
    "analysis": "analysis",
    "preview": "analysis",
    "build": "build",
    "train": "train",
    "score": "score",
}
"""Purpose of a read → what its contract calls the use; monitoring, upkeep and looking up consent are always allowed."""
_HOUSEKEEPING = ("upkeep",)
"""Purposes that nobody reads rows for: a retired product is kept in shape until it is removed."""


@dataclass(frozen=True, kw_only=True)
class Ticket:
    """Leave to read one version of one product."""

    product: str
    version: int
    columns: tuple[str, ...] | None
    """The columns to read, in this order. Always named by `request_read`, also where all were asked for."""
    location: str
    """Path or URI of the Delta table."""
    masked: tuple[str, ...]
    """Those of the columns whose values must not be shown."""
    principal: str
    purpose: Purpose
    event_id: str


def request_read(
    mesh: Mesh,
    product: str,
    *,
    purpose: Purpose,
    version: int | None = None,
    as_of: datetime | str | None = None,
    columns: Sequence[str] | None = None,
) -> Ticket:
    """Ask to read a product.

    Args:
        purpose: What for. A preview gets its personal columns masked, those included that nobody has decided about.
        version: The newest where None.
        as_of: Instead of a version, a moment: the version that readers saw then. ISO text or a datetime, UTC where it
            names no zone; a day alone means its first moment.
        columns: All that the version was published with where None.

    Raises:
        NotFoundError: No such product, version or column.
        RefusedError: The product is retired, and nobody who asks learns again from what a model learned from. Of a
            deprecated one a DeprecatedProductWarning names what to use instead.
        InputError: No such purpose, or `as_of` is no moment of the past, or comes beside a version.
        AccessDeniedError: The product's contract does not allow this use.
    """
    asked = None if columns is None else tuple(dict.fromkeys(columns))
    try:
        if purpose not in get_args(Purpose):
            raise InputError(f"{product}: '{purpose}' is not a purpose. Allowed: {listed(get_args(Purpose))}.")
        found = find_version(mesh, product, version=version, as_of=as_of)
        _require_use(mesh, product, purpose)
        if purpose not in _HOUSEKEEPING and not _is_pinned(mesh, product, found, purpose):
            use_product(product, read_life_cycle(mesh.catalog, product))
        known = read_version_columns(mesh.catalog, product, found)
        given = _resolve_columns(product, found, known, asked)
    except MeshError as refusal:
        record_event(
            mesh.catalog,
            principal=mesh.principal,
            purpose=purpose,
            product=product,
            version=version,
            columns=asked,
            allowed=False,
            reason=str(refusal),
        )
        raise
    masked = _masked(mesh, product, known, given) if purpose in _MASKING_PURPOSES else ()
    event_id = record_event(
        mesh.catalog,
        principal=mesh.principal,
        purpose=purpose,
        product=product,
        version=found,
        columns=given,
        masked=masked,
        allowed=True,
    )
    return Ticket(
        product=product,
        version=found,
        columns=given,
        location=table_location(mesh.settings, product),
        masked=masked,
        principal=mesh.principal,
        purpose=purpose,
        event_id=event_id,
    )


def _require_use(mesh: Mesh, product: str, purpose: Purpose) -> None:
    use = _USES.get(purpose)
    allowed = written_uses(read_contract_document(mesh.catalog, product)) if use else None
    if allowed is not None and use not in allowed:
        raise AccessDeniedError(
            f"{product}: its contract does not allow {use} (allowedUses: {listed(allowed) or 'none'}). Ask its owner."
        )


def _is_pinned(mesh: Mesh, product: str, version: int, purpose: Purpose) -> bool:
    """Whether a model has learned from these rows, and learns from them again: also where their product is retired."""
    return purpose == "train" and version in pinned_versions(mesh.catalog, product)


def find_version(mesh: Mesh, product: str, *, version: int | None = None, as_of: datetime | str | None = None) -> int:
    """The version that a request with these arguments would get; gives no leave to read it.

    Raises:
        NotFoundError, InputError: As `request_read`.
    """
    read_product(mesh.catalog, product)
    if as_of is not None:
        if version is not None:
            raise InputError(f"{product}: version and as_of are both given. Give one of them.")
        return _version_at(mesh, product, _moment(product, as_of))
    if version is None:
        latest = latest_version(mesh.catalog, product)
        if latest is None:
            raise NotFoundError(f"{product}: has no version yet. Publish it: mesh publish {product}")
        return latest.version
    known = [record.version for record in read_versions(mesh.catalog, product)]
    if version not in known:
        newest = f" There is: {listed(f'v{one}' for one in reversed(known))}." if known else " It has none yet."
        raise NotFoundError(f"{product}: has no version v{version}.{newest}")
    return version


def _version_at(mesh: Mesh, product: str, moment: datetime) -> int:
    records = read_versions(mesh.catalog, product)
    seen = [record.version for record in records if record.committed_at <= moment]
    if seen:
        return seen[-1]
    if not records:
        raise NotFoundError(f"{product}: has no version yet. Publish it: mesh publish {product}")
    first = records[0]
    raise NotFoundError(
        f"{product}: had no version at {moment:%Y-%m-%d %H:%M:%S} UTC. "
        f"The first is v{first.version}, of {first.committed_at:%Y-%m-%d %H:%M:%S} UTC."
    )


def _moment(product: str, as_of: datetime | str) -> datetime:
    try:
        moment = datetime.fromisoformat(as_of.strip()) if isinstance(as_of, str) else as_of
    except ValueError:
        raise InputError(
            f"{product}: as_of '{str(as_of)[:40]}' is no moment. Write for example 2026-05-01 or 2026-05-01T09:30."
        ) from None
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    if moment > utc_now():
        raise InputError(f"{product}: as_of {moment:%Y-%m-%d %H:%M:%S} UTC is in the future. Leave it out.")
    return moment


def _resolve_columns(
    product: str, version: int, known: Sequence[Column], asked: tuple[str, ...] | None
) -> tuple[str, ...]:
    names = [column.name for column in known]
    if asked is None:
        return tuple(names)
    for name in asked:
        if name not in names:
            raise NotFoundError(f"{product} v{version}: has no column '{name[:40]}'.{nearest(name, names)}")
    if not asked:
        raise InputError(f"{product}: no column is asked for. There is: {listed(names)}.")
    return asked


def _masked(mesh: Mesh, product: str, known: Sequence[Column], given: tuple[str, ...]) -> tuple[str, ...]:
    """Personal when the version was published, or since: a decision also covers rows that are already there."""
    personal = {column.name for column in known if column.personal} | read_personal_columns(mesh.catalog, product)
    return tuple(name for name in given if name in personal)

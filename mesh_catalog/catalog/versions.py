"""Versions: what each commit of a product's table holds, and under which contract it was made."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, func, insert, select, true

from mesh_catalog.catalog.store import Catalog, value_list
from mesh_catalog.catalog.tables import contracts, products, runs, versions
from mesh_catalog.errors import NotFoundError, StorageError

__all__ = [
    "NewestVersions",
    "VersionRecord",
    "appended_from",
    "contract_digest_of",
    "insert_version",
    "latest_version",
    "newest_event",
    "read_versions",
]


@dataclass(frozen=True, kw_only=True)
class VersionRecord:
    """One committed version of a product's table."""

    product: str
    version: int
    run_id: str
    contract_version: str
    mode: str
    rows: int
    """Of the batch."""
    total_rows: int | None
    quarantined_count: int
    event_from: datetime | None
    event_to: datetime | None
    profile_digest: str | None
    profile_path: str | None
    """Relative to the table."""
    committed_at: datetime
    kept_from: int
    """The oldest version whose rows may still be in the table: the last overwrite, or the first version."""


def read_versions(catalog: Catalog, product: str) -> list[VersionRecord]:
    """Every committed version, oldest first."""
    return _select_versions(catalog, select(versions).where(versions.c.product == product).order_by(versions.c.version))


def appended_from(records: Sequence[VersionRecord], version: int) -> int:
    """The oldest version whose rows, and those of every later one up to `version`, were only added to.

    The profiles of these versions together describe the table where it began with them. Where a later version replaced
    rows, its own profile is the newest that says something of the table, and of the files that it added only.
    """
    found = version
    for record in sorted((one for one in records if one.version <= version), key=lambda one: -one.version):
        found = record.version
        if record.mode != "append":
            break
    return found


def latest_version(catalog: Catalog, product: str) -> VersionRecord | None:
    query = select(versions).where(versions.c.product == product).order_by(versions.c.version.desc()).limit(1)
    found = _select_versions(catalog, query)
    return found[0] if found else None


def newest_event(catalog: Catalog, names: Collection[str]) -> datetime | None:
    """The newest event time in any version of any of these products."""
    with catalog.read() as connection:
        asked = value_list(connection, names)
        query = select(func.max(versions.c.event_to)).join(asked, asked.c.value == versions.c.product)
        found: datetime | None = connection.execute(query).scalar()
        return found


class NewestVersions:
    """Of products: the newest version, and the oldest whose rows may still be in the table. Each is read once."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[int, int] | None] = {}

    def learn(self, connection: Connection, names: Collection[str]) -> None:
        """Read those that are not known yet."""
        wanted = [name for name in names if name not in self._known]
        if not wanted:
            return
        self._known.update(dict.fromkeys(wanted))
        for product, version, kept_from in connection.execute(_newest(connection, wanted)).all():
            self._known[product] = (version, kept_from)

    def version(self, name: str) -> int | None:
        """The newest version; None where nothing was published. Of what was learned."""
        known = self._known.get(name)
        return known[0] if known else None

    def holds(self, name: str, version: int) -> bool:
        """Whether rows of a version may still be in the table. Of what was learned."""
        known = self._known.get(name)
        return known is not None and version >= known[1]


def _newest(connection: Connection, names: Collection[str]) -> Select[str, int, int]:
    """Product, newest version and the oldest whose rows may be left: one look a product, not a scan of all."""
    asked = value_list(connection, names)
    v = versions.c
    if connection.dialect.name == "postgresql":
        mine = select(v.product, v.version, v.kept_from).where(v.product == asked.c.value)
        last = mine.order_by(v.version.desc()).limit(1).lateral()
        return select(last.c.product, last.c.version, last.c.kept_from).select_from(asked.join(last, true()))
    highest = select(func.max(v.version)).where(v.product == asked.c.value).scalar_subquery()
    newest = select(asked.c.value.label("product"), highest.label("version")).subquery()
    return select(v.product, v.version, v.kept_from).join(
        newest, (newest.c.product == v.product) & (newest.c.version == v.version)
    )


def _select_versions(catalog: Catalog, query: Any) -> list[VersionRecord]:
    kept = list(VersionRecord.__dataclass_fields__)
    with catalog.read() as connection:
        rows = connection.execute(query).mappings().all()
    return [VersionRecord(**{name: row[name] for name in kept}) for row in rows]


def insert_version(connection: Connection, run_id: str, version: VersionRecord) -> None:
    """Keep a version that a run committed.

    Raises:
        NotFoundError: Its product is not registered.
        StorageError: Another run is known to have made it.
    """
    product = version.product
    if connection.execute(select(products.c.name).where(products.c.name == product)).one_or_none() is None:
        raise NotFoundError(f"{product}: the catalog does not know it, so it cannot hold a version of it.")
    known = select(versions.c.run_id).where(versions.c.product == product, versions.c.version == version.version)
    other = connection.execute(known).scalar()
    if other is not None:
        raise StorageError(
            f"{product} v{version.version}: the catalog says that run {other} made it, now run {run_id} says so. "
            "The table was replaced behind the catalog's back: give the product a new, empty lake folder and catalog."
        )
    digest = connection.execute(select(runs.c.contract_digest).where(runs.c.id == run_id)).scalar()
    values = {**asdict(version), "run_id": run_id}
    connection.execute(
        insert(versions).values(
            **values, contract_digest=digest or contract_digest_of(connection, product, version.contract_version)
        )
    )


def contract_digest_of(connection: Connection, product: str, version: str | None) -> str | None:
    """The product's contract as it is registered now, where that is the version asked for, else the newest such."""
    if version is None:
        return None
    current = select(products.c.contract_digest).where(
        products.c.name == product, products.c.contract_version == version
    )
    found = connection.execute(current).scalar()
    if found is not None:
        return found
    newest = (
        select(contracts.c.digest)
        .where(contracts.c.product == product, contracts.c.version == version)
        .order_by(contracts.c.registered_at.desc())
        .limit(1)
    )
    return connection.execute(newest).scalar()

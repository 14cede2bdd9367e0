"""Tables of what ran: runs, their checks, inputs and files, versions, edges of lineage, leases."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Named,
    PrimaryKeyConstraint,
    String,
    Table,
    TypedColumns,
)

from mesh_catalog.catalog.tables.base import UtcDateTime, metadata

__all__ = ["checks", "column_edges", "edges", "leases", "run_files", "run_inputs", "runs", "versions"]


class _Runs(TypedColumns):
    id = Column(String, primary_key=True)
    product: Named[str]
    """The product, or for a model's runs the model."""
    kind: Named[str]
    principal: Named[str]
    contract_version: Named[str | None]
    contract_digest: Named[str | None]
    definition_digest: Named[str | None]
    """Of transform and source, where the run made the whole of a product by them; null for a slice or other rows."""
    started_at: Named[datetime] = Column(UtcDateTime)
    finished_at: Named[datetime | None] = Column(UtcDateTime)
    outcome: Named[str | None]
    message: Named[str | None]


class _RunInputs(TypedColumns):
    run_id: Named[str] = Column(ForeignKey("runs.id"), primary_key=True)
    product = Column(String, primary_key=True)
    version: Named[int] = Column(BigInteger)


class _RunFiles(TypedColumns):
    run_id: Named[str] = Column(ForeignKey("runs.id"), primary_key=True)
    path = Column(String, primary_key=True)


class _Checks(TypedColumns):
    run_id: Named[str] = Column(ForeignKey("runs.id"), primary_key=True)
    position: Named[int] = Column(primary_key=True, autoincrement=False)
    rule: Named[str]
    text: Named[str]
    column: Named[str | None]
    severity: Named[str]
    verdict: Named[str]
    broken_count: Named[int | None] = Column(BigInteger)
    rows: Named[int | None] = Column(BigInteger)
    example_keys: Named[list[str]] = Column(JSON)
    reason: Named[str | None]


class _Versions(TypedColumns):
    product: Named[str] = Column(ForeignKey("products.name"), primary_key=True)
    version: Named[int] = Column(BigInteger, primary_key=True, autoincrement=False)
    run_id: Named[str] = Column(ForeignKey("runs.id"), index=True)
    contract_version: Named[str]
    contract_digest: Named[str | None]
    mode: Named[str]
    rows: Named[int] = Column(BigInteger)
    total_rows: Named[int | None] = Column(BigInteger)
    quarantined_count: Named[int] = Column(BigInteger)
    event_from: Named[datetime | None] = Column(UtcDateTime)
    event_to: Named[datetime | None] = Column(UtcDateTime)
    profile_digest: Named[str | None]
    profile_path: Named[str | None]
    committed_at: Named[datetime] = Column(UtcDateTime)
    kept_from: Named[int] = Column(BigInteger)


class _Edges(TypedColumns):
    from_kind = Column(String, primary_key=True)
    from_name = Column(String, primary_key=True)
    to_kind = Column(String, primary_key=True)
    to_name = Column(String, primary_key=True)
    origin = Column(String, primary_key=True)
    last_version: Named[int | None] = Column(BigInteger)
    """The newest version of the target that this edge led to; null where it is only planned, or the target has none."""
    last_at: Named[datetime | None] = Column(UtcDateTime)
    """When an event of another producer told of it last; null for edges of our own runs."""


class _ColumnEdges(TypedColumns):
    from_product = Column(String, primary_key=True)
    from_column = Column(String, primary_key=True)
    to_product = Column(String, primary_key=True)
    to_column = Column(String, primary_key=True)
    kind = Column(String, primary_key=True)
    origin = Column(String, primary_key=True)
    last_version: Named[int] = Column(BigInteger)
    """-1 where only events of other producers told of it."""
    last_at: Named[datetime | None] = Column(UtcDateTime)


class _Leases(TypedColumns):
    name = Column(String, primary_key=True)
    holder: Named[str]
    acquired_at: Named[datetime] = Column(UtcDateTime)
    expires_at: Named[datetime] = Column(UtcDateTime)


_EDGE_KEYS = ("from_kind", "from_name", "to_kind", "to_name", "origin")
runs = Table("runs", metadata, _Runs, Index(None, "product", "started_at"))
run_inputs = Table("run_inputs", metadata, _RunInputs)
run_files = Table("run_files", metadata, _RunFiles)
checks = Table("checks", metadata, _Checks)
versions = Table("versions", metadata, _Versions)
edges = Table(
    "edges",
    metadata,
    _Edges,
    # a walk reads nothing but this index
    PrimaryKeyConstraint(*_EDGE_KEYS, postgresql_include=["last_version"]),
    Index(None, "to_kind", "to_name"),
    sqlite_with_rowid=False,
)
column_edges = Table("column_edges", metadata, _ColumnEdges, Index(None, "to_product"))
leases = Table("leases", metadata, _Leases)

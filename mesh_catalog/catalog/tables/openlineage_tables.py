"""Tables of what other producers told by OpenLineage: runs, what flowed in them, datasets, jobs and their facets.

Every table only grows by rules that no order of events can change: a set, a greatest value, or the newest of a facet.
`edges` and `column_edges` are made from them. Names of datasets and jobs are `namespace#name` (see openlineage.naming).
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Column, Index, Named, String, Table, TypedColumns

from mesh_catalog.catalog.tables.base import UtcDateTime, metadata

__all__ = [
    "openlineage_aliases",
    "openlineage_columns",
    "openlineage_datasets",
    "openlineage_facets",
    "openlineage_flows",
    "openlineage_jobs",
    "openlineage_runs",
]


class _Jobs(TypedColumns):
    name = Column(String, primary_key=True)
    declared_at: Named[datetime | None] = Column(UtcDateTime)
    """Of the newest JobEvent: what older ones declared no longer holds."""


class _Runs(TypedColumns):
    run_id = Column(String, primary_key=True)
    job = Column(String, primary_key=True)
    state: Named[int]
    """Place in `RUN_STATES`; the greatest that was told counts."""
    streaming: Named[bool]
    ran: Named[bool]
    """Whether a RUNNING was told: a stream has written by then, however it ends."""
    started_at: Named[datetime] = Column(UtcDateTime)
    told_at: Named[datetime] = Column(UtcDateTime)
    """Of the newest event."""
    parent_run: Named[str | None]
    parent_job: Named[str | None]


class _Flows(TypedColumns):
    run_id = Column(String, primary_key=True)
    job = Column(String, primary_key=True)
    from_kind = Column(String, primary_key=True)
    from_name = Column(String, primary_key=True)
    to_kind = Column(String, primary_key=True)
    to_name = Column(String, primary_key=True)
    version: Named[str | None]
    """Of the dataset, as its producer counts."""
    rows: Named[int | None] = Column(BigInteger)
    change: Named[str | None]
    """DROP or TRUNCATE: what was in the dataset before is gone."""


class _Columns(TypedColumns):
    run_id = Column(String, primary_key=True)
    job = Column(String, primary_key=True)
    from_name = Column(String, primary_key=True)
    from_column = Column(String, primary_key=True)
    to_name = Column(String, primary_key=True)
    to_column = Column(String, primary_key=True)
    kind = Column(String, primary_key=True)


class _Datasets(TypedColumns):
    name = Column(String, primary_key=True)
    product: Named[str | None]
    """Of the mesh, where the dataset is its table."""
    canonical: Named[str] = Column(index=True)
    """The one name of this dataset and its aliases in the graph: a product's, or the least that was told."""
    told: Named[bool]
    """Whether an event named it as a dataset; false where it is only another's alias."""
    renamed: Named[bool]
    emptied_at: Named[datetime | None] = Column(UtcDateTime)
    declared_at: Named[datetime | None] = Column(UtcDateTime)
    """Of the newest DatasetEvent that declared its lineage."""


class _Aliases(TypedColumns):
    name = Column(String, primary_key=True)
    alias = Column(String, primary_key=True)


class _Facets(TypedColumns):
    kind = Column(String, primary_key=True)
    name = Column(String, primary_key=True)
    facet = Column(String, primary_key=True)
    at: Named[datetime] = Column(UtcDateTime)
    value: Named[str]
    """JSON in one form; `null` for a facet that was deleted."""


openlineage_jobs = Table("openlineage_jobs", metadata, _Jobs)
openlineage_runs = Table("openlineage_runs", metadata, _Runs, Index(None, "job", "started_at"), Index(None, "state"))
openlineage_flows = Table(
    "openlineage_flows",
    metadata,
    _Flows,
    Index(None, "from_kind", "from_name"),
    Index(None, "to_kind", "to_name"),
)
openlineage_columns = Table("openlineage_columns", metadata, _Columns)
openlineage_datasets = Table("openlineage_datasets", metadata, _Datasets)
openlineage_aliases = Table("openlineage_aliases", metadata, _Aliases, Index(None, "alias"))
openlineage_facets = Table("openlineage_facets", metadata, _Facets)

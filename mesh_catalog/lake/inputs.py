"""What a transform is given: a frame for every input, at the version that a ticket allows, or a slice of it.

Products are read whole at their newest version, source files where they are new. A publish may cover a slice instead:
one interval of event time (`backfill.py`), or the rows that one input changed since the last run (`changes.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from mesh_catalog.access.gate import request_read
from mesh_catalog.access.locations import table_location
from mesh_catalog.catalog.inventory import read_product, read_version_columns
from mesh_catalog.catalog.runs import consumed_files, read_versions
from mesh_catalog.errors import TransformError
from mesh_catalog.lake.change_rows import CHANGE_COLUMNS, as_inserts, newest_changes
from mesh_catalog.lake.consent import consent_of, consenting_rows
from mesh_catalog.lake.intervals import within
from mesh_catalog.lake.read import read_table
from mesh_catalog.lake.sources import SourceBatch, read_source
from mesh_catalog.workspace import SOURCE, product_reads

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from mesh_catalog.access.gate import Ticket
    from mesh_catalog.access.mesh import Mesh
    from mesh_catalog.lake.together import Group
    from mesh_catalog.specs import Interval, ProductSpec

__all__ = ["Changes", "Inputs", "read_inputs"]


@dataclass(frozen=True, kw_only=True)
class Changes:
    """The rows of one input that changed, up to a version of it."""

    product: str
    after: int
    """The version up to which the reading product's table goes."""
    version: int
    rows: DataFrame | None
    """None: nothing changed."""


@dataclass(kw_only=True)
class Inputs:
    """The frames of a transform, and what they were read from."""

    personal: bool
    """Whether a value of them may be personal."""
    frames: dict[str, DataFrame] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    """Product → version that was read."""
    chosen_by: frozenset[tuple[str, str]] = frozenset()
    """Product and column of the consents by which rows were kept out."""
    locations: dict[str, str] = field(default_factory=dict)
    """Location → product."""
    awaited: set[str] = field(default_factory=set)
    """Products of which the rows that they are about to have were read."""
    source: SourceBatch | None = None


def read_inputs(
    spark: SparkSession,
    mesh: Mesh,
    product: ProductSpec,
    *,
    interval: Interval | None = None,
    changes: Changes | None = None,
    group: Group | None = None,
) -> Inputs | None:
    """The inputs of a product's transform; None where nothing new has come.

    Args:
        interval: Only rows whose event time is in it, or in the contract's `lookback` before it.
        changes: Read of this one input these rows instead of the whole table.
        group: The set that it is published with: of these products it reads the rows that they are about to have.

    Raises:
        NotFoundError: An input was never published, or no source file has arrived.
        TransformError: The transform reads `source` and there is no source.yaml.
        StorageError: A table's log cannot be read.
    """
    if changes is not None and changes.rows is None:
        return None
    inputs = Inputs(personal=bool(product.contract.personal_columns))
    for name in product_reads(product):
        if name == SOURCE:
            if not _read_source(spark, mesh, product, inputs, interval):
                return None
            continue
        waiting = group.waiting(spark, name, reader=product.name) if group else None
        if waiting is not None:
            frame, inputs.versions[name] = waiting
            inputs.frames[name] = _consenting(spark, mesh, name, frame, inputs)
            inputs.locations[table_location(mesh.settings, name)] = name
            inputs.awaited.add(name)
            inputs.personal = inputs.personal or _is_personal(mesh, name)
            continue
        given = changes if changes is not None and changes.product == name else None
        ticket = request_read(mesh, name, purpose="build", version=given.version if given else None)
        frame = _read_product(spark, mesh, product, ticket, given)
        if interval is not None:
            time = read_product(mesh.catalog, name).event_time
            frame = within(frame, time, interval, lookback=product.contract.lookback)
        inputs.frames[name] = _consenting(spark, mesh, name, frame, inputs)
        inputs.versions[name] = ticket.version
        inputs.locations[ticket.location] = name
        inputs.personal = inputs.personal or _is_personal(mesh, name)
    return inputs


def _consenting(spark: SparkSession, mesh: Mesh, product: str, frame: DataFrame, inputs: Inputs) -> DataFrame:
    """The input's rows whose people agree; where that stood is an input too."""
    found = consenting_rows(spark, mesh, product, frame, consent_of(mesh, product))
    inputs.versions.update(found.inputs)
    inputs.chosen_by |= found.chosen_by
    return found.rows


def _read_source(
    spark: SparkSession, mesh: Mesh, product: ProductSpec, inputs: Inputs, interval: Interval | None
) -> bool:
    """Read the product's own source: what is new in it, or all of an interval. False where nothing new has come."""
    if product.source is None:
        raise TransformError("reads `source`, but has no source.yaml. Add one.", product=product.name)
    keeps = product.contract.write_mode != "overwrite" and interval is None
    consumed = consumed_files(mesh.catalog, product.name) if keeps else set()
    arrived = read_source(spark, mesh.settings.workspace, product.source, consumed)
    if arrived is None:
        return False
    if interval is not None:  # the files hold other intervals too, so none of them is consumed
        rows = within(arrived.frame, product.contract.event_time, interval, lookback=product.contract.lookback)
        arrived = replace(arrived, frame=rows, origins=())
    inputs.source = arrived
    inputs.frames[SOURCE] = arrived.frame
    return True


def _read_product(
    spark: SparkSession, mesh: Mesh, product: ProductSpec, ticket: Ticket, changes: Changes | None
) -> DataFrame:
    wanted = product.contract.read_changes
    if wanted is None or wanted.product != ticket.product:
        return read_table(spark, ticket)
    if changes is None or changes.rows is None:
        versions = read_versions(mesh.catalog, ticket.product)
        committed_at = next(record.committed_at for record in versions if record.version == ticket.version)
        return as_inserts(read_table(spark, ticket), version=ticket.version, committed_at=committed_at)
    rows = changes.rows.select(*(ticket.columns or ()), *CHANGE_COLUMNS)
    if wanted.rows == "all":
        return rows
    columns = read_version_columns(mesh.catalog, ticket.product, ticket.version)
    keyed = [column for column in columns if column.primary_key_position is not None]
    return newest_changes(rows, [column.name for column in keyed], deletes=product.contract.delete_when is not None)


def _is_personal(mesh: Mesh, product: str) -> bool:
    spec = mesh.workspace.products.get(product) if mesh.workspace else None
    return spec is None or bool(spec.contract.personal_columns)

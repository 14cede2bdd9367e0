"""What upkeep knows of a table before it touches it: files, bytes, small files, who reads it, who answers for it.

Reads the log by delta-rs and the catalog; opens no row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from mesh_catalog.access.audit import last_read
from mesh_catalog.access.locations import table_location
from mesh_catalog.catalog.inventory import read_product
from mesh_catalog.catalog.lineage import reached
from mesh_catalog.catalog.runs import read_versions
from mesh_catalog.errors import StorageError
from mesh_catalog.lake.storage import open_delta

if TYPE_CHECKING:
    from mesh_catalog.access.mesh import Mesh

__all__ = ["SMALL_FILE_BYTES", "UNUSED_AFTER", "TableFiles", "TableReport", "read_table_files", "report_table"]

SMALL_FILE_BYTES: Final = 32 * 1024 * 1024
"""Opening a file costs about as much as reading so many bytes: smaller ones are worth putting together."""
UNUSED_AFTER: Final = timedelta(days=90)


@dataclass(frozen=True, kw_only=True)
class TableFiles:
    """The data files of a table's newest version."""

    version: int
    """Of the Delta log: upkeep's own commits count."""
    files: int
    size_bytes: int
    small_files: int
    """Smaller than SMALL_FILE_BYTES, in partitions that have more than one of these."""
    without_statistics: int
    """Files of which Delta keeps no row count, so that filters cannot skip them."""
    configuration: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class TableReport:
    """One line of `mesh maintain --report`."""

    product: str
    owner: str | None
    files: int
    size_bytes: int
    small_files: int
    average_bytes: int
    without_statistics: int
    last_read_at: datetime | None
    """By the audit trail; None: never."""
    readers: tuple[str, ...]
    """Products and models that are made from it, by lineage."""
    unused: bool
    """Not read for 90 days, published longer ago than that, and nothing is made from it."""


def read_table_files(product: str, location: str) -> TableFiles:
    """Count a table's files.

    Raises:
        StorageError: The log cannot be read.
    """
    import pyarrow as pa
    from deltalake.exceptions import DeltaError

    try:
        table = open_delta(location)
        metadata = table.metadata()
        actions = pa.table(table.get_add_actions(flatten=True))
    except (DeltaError, OSError) as error:
        raise StorageError(
            f"{product}: its Delta log cannot be read ({type(error).__name__}). Restore the table's folder."
        ) from error
    sizes = actions["size_bytes"].to_pylist()
    keys = [actions[f"partition.{name}"].to_pylist() for name in metadata.partition_columns]
    partitions = list(zip(*keys, strict=True)) if keys else [()] * len(sizes)
    small: dict[tuple[Any, ...], int] = {}
    for partition, size in zip(partitions, sizes, strict=True):
        if size < SMALL_FILE_BYTES:
            small[partition] = small.get(partition, 0) + 1
    counts = actions["num_records"].null_count if "num_records" in actions.column_names else len(sizes)
    return TableFiles(
        version=table.version(),
        files=len(sizes),
        size_bytes=sum(sizes),
        small_files=sum(count for count in small.values() if count > 1),
        without_statistics=counts,
        configuration=dict(metadata.configuration),
    )


def report_table(mesh: Mesh, product: str, *, now: datetime) -> TableReport:
    """The report on one table.

    Raises:
        StorageError: Its log cannot be read, or its lineage is incomplete.
    """
    last_read_at = last_read(mesh.catalog, product)
    files = read_table_files(product, table_location(mesh.settings, product))
    own = (product, f"{product}__quarantine")
    after = reached(mesh.catalog, product, direction="downstream")
    readers = tuple(node.label for node in after if node.name not in own)
    published_at = read_versions(mesh.catalog, product)[-1].committed_at
    return TableReport(
        product=product,
        owner=read_product(mesh.catalog, product).owner,
        files=files.files,
        size_bytes=files.size_bytes,
        small_files=files.small_files,
        average_bytes=files.size_bytes // files.files if files.files else 0,
        without_statistics=files.without_statistics,
        last_read_at=last_read_at,
        readers=readers,
        unused=not readers and max(filter(None, (last_read_at, published_at))) < now - UNUSED_AFTER,
    )

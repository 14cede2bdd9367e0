"""Delta tables that exist already become products in place: a contract from their schema and statistics, no copy.

Reads logs and a sample of rows by delta-rs, without a JVM.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mesh_catalog.contracts.infer import ColumnSummary, Inference, Kind, infer_columns
from mesh_catalog.contracts.naming import column_names
from mesh_catalog.contracts.types import LOGICAL_TYPES
from mesh_catalog.errors import InputError, NotFoundError
from mesh_catalog.lake.foreign import (
    count_rows,
    null_count,
    open_foreign,
    physical_names,
    query_rows,
    table_columns,
    table_notes,
)
from mesh_catalog.workspace.import_texts import contract_text, domain_text
from mesh_catalog.workspace.importing import owner_of, product_names, require_free, write_product
from mesh_catalog.workspace.summaries import TextColumn, TypedColumn

if TYPE_CHECKING:
    from deltalake import DeltaTable

__all__ = ["Adoption", "default_name", "find_tables", "plan_adoption", "write_adoption"]

_SAMPLE_ROWS: Final = 10_000
_DEPTH_LIMIT: Final = 3
_KINDS: Final[Mapping[str, Kind]] = {
    **dict.fromkeys(("tinyint", "smallint", "int", "bigint"), "integer"),
    **dict.fromkeys(("float", "double", "decimal"), "number"),
    **{name: name for name in ("boolean", "date", "timestamp", "string")},
}


@dataclass(frozen=True, kw_only=True)
class Adoption:
    """What adopting one table would write. Holds no value of a row."""

    product: str
    location: str
    version: int
    rows: int
    inference: Inference
    notes: tuple[str, ...]
    """What cannot be done with this table, and what would help."""
    texts: Mapping[str, str]
    domain_text: str | None


def find_tables(where: str) -> list[str]:
    """The Delta tables at a path or URI: it is one itself, or, of a folder, those in it and below.

    Raises:
        NotFoundError: There is none.
    """
    from deltalake import DeltaTable

    if "://" in where:
        location = where.rstrip("/")
        if not DeltaTable.is_deltatable(location):
            raise NotFoundError(f"{where}: is no Delta table. In an object store, name each table by its own address.")
        return [location]
    root = Path(where).resolve()
    if not root.is_dir():
        raise NotFoundError(f"{where}: there is no such folder.")
    found = [str(folder) for folder in _table_folders(root, 0)]
    if not found:
        raise NotFoundError(f"{where}: holds no Delta table (a folder with _delta_log) down to {_DEPTH_LIMIT} levels.")
    return found


def _table_folders(folder: Path, depth: int) -> list[Path]:
    if (folder / "_delta_log").is_dir():
        return [folder]
    if depth == _DEPTH_LIMIT:
        return []
    inner = sorted(child for child in folder.iterdir() if child.is_dir() and child.name[0] not in "._")
    return [found for child in inner for found in _table_folders(child, depth + 1)]


def default_name(location: str) -> str:
    """`…/sales/Orders 2026` as `sales.orders_2026`: its folder's folder is the domain."""
    parts = [part for part in re.split(r"[/\\]", location.partition("://")[2] or location) if part]
    if len(parts) < 2:
        raise InputError(f"{location}: has no two folders to name a product by. Give --product domain.name.")
    domain, name = column_names(parts[-2:])
    return f"{domain}.{name}".replace("__", "_")


def plan_adoption(root: Path, location: str, *, product: str | None, owner: str | None) -> Adoption:
    """Look at a table and work out its contract; writes nothing.

    Args:
        root: The workspace.
        product: Its name; made of the last two folders where None.
        owner: Who answers for the domain, where it is new.

    Raises:
        InputError: A bad name, a product that exists, no owner, or columns that a contract cannot hold.
        StorageError: The table cannot be read.
    """
    name = product or default_name(location)
    domain, table_name = product_names(name)
    require_free(root, domain, table_name)
    domain_file = root / "domains" / domain / "domain.yaml"
    if not (owner_of(domain_file) if domain_file.exists() else owner):
        raise InputError(f"{name}: nobody answers for the domain {domain}. Say who: --owner, or owner in domain.yaml.")
    table = open_foreign(name, location)
    rows = count_rows(name, table)
    summaries = _summaries(name, table, rows)
    inferred = infer_columns(summaries, product=table_name)
    columns = {c.name: replace(c, name=c.source.name) for c in inferred.columns}  # the table's own names
    event_time = columns[inferred.event_time.name] if inferred.event_time else None
    inference = replace(inferred, columns=tuple(columns.values()), event_time=event_time)
    return Adoption(
        product=name,
        location=location,
        version=table.version(),
        rows=rows,
        inference=inference,
        notes=table_notes(table),
        texts={"contract.yaml": contract_text(name, inference, location=location)},
        domain_text=None if domain_file.exists() else domain_text(domain, owner),
    )


def write_adoption(root: Path, plan: Adoption) -> None:
    """Write the product's folder; the table is not touched.

    Raises:
        InputError: The product was made by somebody else meanwhile, or the disk does not take it.
    """
    domain_file = root / "domains" / plan.product.partition(".")[0] / "domain.yaml"
    text = None if domain_file.exists() else plan.domain_text  # of several tables the first makes the domain
    write_product(root, plan.product, plan.texts, domain_text=text)


def _summaries(product: str, table: DeltaTable, rows: int) -> list[ColumnSummary]:
    """Types and counts of nulls exactly, from the log; what tells of people from a sample of rows."""
    import pyarrow as pa

    columns = table_columns(product, table)
    sample = query_rows(product, table, f"select * from rows limit {_SAMPLE_ROWS}")  # noqa: S608
    files = pa.table(table.get_add_actions(flatten=True))
    names = physical_names(table)
    found = []
    for name, spark in columns.items():
        kind = _KINDS.get(spark.partition("(")[0], "other")
        nulls = null_count(files, names[name])
        looked_at = TextColumn(name) if kind == "string" else TypedColumn(name, kind)
        for chunk in sample.column(name).chunks:
            looked_at.add(chunk.cast(pa.string()) if kind == "string" else chunk)
        default = LOGICAL_TYPES.get(kind) if kind != "other" else None
        found.append(
            ColumnSummary(
                name=name,
                kind=kind,
                spark_type=None if spark == default else spark,
                rows=rows,
                null_count=1 if nulls is None else nulls,  # not known, so not promised
                unique=None,
                suspicion=looked_at.summary().suspicion,
            )
        )
    return found

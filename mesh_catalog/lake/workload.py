"""How much a run is about to read, known before a JVM starts: what decides how that JVM compiles (ADR 15)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mesh_catalog.access.locations import table_location
from mesh_catalog.catalog.runs import consumed_files
from mesh_catalog.lake.sources.arrivals import is_remote, listed_files
from mesh_catalog.workspace import SOURCE, product_reads

if TYPE_CHECKING:
    from mesh_catalog.access.mesh import Mesh
    from mesh_catalog.specs import ProductSpec

__all__ = ["LITTLE_COMPILED", "SMALL_BYTES", "is_small"]

LITTLE_COMPILED = "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=240m"
"""For a JVM that does little and ends: most of its time would go into optimising code that runs once.

With the first option alone Java keeps room for 48 MB of code, which a busy Spark fills in a minute or two: from then on
it interprets, and ends itself where it needs more. 240 MB is what it keeps otherwise.
"""
SMALL_BYTES = 32 * 1024 * 1024
"""What Spark reads in a few seconds however little its JVM optimises."""


def is_small(mesh: Mesh, products: Sequence[ProductSpec]) -> bool:
    """Whether the products' inputs are files and tables on this machine of at most `SMALL_BYTES` in all.

    What cannot be told without Spark (another machine's files, a database) counts as large.
    """
    total = 0
    for size in _file_sizes(mesh, products):
        if size is None:
            return False
        total += size
        if total > SMALL_BYTES:
            return False
    return True


def _file_sizes(mesh: Mesh, products: Sequence[ProductSpec]) -> Iterator[int | None]:
    """Bytes of each new source file, and of each file under a table's folder, old versions' too; None: cannot be told.

    What products share is looked at once, and nothing is looked at before it is asked for.
    """
    for product in products:
        if product.source is not None:
            files = listed_files(mesh.settings.workspace, product.source)
            consumed = consumed_files(mesh.catalog, product.name)
            yield from [None] if files is None else (one.size for one in files if one.identity not in consumed)
    named = (name for product in products for name in (*product_reads(product), product.name))
    for name in dict.fromkeys(name for name in named if name != SOURCE):
        location = table_location(mesh.settings, name)
        yield from [None] if is_remote(location) else (f.stat().st_size for f in Path(location).rglob("*.parquet"))

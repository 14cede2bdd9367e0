"""Any two datasets side by side: products at versions, and files.

No JVM starts: profiles are read as they were stored, and exact counts come through delta-rs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mesh_catalog.errors import InputError
from mesh_catalog.lake.profile import ColumnProfile, Profile
from mesh_catalog.monitoring.drift import Comparison, Side, compare_sides
from mesh_catalog.monitoring.files import open_file

if TYPE_CHECKING:
    from mesh_catalog.access.gate import Ticket
    from mesh_catalog.access.mesh import Mesh
    from mesh_catalog.specs import DriftSpec

__all__ = ["ProductSide", "compare_datasets", "names_file", "open_product"]

_FILE_SUFFIXES = (".csv", ".tsv", ".tab", ".parquet", ".pq", ".gz")
_PRODUCT = re.compile(r"(?P<name>[^@]+)(?:@v?(?P<first>\d+)(?:\.\.v?(?P<last>\d+))?)?")


@dataclass(frozen=True, kw_only=True)
class ProductSide:
    """Rows of a product: its stored profile, and exact counts through a ticket."""

    profile: Profile
    ticket: Ticket
    first: int | None
    """The first version whose rows belong; None: all that the table held at the ticket's version."""
    concurrent: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        columns = self.ticket.columns or tuple(self.profile.columns)
        return tuple(name for name in columns if name in self.profile.columns)

    @property
    def rows(self) -> int:
        return self.profile.rows

    def column(self, name: str) -> ColumnProfile:
        return self.profile.columns[name]

    def counts(self, name: str) -> Mapping[Any, int]:
        from mesh_catalog.lake.arrow import count_values

        return count_values(self.ticket, name, first_version=self.first)

    def values(self, name: str) -> Sequence[Any] | None:
        from mesh_catalog.lake.arrow import read_values

        if name in self.ticket.masked:
            return None
        arrays = read_values(self.ticket, name, first_version=self.first)
        return [value for array in arrays for value in array.drop_null().to_pylist()]


def compare_datasets(
    mesh: Mesh | None,
    reference: str,
    current: str,
    *,
    columns: Sequence[str] | None = None,
    limit: float = 0.5,
    spec: DriftSpec | None = None,
) -> Comparison:
    """Compare any two datasets.

    Args:
        mesh: Needed where a product is named.
        reference: A Parquet, CSV or TSV file, or a product: `payments.transactions` (its newest version),
            `payments.transactions@3` (the table as of version 3) or `payments.transactions@3..5` (the rows that
            versions 3 to 5 added).
        current: The same.
        columns: Which to compare; all where None.
        limit: The share of drifted columns from which the dataset counts as drifted.
        spec: Methods and thresholds other than Evidently's default ones.

    Raises:
        NotFoundError: No such file, product, version or column.
        InputError: A file is empty or damaged, or `limit` is no share.
        StorageError: A profile or table cannot be read.
    """
    with ExitStack() as stack:
        sides = [stack.enter_context(_open_side(mesh, text, columns)) for text in (reference, current)]
        return compare_sides(*sides, columns=columns, limit=limit, spec=spec)


def names_file(text: str) -> bool:
    """Whether `text` names a file, and not a product."""
    return text.lower().endswith(_FILE_SUFFIXES) or "/" in text or Path(text).exists()


@contextmanager
def _open_side(mesh: Mesh | None, text: str, columns: Sequence[str] | None) -> Iterator[Side]:
    if names_file(text):
        with open_file(Path(text)) as side:
            yield side
        return
    if mesh is None:
        raise InputError(f"{text[:80]}: is no file, and a product needs a workspace. Name a file, or go into one.")
    found = _PRODUCT.fullmatch(text)
    if found is None:
        raise InputError(f"'{text[:80]}' is neither a file nor product@version. Write for example payments.daily@3.")
    first, last = (int(found[name]) if found[name] else None for name in ("first", "last"))
    if last is None:
        yield open_product(mesh, found["name"], version=first, columns=columns)
    else:
        yield open_product(mesh, found["name"], version=last, first=first, columns=columns)


def open_product(
    mesh: Mesh, product: str, *, version: int | None, first: int | None = None, columns: Sequence[str] | None = None
) -> ProductSide:
    """The rows of versions first..version, or of the whole table as of `version`; the newest where None."""
    from mesh_catalog.access.gate import request_read
    from mesh_catalog.catalog.inventory import read_version_columns
    from mesh_catalog.catalog.runs import latest_version, read_versions
    from mesh_catalog.catalog.versions import appended_from
    from mesh_catalog.lake.profiles import load_window

    if first is not None and version is not None and first > version:
        raise InputError(f"{product}@{first}..{version}: ends before it begins.")
    newest = latest_version(mesh.catalog, product)
    chosen = version if version is not None or newest is None else newest.version
    asked: list[str] | None = None
    if columns is not None and chosen is not None:
        known = {column.name for column in read_version_columns(mesh.catalog, product, chosen)}
        asked = [name for name in columns if name in known] or None
    ticket = request_read(mesh, product, purpose="monitor", version=version, columns=asked)
    begin = appended_from(read_versions(mesh.catalog, product), ticket.version) if first is None else first
    return ProductSide(profile=load_window(mesh, product, begin, ticket.version), ticket=ticket, first=first)

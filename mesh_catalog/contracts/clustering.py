"""The customProperty `clusterBy`: by which columns upkeep sorts rows into files, so that filters skip files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from mesh_catalog.contracts.contract import Column
from mesh_catalog.documents import Document, Place
from mesh_catalog.errors import nearest

__all__ = ["read_clustering"]

_LIMIT: Final = 4
"""Sorting by more columns sorts by none of them well."""
_WITHOUT_MINIMUM: Final = ("boolean", "binary", "array", "map", "struct", "variant")


def read_clustering(document: Document, columns: Sequence[Column], found: tuple[Any, Place] | None) -> tuple[str, ...]:
    """The columns that `clusterBy` names; none where it is absent.

    Raises:
        DocumentError: It names no column of the table, a personal one, or one that Delta keeps no minimum of.
    """
    if found is None:
        return ()
    value, place = found
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not 1 <= len(names) <= _LIMIT:
        raise document.error(f"clusterBy needs 1 to {_LIMIT} names of columns.", *place)
    known = {column.name: column for column in columns}
    for name in names:
        column = known.get(name) if isinstance(name, str) else None
        if column is None:
            hint = nearest(str(name), known)
            raise document.error(f"clusterBy '{str(name)[:40]}' is no column of this table.{hint}", *place)
        if column.personal:
            raise document.error(
                f"clusterBy '{name}' is personal, so Delta keeps no statistics of it. Name another column.", *place
            )
        if re.split(r"[(<]", column.spark_type)[0] in _WITHOUT_MINIMUM:
            raise document.error(
                f"clusterBy '{name}' is {column.spark_type}, of which Delta keeps no minimum. Name another column.",
                *place,
            )
    return tuple(dict.fromkeys(names))

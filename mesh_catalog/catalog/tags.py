"""Tags that follow lineage: which columns hold personal data, and along which path it came to them.

A column is tagged where its contract says so, or where it is made of a tagged one. A tag ends at a column that its
contract declares as de-identified, and at an aggregate whose column is not declared: a publish has looked at both.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import select

from mesh_catalog.catalog.gaps import IncompleteLineageError
from mesh_catalog.catalog.lineage import ColumnLink, lineage
from mesh_catalog.catalog.store import Catalog
from mesh_catalog.catalog.tables import contract_columns, contracts, products
from mesh_catalog.contracts.contract import PERSONAL_CLASSIFICATIONS

__all__ = ["ColumnTag", "inherited_tags", "read_tags"]

_BATCH: Final = 400
_NO_VALUE: Final = frozenset(("FILTER", "JOIN", "GROUP_BY", "SORT", "WINDOW", "AGGREGATION"))
"""Kinds of lineage along which a tag does not go to a column that is not declared."""


@dataclass(frozen=True, kw_only=True)
class ColumnTag:
    """A column's personal data."""

    classification: str
    """personal or special."""
    path: tuple[str, ...]
    """`domain.product.column`, from the column itself to its origin."""

    @property
    def inherited(self) -> bool:
        return len(self.path) > 1


@dataclass(frozen=True)
class _Column:
    classification: str | None
    deidentified: bool


def read_tags(catalog: Catalog, product: str) -> dict[str, ColumnTag]:
    """The tagged columns of a product.

    Raises:
        NotFoundError: The catalog does not know the product.
        StorageError: Its lineage is incomplete, so that a tag could be missed. Where a transform hides its columns,
            the publish took each for personal that was not declared.
    """
    graph = lineage(catalog, product, direction="upstream", columns=True, allow_incomplete="hidden")
    names = [node.name for node in graph.nodes if node.kind == "product"]
    return _Walk(_columns(catalog, names), graph.columns).tags_of(product)


def inherited_tags(catalog: Catalog, product: str) -> dict[str, ColumnTag]:
    """The columns whose tag comes with what they are made of; none where the lineage is incomplete.

    Raises:
        NotFoundError: The catalog does not know the product.
    """
    try:
        found = read_tags(catalog, product)
    except IncompleteLineageError:
        return {}
    return {name: tag for name, tag in found.items() if len(tag.path) > 1}


class _Walk:
    def __init__(self, columns: Mapping[tuple[str, str], _Column], links: Sequence[ColumnLink]) -> None:
        self._columns = columns
        self._links: dict[tuple[str, str], list[ColumnLink]] = defaultdict(list)
        for link in links:
            self._links[link.to_product, link.to_column].append(link)
        self._found: dict[tuple[str, str], ColumnTag | None] = {}

    def tags_of(self, product: str) -> dict[str, ColumnTag]:
        found = {name: self._tag((product, name)) for owner, name in self._columns if owner == product}
        return {name: tag for name, tag in found.items() if tag is not None}

    def _tag(self, start: tuple[str, str]) -> ColumnTag | None:
        """Depth first without recursion, since a chain may be long; a circle adds nothing."""
        trail = [start]
        while trail:
            key = trail[-1]
            if key not in self._found:
                self._found[key] = self._own(key)
                trail += [source for source in self._sources(key) if source not in self._found]
                continue
            self._found[key] = self._settled(key)
            trail.pop()
        return self._found[start]

    def _own(self, key: tuple[str, str]) -> ColumnTag | None:
        column = self._columns.get(key)
        if column is None or column.classification is None:
            return None
        return ColumnTag(classification=column.classification, path=(".".join(key),))

    def _sources(self, key: tuple[str, str]) -> list[tuple[str, str]]:
        column = self._columns.get(key)
        if column is not None and column.deidentified:
            return []
        declared = column is not None and column.classification is not None
        links = [link for link in self._links[key] if declared or not set(link.kinds) <= _NO_VALUE]
        return [(link.from_product, link.from_column) for link in links]

    def _settled(self, key: tuple[str, str]) -> ColumnTag | None:
        own = self._own(key)
        tags = [tag for tag in (self._found.get(source) for source in self._sources(key)) if tag is not None]
        name = ".".join(key)
        tags = [tag for tag in tags if name not in tag.path]
        if not tags:
            return own
        rank = PERSONAL_CLASSIFICATIONS.index
        worst = max(tags, key=lambda tag: (rank(tag.classification), len(tag.path), tag.path))
        classifications = [worst.classification, *([own.classification] if own else [])]
        return ColumnTag(classification=max(classifications, key=rank), path=(name, *worst.path))


def _columns(catalog: Catalog, names: Sequence[str]) -> dict[tuple[str, str], _Column]:
    """Every column of the contracts that are registered now."""
    found: dict[tuple[str, str], _Column] = {}
    with catalog.read() as connection:
        for some in (names[start : start + _BATCH] for start in range(0, len(names), _BATCH)):
            documents = connection.execute(
                select(products.c.name, contracts.c.document)
                .join(
                    contracts,
                    (contracts.c.product == products.c.name) & (contracts.c.digest == products.c.contract_digest),
                )
                .where(products.c.name.in_(some))
            )
            stopped = {(name, column) for name, document in documents for column in _deidentified(document)}
            query = (
                select(contract_columns.c.product, contract_columns.c.name, contract_columns.c.classification)
                .join(
                    products,
                    (contract_columns.c.product == products.c.name)
                    & (contract_columns.c.digest == products.c.contract_digest),
                )
                .where(products.c.name.in_(some))
                .order_by(contract_columns.c.product, contract_columns.c.position)
            )
            for product, name, classification in connection.execute(query):
                word = (classification or "").rstrip("?")
                found[product, name] = _Column(
                    word if word in PERSONAL_CLASSIFICATIONS else None, (product, name) in stopped
                )
    return found


def _deidentified(document: Mapping[str, Any]) -> Iterable[str]:
    for table in document.get("schema", ())[:1]:
        for entry in table.get("properties", ()):
            if any(custom.get("property") == "deidentified" for custom in entry.get("customProperties", ())):
                yield entry["name"]

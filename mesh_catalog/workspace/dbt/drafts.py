"""A product of the project on its way to a contract: its columns are known, its tests are not yet translated.

Contracts are made last, for a test may name a model that comes later in the order.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from mesh_catalog.contracts.contract import PERSONAL_CLASSIFICATIONS
from mesh_catalog.workspace.dbt.plan import PlannedProduct
from mesh_catalog.workspace.dbt.rules import TestRules
from mesh_catalog.workspace.dbt.texts import contract_text, declared_personal, properties_of

__all__ = ["Draft", "with_docs"]

_DOC: Final = re.compile(r"\{\{\s*doc\(\s*['\"](?:\w+['\"]\s*,\s*['\"])?(\w+)['\"]\s*\)\s*\}\}")


@dataclass(frozen=True, kw_only=True)
class Draft:
    """What is known of a product before its contract is written."""

    product: str
    told: str
    """What dbt calls it."""
    path: str
    kind: Literal["model", "seed", "source"]
    entry: Mapping[str, Any]
    """What the properties file says of it."""
    columns: Mapping[str, str]
    suspected: Mapping[str, str]
    texts: Mapping[str, str]
    reads: tuple[str, ...] = ()
    write_mode: str = "overwrite"
    key: Sequence[str] = ()
    event_time: str | None = None
    tags: Sequence[str] = ()
    landing: tuple[Path, str] | None = None
    docs: Mapping[str, str] = field(default_factory=dict)

    @property
    def personal(self) -> frozenset[str]:
        """Columns that count as personal, decided or suspected."""
        described = self.described
        declared = {name for name in self.columns if declared_personal(described.get(name.lower(), {}))}
        suspected = {n for n, word in self.suspected.items() if word.rstrip("?") in PERSONAL_CLASSIFICATIONS}
        return frozenset(declared | suspected)

    @property
    def described(self) -> dict[str, Mapping[str, Any]]:
        """What the properties file says of columns, by their names in lower case."""
        columns = self.entry.get("columns")
        found: dict[str, Mapping[str, Any]] = {}
        for column in columns if isinstance(columns, list) else []:
            if isinstance(column, dict) and "name" in column:
                text = with_docs(column.get("description"), self.docs)
                found[str(column["name"]).lower()] = {**column, "description": text}
        return found

    def finished(self, rules: TestRules) -> PlannedProduct:
        """The product with its contract."""
        properties = properties_of(
            self.columns, self.described, rules, key=self.key, suspected=self.suspected
        )  # fmt: skip
        contract = contract_text(
            self.product,
            self.path,
            properties,
            description=with_docs(self.entry.get("description"), self.docs),
            tags=self.tags,
            quality=rules.quality,
            write_mode=self.write_mode,
            event_time=self.event_time,
        )
        return PlannedProduct(
            name=self.product,
            kind=self.kind,
            path=self.path,
            reads=self.reads,
            columns=self.columns,
            write_mode=self.write_mode,
            tests=rules.count,
            texts={"contract.yaml": contract, **self.texts},
            landing=self.landing,
        )


def with_docs(text: object, docs: Mapping[str, str]) -> str | None:
    """A description with its `{{ doc('…') }}` put in; None where nothing is said."""
    return _DOC.sub(lambda match: docs.get(match[1], ""), str(text or "")).strip() or None

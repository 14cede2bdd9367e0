"""A contract that differs from the one its product was last published with: what that means, and for whom.

Led by the contract: additive changes go through; a breaking one needs a new major version, and where somebody reads
what it breaks, somebody must say that they agreed (`--allow-breaking`). A table that keeps its rows cannot change a
type.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mesh_catalog.catalog.assets import contract_digest
from mesh_catalog.catalog.published import published_contract
from mesh_catalog.catalog.readers import consumers_of
from mesh_catalog.catalog.store import Catalog
from mesh_catalog.contracts.compatibility import Difference, compare_contracts
from mesh_catalog.contracts.consumers import Reader, readers_of_changes
from mesh_catalog.contracts.contract import Contract
from mesh_catalog.contracts.semantic_version import raises_major
from mesh_catalog.errors import BreakingChangeError
from mesh_catalog.specs import ProductSpec
from mesh_catalog.workspace.consumers import rule_readers

__all__ = ["Evolution", "plan_evolution", "require_evolution"]


@dataclass(frozen=True, kw_only=True)
class Evolution:
    """From the contract of the newest version to the one that is written now."""

    product: str
    version: int
    """The newest version of the table."""
    old: str
    """That contract's version."""
    new: str
    keeps_rows: bool
    """Whether rows that are in the table stay in it."""
    differences: tuple[Difference, ...]
    readers: tuple[Reader, ...]
    """Of what the breaking differences take away."""

    @property
    def breaking(self) -> tuple[Difference, ...]:
        """Those that break readers, or rows where rows stay."""
        found = (one for one in self.differences if one.kind == "breaking")
        return tuple(one for one in found if one.concerns == "readers" or self.keeps_rows)

    def refusal(self, *, allow_breaking: bool) -> str | None:
        """Why the product is not published with this contract, in lines; None where it is."""
        stuck = [one for one in self.differences if one.needs_rewrite and self.keeps_rows]
        if stuck:
            return self._told(
                [one.sentence for one in stuck],
                "A table that keeps its rows cannot change a type. Publish it once with writeMode: overwrite, or add a"
                " new column beside the old one.",
            )
        if not self.breaking:
            return None
        if not raises_major(self.old, self.new):
            return self._told(
                [one.sentence for one in self.breaking],
                f"Raise the contract's version from {self.old} to a new major one, or take the change back.",
            )
        if self.readers and not allow_breaking:
            return self._told(
                [one.sentence for one in self.breaking],
                f"Agree with them, then: mesh publish {self.product} --allow-breaking",
            )
        return None

    def _told(self, sentences: list[str], what_to_do: str) -> str:
        lines = [f"{self.product}: contract {self.new} breaks what v{self.version} was published with ({self.old})"]
        lines += [f"  {sentence}" for sentence in sentences]
        lines += [f"  read by {reader}" for reader in self.readers] or ["  no reader is known"]
        return "\n".join([*lines, what_to_do])


def plan_evolution(
    catalog: Catalog, contract: Contract, products: Mapping[str, ProductSpec] | None = None
) -> Evolution | None:
    """Compare a contract with the one of the newest version; None where they are the same, or nothing is published.

    Args:
        products: Of the workspace, whose rules may read this product without lineage telling of it.

    Raises:
        StorageError: The lineage is incomplete, so that readers could be missed.
    """
    published = published_contract(catalog, contract.id, contract_digest(contract))
    if published is None:
        return None
    old, latest = published
    keeps_rows = contract.write_mode != "overwrite" and bool(latest.total_rows)
    differences = compare_contracts(old, contract)
    lost = [one for one in differences if one.kind == "breaking" and one.concerns == "readers"]
    return Evolution(
        product=contract.id,
        version=latest.version,
        old=old.version,
        new=contract.version,
        keeps_rows=keeps_rows,
        differences=differences,
        readers=_readers(catalog, contract.id, lost, products or {}) if lost else (),
    )


def require_evolution(evolution: Evolution | None, *, allow_breaking: bool) -> None:
    """Refuse a contract that breaks what was published.

    Raises:
        BreakingChangeError: It does; the message lists what, and who reads it.
    """
    refusal = evolution.refusal(allow_breaking=allow_breaking) if evolution else None
    if refusal is not None:
        raise BreakingChangeError(refusal)


def _readers(
    catalog: Catalog, product: str, lost: list[Difference], products: Mapping[str, ProductSpec]
) -> tuple[Reader, ...]:
    """By lineage, and by the rules of other contracts."""
    consumers = [*consumers_of(catalog, product), *(one for other in products.values() for one in rule_readers(other))]
    return readers_of_changes(consumers, product, lost)

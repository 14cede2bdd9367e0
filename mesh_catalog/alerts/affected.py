"""Who suffers from whose drift, by lineage: the models that learned from a product's columns, and the products upstream
of a model that drifted.

An answer that lineage knows to be incomplete says so: `unknown` is then not empty.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from mesh_catalog.catalog.impact import column_impact
from mesh_catalog.catalog.lineage import lineage
from mesh_catalog.catalog.verdicts import VerdictRecord, read_verdicts

if TYPE_CHECKING:
    from mesh_catalog.access.mesh import Mesh

__all__ = ["Affected", "AffectedModel", "Upstream", "UpstreamDrift", "affected_models", "upstream_drift"]


@dataclass(frozen=True, kw_only=True)
class AffectedModel:
    """A model that uses one of the columns, or what was made of it."""

    model: str
    owner: str | None
    uses: tuple[str, ...]
    """Its features and target by which it does."""
    columns: tuple[str, ...]
    """Those of the columns asked for that lead there."""

    @property
    def domain(self) -> str:
        return self.model.partition(".")[0]

    @property
    def sentence(self) -> str:
        """`payments.fraud (owner payments-team) uses payments.transactions.tx_amount`."""
        return f"{self.model} (owner {self.owner or 'nobody'}) uses {', '.join(self.uses)}"


@dataclass(frozen=True, kw_only=True)
class Affected:
    """The models downstream of a product's columns, by name."""

    product: str
    models: tuple[AffectedModel, ...]
    unknown: tuple[str, ...]
    """What lineage knows to be missing; not empty means that there may be more models."""

    @property
    def lines(self) -> list[str]:
        """One a model, and one a gap."""
        models = [f"downstream: {one.sentence}" for one in self.models]
        return models + [f"downstream is not known whole: {gap}" for gap in self.unknown]


@dataclass(frozen=True, kw_only=True)
class UpstreamDrift:
    """A product that a model comes from, and its newest verdict of drift, which is not a pass."""

    product: str
    owner: str | None
    verdict: VerdictRecord

    @property
    def sentence(self) -> str:
        """`payments.terminal_risk drifted on 2026-06-13, owner risk-data`."""
        at = self.verdict.window_to or self.verdict.created_at
        word = "drifted" if self.verdict.outcome == "fail" else "drifted in part"
        return f"{self.product} {word} on {at:%Y-%m-%d}, owner {self.owner or 'nobody'}"


@dataclass(frozen=True, kw_only=True)
class Upstream:
    """What is known of the products that a model comes from."""

    drifted: tuple[UpstreamDrift, ...]
    steady: tuple[str, ...]
    """Products whose newest verdict is a pass."""
    unwatched: tuple[str, ...]
    """Products that no monitor looked at."""
    unknown: tuple[str, ...]
    """What lineage knows to be missing."""

    @property
    def alarming(self) -> list[str]:
        """What may have led to trouble: a line a product that drifted, and one a gap."""
        return self._lines(unwatched=())

    @property
    def lines(self) -> list[str]:
        """The same, and what no monitor looked at."""
        return self._lines(unwatched=self.unwatched)

    def to_dict(self) -> dict[str, Any]:
        """What `mesh monitor --json` prints: of a product that drifted, which verdict says so."""
        drifted = [
            {
                "product": one.product,
                "owner": one.owner,
                "verdict": one.verdict.id,
                "outcome": one.verdict.outcome,
                "window_to": one.verdict.window_to,
            }
            for one in self.drifted
        ]
        return {**self.__dict__, "drifted": drifted}

    def _lines(self, *, unwatched: Sequence[str]) -> list[str]:
        return [
            *(f"upstream: {one.sentence}" for one in self.drifted),
            *([f"upstream: no monitor looked at {', '.join(unwatched)}"] if unwatched else []),
            *(f"upstream is not known whole: {gap}" for gap in self.unknown),
        ]


def affected_models(mesh: Mesh, product: str, columns: Iterable[str]) -> Affected:
    """The models that learned from any of a product's columns, however many products lie between.

    Raises:
        NotFoundError: No such product.
    """
    owners: dict[str, str | None] = {}
    uses: dict[str, set[str]] = defaultdict(set)
    by: dict[str, list[str]] = defaultdict(list)
    unknown: dict[str, None] = {}
    for column in dict.fromkeys(columns):
        impact = column_impact(mesh.catalog, product, column, direction="downstream", allow_incomplete=True)
        unknown.update(dict.fromkeys(gap.text for gap in impact.unknown))
        for use in impact.models:
            owners[use.model] = use.owner
            uses[use.model] |= set(use.features)
            by[use.model].append(column)
    models = tuple(
        AffectedModel(model=name, owner=owners[name], uses=tuple(sorted(uses[name])), columns=tuple(by[name]))
        for name in sorted(owners)
    )
    return Affected(product=product, models=models, unknown=tuple(unknown))


def upstream_drift(mesh: Mesh, model: str, until: datetime | None = None) -> Upstream:
    """What the monitors of the products upstream of a model said last.

    Args:
        until: Of windows that begin before: of what was then, where a window of the past is judged.

    Raises:
        NotFoundError: No such model.
    """
    graph = lineage(mesh.catalog, model, direction="upstream", allow_incomplete=True)
    own = (f"{model}__training", f"{model}__predictions")
    products = [node for node in graph.nodes if node.kind == "product" and node.name not in own]
    drifted, steady, unwatched = [], [], []
    for node in products:
        found = read_verdicts(mesh.catalog, node.name, kind="data_drift", begun_before=until, limit=1)
        newest = next(iter(found), None)
        if newest is None or newest.outcome == "not_run":
            unwatched.append(node.name)
        elif newest.outcome == "pass":
            steady.append(node.name)
        else:
            drifted.append(UpstreamDrift(product=node.name, owner=node.owner, verdict=newest))
    return Upstream(
        drifted=tuple(drifted),
        steady=tuple(steady),
        unwatched=tuple(unwatched),
        unknown=tuple(gap.text for gap in graph.unknown),
    )

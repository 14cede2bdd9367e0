"""What a workspace declares, as values; and what of it can be worked on where a file is wrong."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from mesh_catalog.errors import DocumentError, NotFoundError, nearest
from mesh_catalog.specs import DashboardSpec, DomainSpec, KpiSpec, ModelSpec, ProductSpec, TermSpec
from mesh_catalog.workspace.kpis_file import KPIS_FILE
from mesh_catalog.workspace.policies_file import NO_POLICIES, Policies

__all__ = ["Workspace"]

_Found = TypeVar("_Found", bound=ProductSpec | ModelSpec)


@dataclass(frozen=True, kw_only=True)
class Workspace:
    """What a workspace's domains/ declares."""

    root: Path
    domains: dict[str, DomainSpec] = field(default_factory=dict)
    products: dict[str, ProductSpec] = field(default_factory=dict)
    models: dict[str, ModelSpec] = field(default_factory=dict)
    dashboards: dict[str, DashboardSpec] = field(default_factory=dict)
    policies: Policies = NO_POLICIES
    """What the organisation asks of every domain (conf/policies.yaml)."""
    kpis: dict[str, KpiSpec] = field(default_factory=dict)
    terms: dict[str, TermSpec] = field(default_factory=dict)
    unread: tuple[DocumentError, ...] = ()
    """What is wrong with the files that are left out of this; empty where the whole had to be right."""

    def product(self, name: str) -> ProductSpec:
        """A product by its name.

        Raises:
            NotFoundError: There is none.
            DocumentError: A file that it rests on is left out.
        """
        return self._required(name, self.products.get(name), "product", self.products)

    def model(self, name: str) -> ModelSpec:
        """A model by its name.

        Raises:
            NotFoundError: There is none.
            DocumentError: A file that it rests on is left out.
        """
        return self._required(name, self.models.get(name), "model", self.models)

    def subject(self, name: str) -> ProductSpec | ModelSpec:
        """A model or a product by its name.

        Raises:
            NotFoundError: There is none.
            DocumentError: A file that it rests on is left out.
        """
        found = self.models.get(name) or self.products.get(name)
        return self._required(name, found, "model or product", (*self.models, *self.products))

    def is_read(self, subject: ProductSpec | ModelSpec) -> bool:
        """Whether every file that it rests on was right: its own, those of what it reads, domain.yaml, and conf/."""
        return self._obstacle(subject.name, subject) is None

    @property
    def known_domains(self) -> frozenset[str] | None:
        """Domains of which is known who answers for them; None where it is known of all."""
        return frozenset(self.domains) if self.unread else None

    @property
    def unread_domains(self) -> frozenset[str]:
        """Domains in whose folder something is left out."""
        domains = self.root / "domains"
        paths = [Path(error.path) for error in self.unread]
        return frozenset(path.relative_to(domains).parts[0] for path in paths if domains in path.parents)

    def _required(self, name: str, found: _Found | None, kind: str, known: Iterable[str]) -> _Found:
        if (error := self._obstacle(name, found)) is not None:
            raise error
        if found is None:
            raise NotFoundError(f"there is no {kind} '{name[:80]}'.{nearest(name, known)}")
        return found

    def _obstacle(self, name: str, found: ProductSpec | ModelSpec | None) -> DocumentError | None:
        """The first error in a file that this rests on."""
        if not self.unread:
            return None
        domains = self.root / "domains"
        domain, _, own = name.partition(".")
        places = {domains / domain / own}
        if found is not None:
            places |= {self.root / "conf", domains / domain / "domain.yaml"}
        if isinstance(found, ModelSpec):
            places |= {domains.joinpath(*product.split(".")) for product in found.input_products}
            places |= {domains / kpi.partition(".")[0] / KPIS_FILE for kpi in found.kpis}
        for error in self.unread:
            path = Path(error.path)
            if any(path == place or place in path.parents or path in place.parents for place in places):
                return error
        return None

    @property
    def model_datasets(self) -> frozenset[str]:
        """Names of the datasets that models write; products may read them."""
        models = self.models.values()
        return frozenset(name for model in models for name in model.datasets)

"""Whether rights in data allow what is asked: by everything that a product or a model comes from, however far upstream.

What comes from what is told by the workspace and by the catalog, whichever knows more; so a source that only a run has
shown counts too. Every refusal names the path. No Spark is needed to say so.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from mesh_catalog.access.life_cycle import use_product
from mesh_catalog.catalog.inventory import read_contract_document, read_product
from mesh_catalog.catalog.lineage import lineage
from mesh_catalog.contracts.contract import Rights, Use
from mesh_catalog.contracts.life_cycle import stage_of
from mesh_catalog.contracts.odcs import read_contract
from mesh_catalog.documents import Document
from mesh_catalog.errors import InputError, NotFoundError, PolicyRefusedError, listed
from mesh_catalog.workspace import SOURCE, product_reads
from mesh_catalog.workspace.policies import PolicyFinding, product_breaches

if TYPE_CHECKING:
    from mesh_catalog.access.mesh import Mesh
    from mesh_catalog.catalog.store import Catalog
    from mesh_catalog.specs import ModelSpec, ProductSpec
    from mesh_catalog.workspace import Workspace

__all__ = [
    "Refusal",
    "consent_products",
    "find_model_refusals",
    "find_product_refusals",
    "input_products",
    "publish_warnings",
    "require_model_rights",
    "require_publishable",
    "rights_of",
]

_Node = tuple[str, str]
"""Kind and name, as of the catalog's lineage."""


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """Something upstream that does not allow what is asked."""

    path: tuple[str, ...]
    """From who asks to what refuses."""
    reason: str

    @property
    def sentence(self) -> str:
        return f"{self.reason} ({' ← '.join(self.path)})"


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """What somebody wants to do with all that is upstream."""

    use: Use
    purposes: Sequence[str]


def require_model_rights(mesh: Mesh, model: ModelSpec, use: Use) -> None:
    """Refuse a model whose data may not be used so, or not for its purpose.

    Args:
        use: train or score.

    Raises:
        PolicyRefusedError: Names each product that does not allow it, and the path to it.
        StorageError: The lineage is incomplete, so that one could be missed.
    """
    refusals = find_model_refusals(mesh.workspace, model, use, catalog=mesh.catalog)
    if refusals:
        what = "learn from" if use == "train" else "score"
        raise PolicyRefusedError(
            _told(
                f"{model.name}: may not {what} its data",
                refusals,
                "Take the product out of model.yaml, or agree with its owner to allow it in its contract.",
            )
        )


def require_publishable(mesh: Mesh, product: ProductSpec) -> None:
    """Refuse a product that nobody answers for, that is retired or breaks a policy, or whose inputs forbid it.

    Raises:
        InputError: Its domain names no owner.
        RefusedError: It is retired.
        PolicyRefusedError: It breaks a policy of severity error, or rights in its inputs.
        StorageError: The lineage is incomplete, so that a right could be missed.
    """
    if not product.owner:
        raise InputError(
            f"{product.name}: has no owner, so nobody answers for it. Name one in {product.domain.path.name} "
            f"of the domain {product.domain.name}, then publish again."
        )
    use_product(product.name, stage_of(product.contract))
    breaches = [one for one in _breaches(mesh, product) if one.stops]
    if breaches:
        lines = [f"  {one.path.parent.name}/{one.path.name}:{one.line or 1}  {one.sentence}" for one in breaches]
        raise PolicyRefusedError(
            "\n".join(
                [
                    f"{product.name}: breaks the organisation's policies (conf/policies.yaml)",
                    *lines,
                    "Correct them, or ask the central team for an exception. All of them: mesh check",
                ]
            )
        )
    refusals = find_product_refusals(mesh.workspace, product, catalog=mesh.catalog)
    if refusals:
        raise PolicyRefusedError(
            _told(
                f"{product.name}: may not be made of its inputs",
                refusals,
                "Leave the input out, or agree with its owner to allow it in its contract.",
            )
        )


def publish_warnings(mesh: Mesh, product: ProductSpec) -> tuple[str, ...]:
    """Policies of severity warning that a product breaks, and errors that an exception covers today."""
    return tuple(
        one.sentence + (f" (excepted until {one.excepted_until})" if one.excepted_until else "")
        for one in _breaches(mesh, product)
        if not one.stops
    )


def _breaches(mesh: Mesh, product: ProductSpec) -> list[PolicyFinding]:
    return product_breaches(mesh.workspace.policies, product, today=datetime.now(UTC).date())


def find_model_refusals(
    workspace: Workspace, model: ModelSpec, use: Use, *, catalog: Catalog | None = None
) -> list[Refusal]:
    """What upstream of a model does not allow its use or its purposes.

    Args:
        catalog: Asked as well for what comes from what; the workspace alone where None.
    """
    asked = _Asked(use=use, purposes=model.purposes)
    return list(_refusals(_Upstream(workspace, catalog), ("model", model.name), asked))


def find_product_refusals(
    workspace: Workspace, product: ProductSpec, *, catalog: Catalog | None = None
) -> list[Refusal]:
    """What upstream of a product does not allow that it is made so, or for its purposes; and consent it cannot keep."""
    asked = _Asked(use="build", purposes=product.contract.rights.purposes)
    upstream = _Upstream(workspace, catalog)
    found = list(_refusals(upstream, ("product", product.name), asked))
    return [*found, *_unkept_consent(upstream, product)]


def _told(subject: str, refusals: Sequence[Refusal], what_to_do: str) -> str:
    shown = [f"  {one.sentence}" for one in refusals[:10]]
    more = [f"  and {len(refusals) - 10} more"] if len(refusals) > 10 else []
    return "\n".join([subject, *shown, *more, what_to_do])


def rights_of(workspace: Workspace, catalog: Catalog | None, name: str) -> Rights | None:
    """What is said of a product's rows: by the workspace, else by the contract that the catalog has.

    None of datasets that the framework writes: what they are made of is asked instead.
    """
    spec = workspace.products.get(name)
    if spec is not None:
        return spec.contract.rights
    if catalog is None:
        return None
    try:
        if read_product(catalog, name).kind != "product":
            return None
    except NotFoundError:
        return None
    document = read_contract_document(catalog, name)
    return read_contract(Document(path=Path(f"{name} (catalog)"), data=dict(document), lines={})).rights


def consent_products(workspace: Workspace, catalog: Catalog | None, product: ProductSpec) -> tuple[str, ...]:
    """The products in which consent to a product's rows, or to those that it reads, stands: each is an input too."""
    found = [product.contract.consent_product]
    for name in product_reads(product):
        rights = rights_of(workspace, catalog, name) if name != SOURCE else None
        found.append(rights.consent.product if rights and rights.consent else None)
    return tuple(dict.fromkeys(name for name in found if name is not None))


def input_products(workspace: Workspace, catalog: Catalog | None, product: ProductSpec) -> tuple[str, ...]:
    """What must be there before a product is published: what its transform reads (`source` too), and its consents."""
    return tuple(dict.fromkeys((*product_reads(product), *consent_products(workspace, catalog, product))))


# The walk ----------------------------------------------------------------------------------------------------------


class _Upstream:
    """What comes from what."""

    def __init__(self, workspace: Workspace, catalog: Catalog | None) -> None:
        self.workspace = workspace
        self.catalog = catalog
        self._links: dict[_Node, set[_Node]] = {}
        self._looked: set[_Node] = set()
        found = (product.contract.consent_product for product in workspace.products.values())
        self._consent: set[_Node] = {("product", name) for name in found if name is not None}

    def of(self, node: _Node) -> list[_Node]:
        """What a node is made of. Where consent only stood is none of it: no value of that has come in."""
        self._look(node)
        declared = set(self._declared(node))
        return sorted(declared | {one for one in self._links.get(node, ()) if not declared or one not in self._consent})

    def _declared(self, node: _Node) -> list[_Node]:
        kind, name = node
        if kind == "product" and (product := self.workspace.products.get(name)):
            return [("product", one) for one in product_reads(product) if one != SOURCE]
        if kind == "product" and "__" in name:
            made_by = [m.name for m in self.workspace.models.values() if name in m.datasets]
            return [("model", one) for one in made_by]
        if kind == "model" and (model := self.workspace.models.get(name)):
            return [("product", one) for one in model.input_products]
        return []

    def _look(self, node: _Node) -> None:
        """Take in the catalog's lineage of a node, whole, where it was not met in that of another."""
        if self.catalog is None or node in self._looked or node[0] not in ("product", "model"):
            return
        self._looked.add(node)
        try:
            graph = lineage(self.catalog, node[1], direction="upstream")
        except NotFoundError:
            return
        self._looked.update(found.key for found in graph.nodes)
        for link in graph.links:
            self._links.setdefault(link.target, set()).add(link.source)

    def walk(
        self, start: _Node, *, ends: Callable[[Rights], bool] = lambda _rights: False
    ) -> Iterator[tuple[str, tuple[str, ...], Rights]]:
        """Every product upstream with its path, the nearest way, and what is said of its rows.

        Args:
            ends: Of what is said of a product, whether nothing beyond it is looked at.
        """
        paths: dict[_Node, tuple[str, ...]] = {start: (start[1],)}
        waiting = deque([start])
        while waiting:
            node = waiting.popleft()
            for source in self.of(node):
                if source in paths or source[0] == "source":
                    continue
                paths[source] = (*paths[node], source[1])
                rights = rights_of(self.workspace, self.catalog, source[1]) if source[0] == "product" else None
                if rights is None or not ends(rights):
                    waiting.append(source)
                if rights is not None:
                    yield source[1], paths[source], rights


def _refusals(upstream: _Upstream, start: _Node, asked: _Asked) -> Iterator[Refusal]:
    denied = upstream.workspace.policies.denied
    for name, path, rights in upstream.walk(start):
        owner = _owner(upstream, name)
        licence = f", licence {rights.licence}" if rights.licence else ""
        if rights.allowed_uses is None:
            if denied.uses:
                yield Refusal(path=path, reason=f"{name}{owner} does not say allowedUses, which the policies deny")
        elif asked.use not in rights.allowed_uses:
            allowed = listed(rights.allowed_uses) or "nothing"
            yield Refusal(path=path, reason=f"{name}{owner} does not allow {asked.use} (allowed: {allowed}{licence})")
        if rights.licence is None and denied.licence:
            yield Refusal(path=path, reason=f"{name}{owner} names no licence, which the policies deny")
        if rights.allowed_purposes is None:
            if denied.purposes:
                yield Refusal(path=path, reason=f"{name}{owner} does not say allowedPurposes, which the policies deny")
            continue
        allowed = listed(rights.allowed_purposes) or "nothing"
        if not asked.purposes:
            yield Refusal(path=path, reason=f"{name}{owner} is for {allowed} only, and {path[0]} declares no purpose")
        for purpose in asked.purposes:
            if purpose not in rights.allowed_purposes:
                yield Refusal(path=path, reason=f"{name}{owner} is for {allowed} only, not for {purpose}")


def _owner(upstream: _Upstream, name: str) -> str:
    spec = upstream.workspace.products.get(name)
    return f" (owner {spec.owner})" if spec is not None and spec.owner else ""


def _unkept_consent(upstream: _Upstream, product: ProductSpec) -> Iterator[Refusal]:
    """A table that keeps rows of earlier batches would keep those of people who withdraw later."""
    contract = product.contract
    if contract.write_mode == "overwrite" or contract.rights.consent_not_needed is not None:
        return
    if contract.consent_product is not None:
        return
    found = upstream.walk(("product", product.name), ends=lambda rights: rights.consent_not_needed is not None)
    for name, path, rights in found:
        if rights.consent is not None:
            yield Refusal(
                path=path,
                reason=f"{name} follows consent, but writeMode {contract.write_mode} keeps rows of people who withdraw"
                " later. Write writeMode overwrite; or consent: {product, key, column}, by which they are removed; or"
                " {notNeeded: why}",
            )
            return

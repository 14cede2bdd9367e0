"""Nodes of lineage: everything that rows are in, or that learned from them, and what is known of each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter

from sqlalchemy import Connection, func, select

from mesh_catalog.catalog.edges import NodeKind
from mesh_catalog.catalog.inventory import find_kind, kind_in
from mesh_catalog.catalog.openlineage.reading import find_outside, read_outside
from mesh_catalog.catalog.store import Catalog, among
from mesh_catalog.catalog.tables import dashboards, kpis, model_versions, models, products, run_files, runs
from mesh_catalog.catalog.versions import NewestVersions

__all__ = ["Node", "NodeKey", "by_kind", "find_node", "in_order", "read_nodes"]

NodeKey = tuple[str, str]
"""Kind and name."""
_KINDS: tuple[NodeKind, ...] = ("source", "dataset", "job", "product", "model", "model_version", "dashboard", "kpi")


@dataclass(frozen=True, kw_only=True)
class Node:
    """Something that rows are in, or that learned from them."""

    kind: NodeKind
    name: str
    """Of a source, the product whose source it is; of a model version, `model@version`; outside `namespace#name`."""
    label: str
    """What a person calls it; of a source, its files."""
    domain: str | None = None
    owner: str | None = None
    version: int | None = None
    """The newest version of a product's table."""
    retired: bool = False

    @property
    def key(self) -> NodeKey:
        return self.kind, self.name


def find_node(catalog: Catalog, connection: Connection, name: str) -> NodeKey:
    """The node of a name: of the mesh, or of a dataset (by any of its names) or a job outside.

    Raises:
        NotFoundError: There is none.
    """
    return find_outside(connection, name) or (kind_in(connection, name) or find_kind(catalog, name), name)


def in_order(nodes: Iterable[Node]) -> list[Node]:
    """By kind, in the direction that data flows, and by name."""
    of: dict[str, list[Node]] = defaultdict(list)
    for node in nodes:
        of[node.kind].append(node)
    return [node for kind in _KINDS for node in sorted(of[kind], key=attrgetter("name"))]


def by_kind(keys: Iterable[NodeKey]) -> dict[str, list[str]]:
    names: dict[str, list[str]] = defaultdict(list)
    for kind, name in keys:
        names[kind].append(name)
    return names


def read_nodes(connection: Connection, keys: Iterable[NodeKey], newest: NewestVersions) -> dict[NodeKey, Node]:
    """What the catalog knows of these nodes; those that it does not know are left out."""
    readers = {
        "source": _source_nodes,
        "model": _model_nodes,
        "model_version": _version_nodes,
        "dashboard": _dashboard_nodes,
        "dataset": _outside_nodes,
        "job": _outside_nodes,
        "kpi": _kpi_nodes,
    }
    found: dict[NodeKey, Node] = {}
    for kind, names in by_kind(keys).items():
        read = _product_nodes(connection, names, newest) if kind == "product" else readers[kind](connection, names)
        found |= {(kind, node.name): node for node in read}
    return found


def _product_nodes(connection: Connection, names: Sequence[str], newest: NewestVersions) -> Iterator[Node]:
    newest.learn(connection, names)
    p = products.c
    query = select(p.name, p.domain, p.owner, p.retired_at.is_not(None)).where(among(connection, p.name, names))
    for name, domain, owner, retired in connection.execute(query).all():
        version = newest.version(name)
        yield Node(
            kind="product", name=name, label=name, domain=domain, owner=owner, version=version, retired=bool(retired)
        )


def _source_nodes(connection: Connection, names: Sequence[str]) -> Iterator[Node]:
    counted = (
        select(runs.c.product, func.count().label("files"), func.min(run_files.c.path).label("first"))
        .join(run_files, run_files.c.run_id == runs.c.id)
        .where(among(connection, runs.c.product, names))
        .group_by(runs.c.product)
        .subquery()
    )
    query = (
        select(
            products.c.name,
            products.c.domain,
            func.coalesce(products.c.location, products.c.source),
            counted.c.files,
            counted.c.first,
        )
        .outerjoin(counted, counted.c.product == products.c.name)
        .where(among(connection, products.c.name, names))
    )
    for name, domain, source, files, first in connection.execute(query).all():
        label = source or first or f"files of {name}"
        counts = files and not str(first).startswith(("delta ", "jdbc "))  # those are no files
        told = f"{label} ({files} {'file' if files == 1 else 'files'} read)" if counts else label
        yield Node(kind="source", name=name, label=told, domain=domain)


def _model_nodes(connection: Connection, names: Sequence[str]) -> Iterator[Node]:
    query = select(models.c.name, models.c.domain, models.c.owner, models.c.retired_at).where(
        among(connection, models.c.name, names)
    )
    for name, domain, owner, retired_at in connection.execute(query).all():
        yield Node(kind="model", name=name, label=name, domain=domain, owner=owner, retired=retired_at is not None)


def _dashboard_nodes(connection: Connection, names: Sequence[str]) -> Iterator[Node]:
    d = dashboards.c
    query = select(d.name, d.domain, d.owner, d.retired_at).where(among(connection, d.name, names))
    for name, domain, owner, retired_at in connection.execute(query).all():
        yield Node(kind="dashboard", name=name, label=name, domain=domain, owner=owner, retired=retired_at is not None)


def _outside_nodes(connection: Connection, names: Sequence[str]) -> Iterator[Node]:
    for found in read_outside(connection, names):
        yield Node(kind=found.kind, name=found.name, label=found.label, owner=found.owner, retired=found.dropped)


def _kpi_nodes(connection: Connection, names: Sequence[str]) -> Iterator[Node]:
    k = kpis.c
    query = select(k.name, k.domain, k.owner, k.retired_at).where(among(connection, k.name, names))
    for name, domain, owner, retired_at in connection.execute(query).all():
        yield Node(kind="kpi", name=name, label=name, domain=domain, owner=owner, retired=retired_at is not None)


def _version_nodes(connection: Connection, names: Sequence[str]) -> Iterator[Node]:
    asked = set(names)
    v = model_versions.c
    of = {model for model, _, _ in (name.rpartition("@") for name in names)}
    for model, version in connection.execute(select(v.model, v.version).where(among(connection, v.model, of))):
        name = f"{model}@{version}"
        if name in asked:
            yield Node(kind="model_version", name=name, label=f"{model} v{version}", version=version)

"""Lineage of versions: which versions of its inputs a version was made of, and what was made of it, to the ends.

A version of an appended table also holds the rows of the versions before it; `holds_from` says since when.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select, tuple_

from mesh_catalog.catalog.lineage import Direction
from mesh_catalog.catalog.openlineage.naming import is_outside
from mesh_catalog.catalog.openlineage.storing import batches
from mesh_catalog.catalog.store import Catalog
from mesh_catalog.catalog.tables import model_versions, models, run_files, run_inputs, versions
from mesh_catalog.errors import InputError, NotFoundError, listed

__all__ = ["VersionGraph", "VersionLink", "VersionNode", "version_lineage"]

_Version = tuple[str, int]


@dataclass(frozen=True, kw_only=True)
class VersionNode:
    product: str
    """The product; for a model's version, the model."""
    version: int
    kind: str
    """`product` or `model`."""
    run_id: str | None
    made_at: datetime | None
    holds_from: int | None
    """The oldest version whose rows it may still hold."""
    sources: tuple[str, ...] = ()
    """Files, tables and databases outside the mesh that its run read."""


@dataclass(frozen=True, kw_only=True)
class VersionLink:
    source: _Version
    target: _Version


@dataclass(frozen=True, kw_only=True)
class VersionGraph:
    root: _Version
    direction: Direction
    nodes: tuple[VersionNode, ...]
    links: tuple[VersionLink, ...]


def version_lineage(catalog: Catalog, product: str, version: int, *, direction: Direction) -> VersionGraph:
    """Follow one version of a product's table, by the versions that runs read.

    Raises:
        NotFoundError: The product has no such version.
        InputError: It is outside the mesh.
    """
    if is_outside(product):
        raise InputError(f"{product}: is outside the mesh, which keeps versions of its own products only.")
    root = (product, version)
    with catalog.read() as connection:
        if not _product_nodes(connection, [root]):
            v = versions.c
            known = (
                connection.execute(select(v.version).where(v.product == product).order_by(v.version)).scalars().all()
            )
            there = f"It has {listed(f'v{one}' for one in known)}." if known else "It has none: publish it first."
            raise NotFoundError(f"{product}: has no version {version}. {there}")
        step = _inputs if direction == "upstream" else _outputs
        links: set[tuple[_Version, _Version]] = set()
        seen, level = {root}, {root}
        while level:
            found = step(connection, level)
            links |= found
            level = {end for link in found for end in link} - seen
            seen |= level
        nodes = _product_nodes(connection, seen) | _model_nodes(connection, seen)
    return VersionGraph(
        root=root,
        direction=direction,
        nodes=tuple(nodes[key] for key in sorted(nodes, key=lambda key: (key != root, key))),
        links=tuple(VersionLink(source=a, target=b) for a, b in sorted(links)),
    )


def _inputs(connection: Connection, level: Iterable[_Version]) -> set[tuple[_Version, _Version]]:
    v, i = versions.c, run_inputs.c
    found: set[tuple[_Version, _Version]] = set()
    for some in batches(level):
        query = (
            select(v.product, v.version, i.product.label("input"), i.version.label("input_version"))
            .join(run_inputs, i.run_id == v.run_id)
            .where(tuple_(v.product, v.version).in_(some))
        )
        found |= {((row[2], row[3]), (row[0], row[1])) for row in connection.execute(query)}
    return found


def _outputs(connection: Connection, level: Iterable[_Version]) -> set[tuple[_Version, _Version]]:
    v, i, m = versions.c, run_inputs.c, model_versions.c
    found: set[tuple[_Version, _Version]] = set()
    for some in batches(level):
        query = (
            select(i.product, i.version, v.product.label("made"), v.version.label("made_version"))
            .join(versions, v.run_id == i.run_id)
            .where(tuple_(i.product, i.version).in_(some))
        )
        found |= {((row[0], row[1]), (row[2], row[3])) for row in connection.execute(query)}
    wanted = set(level)
    trained = select(m.model, m.version, m.inputs, m.training_version, models.c.training_name)
    for model, version, inputs, training_version, training in connection.execute(
        trained.join(models, models.c.name == m.model)
    ):
        learned: set[_Version] = set(inputs.items())
        if training_version is not None:
            learned.add((training, training_version))
        found |= {(one, (model, version)) for one in learned & wanted}
    return found


def _product_nodes(connection: Connection, keys: Iterable[_Version]) -> dict[_Version, VersionNode]:
    v, f = versions.c, run_files.c
    found: dict[_Version, VersionNode] = {}
    for some in batches(keys):
        query = select(v.product, v.version, v.run_id, v.committed_at, v.kept_from)
        rows = connection.execute(query.where(tuple_(v.product, v.version).in_(some))).all()
        files: dict[str, list[str]] = defaultdict(list)
        of_runs = select(f.run_id, f.path).where(f.run_id.in_([row.run_id for row in rows])).order_by(f.path)
        for run_id, path in connection.execute(of_runs):
            files[run_id].append(path)
        found |= {
            (row.product, row.version): VersionNode(
                product=row.product,
                version=row.version,
                kind="product",
                run_id=row.run_id,
                made_at=row.committed_at,
                holds_from=row.kept_from,
                sources=tuple(files[row.run_id]),
            )
            for row in rows
        }
    return found


def _model_nodes(connection: Connection, keys: Iterable[_Version]) -> dict[_Version, VersionNode]:
    m = model_versions.c
    found: dict[_Version, VersionNode] = {}
    for some in batches(keys):
        query = select(m.model, m.version, m.mlflow_run_id, m.created_at)
        for model, version, run_id, at in connection.execute(query.where(tuple_(m.model, m.version).in_(some))):
            found[model, version] = VersionNode(
                product=model, version=version, kind="model", run_id=run_id, made_at=at, holds_from=None
            )
    return found

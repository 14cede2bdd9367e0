"""What one column leads to, or came from: columns, their tables' owners, models that learned from it, dashboards, KPIs.

A column that filters, joins or sorts a whole table (`*`) is followed through all columns of it. A model uses a column
where its features or its target name it, or the product that it is of. Whoever reads a table on the way without anybody
knowing which columns of it is among the unknown, and the answer is an error.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, select

from mesh_catalog.catalog.gaps import Gap, IncompleteLineageError
from mesh_catalog.catalog.lineage import Direction, Link, Node, lineage
from mesh_catalog.catalog.openlineage.events import ALL_COLUMNS
from mesh_catalog.catalog.openlineage.naming import is_outside
from mesh_catalog.catalog.openlineage.reading import find_outside, read_facets
from mesh_catalog.catalog.openlineage.storing import batches
from mesh_catalog.catalog.store import Catalog
from mesh_catalog.catalog.tables import contract_columns, kpis, model_versions, models, products
from mesh_catalog.errors import NotFoundError, nearest

__all__ = ["ColumnImpact", "ModelUse", "ReachedColumn", "column_impact", "split_column"]

_Column = tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class ReachedColumn:
    table: str
    column: str
    """`*`: every column of the table."""
    owner: str | None
    kinds: tuple[str, ...]
    """How it was made of what is nearer, in OpenLineage's words."""


@dataclass(frozen=True, kw_only=True)
class ModelUse:
    model: str
    owner: str | None
    features: tuple[str, ...]
    """The features and the target by which it uses the columns."""
    versions: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class ColumnImpact:
    table: str
    column: str
    direction: Direction
    columns: tuple[ReachedColumn, ...]
    readers: tuple[Node, ...]
    """Products, datasets, jobs, dashboards and KPIs that hold or read one of the columns."""
    models: tuple[ModelUse, ...] = ()
    unknown: tuple[Gap, ...] = ()
    complete: bool = True

    @property
    def owners(self) -> tuple[str, ...]:
        of = [node.owner for node in self.readers] + [use.owner for use in self.models]
        return tuple(sorted({owner for owner in of if owner}))


def split_column(catalog: Catalog, name: str) -> _Column | None:
    """Table and column, where `name` is a column's; None where it is something else's, or nothing's.

    Raises:
        NotFoundError: The table is known, and has no such column.
    """
    table, _, column = name.rpartition(".")
    if not table or not column:
        return None
    with catalog.read() as connection:
        found = _table(connection, name, table)
        if found is None:
            return None
        known = _known_columns(connection, found, table)
        if known and column not in known:
            raise NotFoundError(f"{table}: has no column '{column[:80]}'.{nearest(column, known)}")
    return found, column


def _table(connection: Connection, name: str, table: str) -> str | None:
    """The table in the graph of a column's name, where it can be one."""
    if not is_outside(name):
        p = products.c
        return connection.execute(select(p.name).where(p.name == table)).scalar() if name.count(".") == 2 else None
    try:
        find_outside(connection, name)
    except NotFoundError:
        pass
    else:
        return None
    try:
        node = find_outside(connection, table)
    except NotFoundError:
        return None
    return node[1] if node is not None and node[0] != "job" else None


def _known_columns(connection: Connection, table: str, alias: str) -> set[str]:
    if is_outside(table):
        facets = read_facets(connection, "dataset", {table, alias})
        schemas = [facet["schema"][1] for facet in facets.values() if "schema" in facet]
        return {field["name"] for schema in schemas for field in schema or ()}
    c, p = contract_columns.c, products.c
    query = select(c.name).join(products, (p.name == c.product) & (p.contract_digest == c.digest))
    return set(connection.execute(query.where(c.product == table)).scalars())


def column_impact(
    catalog: Catalog, table: str, column: str, *, direction: Direction, allow_incomplete: bool = False
) -> ColumnImpact:
    """Follow one column as far as it goes.

    Args:
        table: A product, or a dataset outside by its name in the graph.

    Raises:
        NotFoundError: No such table.
        IncompleteLineageError: Something on the way is unknown; says what.
    """
    graph = lineage(catalog, table, direction=direction, columns=True, allow_incomplete=True)
    reached: dict[_Column, set[str]] = {(table, column): set()}
    steps: dict[str, list[tuple[_Column, _Column, tuple[str, ...]]]] = defaultdict(list)
    for link in graph.columns:
        ends = ((link.from_product, link.from_column), (link.to_product, link.to_column))
        near, far = ends if direction == "downstream" else ends[::-1]
        steps[near[0]].append((near, far, link.kinds))
    level: list[_Column] = [(table, column)]
    uses: dict[str, set[str]] = defaultdict(set)
    with catalog.read() as connection:
        while level:
            following = _following(level, steps, reached)
            if direction == "downstream":
                following += _through_models(connection, level, uses, reached)
            level = following
        found = _models(connection, uses)
        columns_of = _owners(connection, {name for name, _ in reached})
        used = dict(connection.execute(select(kpis.c.name, kpis.c.columns)).tuples().all())
    known = {node.name for node in graph.nodes}
    reached = {end: kinds for end, kinds in reached.items() if end[0] in known}
    tables = {name for name, _ in reached}
    unknown = _unknown(graph.unknown, tables, direction)
    if unknown and not allow_incomplete:
        raise IncompleteLineageError(
            f"{table}.{column}: what it {'leads to' if direction == 'downstream' else 'came from'} is not known whole. "
            f"There is {'; '.join(gap.text for gap in unknown[:10])}. Take what is known with --allow-incomplete."
        )
    nodes = {node.key: node for node in graph.nodes}
    readers = _readers(graph.links, nodes, tables, table, direction)
    readers += tuple(
        nodes[link.target]
        for link in graph.links
        if direction == "downstream" and link.target[0] == "kpi"
        if any(name == link.source[1] and one.lower() in (*used[link.target[1]], ALL_COLUMNS) for name, one in reached)
    )
    owner = {node.name: node.owner for node in graph.nodes} | columns_of
    return ColumnImpact(
        table=table,
        column=column,
        direction=direction,
        columns=tuple(
            ReachedColumn(table=name, column=one, owner=owner.get(name), kinds=tuple(sorted(kinds)))
            for (name, one), kinds in sorted(reached.items())
            if (name, one) != (table, column)
        ),
        readers=readers,
        models=found,
        unknown=tuple(unknown),
        complete=not unknown,
    )


def _following(
    level: Iterable[_Column],
    steps: dict[str, list[tuple[_Column, _Column, tuple[str, ...]]]],
    reached: dict[_Column, set[str]],
) -> list[_Column]:
    new = []
    for name, column in level:
        for near, far, kinds in steps[name]:
            if ALL_COLUMNS in (column, near[1]) or near[1] == column:
                if far not in reached:
                    reached[far] = set()
                    new.append(far)
                reached[far] |= set(kinds)
    return new


def _through_models(
    connection: Connection, level: Iterable[_Column], uses: dict[str, set[str]], reached: dict[_Column, set[str]]
) -> list[_Column]:
    """Models that use the columns, and on to what they predict."""
    m = models.c
    query = select(m.name, m.features, m.target, m.training_name, m.predictions_name).where(m.retired_at.is_(None))
    new: list[_Column] = []
    wanted = {name for name, _ in level}
    columns = {f"{name}.{column}" for name, column in level}
    for name, features, target, training, predictions in connection.execute(query):
        used = {one for one in (*features, target) if one in columns or one in wanted}
        used |= {target} if any(c == ALL_COLUMNS and target.startswith(f"{t}.") for t, c in level) else set()
        if training in wanted and not (used or uses.get(name)):  # else its features say so already
            used |= {column for column in columns if column.startswith(f"{training}.")}
        if used:
            uses[name] |= used
            end = (predictions, ALL_COLUMNS)
            if end not in reached:
                reached[end] = {"PREDICTION"}
                new.append(end)
    return new


def _models(connection: Connection, uses: dict[str, set[str]]) -> tuple[ModelUse, ...]:
    owners: dict[str, str | None] = {}
    versions: dict[str, list[int]] = defaultdict(list)
    for some in batches(uses):
        m, v = models.c, model_versions.c
        owners |= {row.name: row.owner for row in connection.execute(select(m.name, m.owner).where(m.name.in_(some)))}
        for model, version in connection.execute(select(v.model, v.version).where(v.model.in_(some))):
            versions[model].append(version)
    return tuple(
        ModelUse(
            model=name, owner=owners.get(name), features=tuple(sorted(used)), versions=tuple(sorted(versions[name]))
        )
        for name, used in sorted(uses.items())
    )


def _owners(connection: Connection, tables: Iterable[str]) -> dict[str, str | None]:
    p = products.c
    found: dict[str, str | None] = {}
    for some in batches(tables):
        found |= {row.name: row.owner for row in connection.execute(select(p.name, p.owner).where(p.name.in_(some)))}
    return found


def _readers(
    links: Iterable[Link],
    nodes: dict[tuple[str, str], Node],
    tables: set[str],
    root: str,
    direction: Direction,
) -> tuple[Node, ...]:
    keys = {key for key in nodes if key[0] in ("product", "dataset") and key[1] in tables and key[1] != root}
    for link in links:
        near, far = (link.source, link.target) if direction == "downstream" else (link.target, link.source)
        if far[0] in ("dashboard", "job", "source") and near[1] in tables and near[0] in ("product", "dataset"):
            keys.add(far)
    return tuple(nodes[key] for key in sorted(keys))


def _unknown(gaps: Iterable[Gap], tables: set[str], direction: Direction) -> list[Gap]:
    """The gaps of the graph that the column's way leads to."""
    return [
        gap
        for gap in gaps
        if gap.target is None or (gap.target in tables if direction == "upstream" else tables & set(gap.sources))
    ]

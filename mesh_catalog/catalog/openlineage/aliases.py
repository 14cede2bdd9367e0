"""One dataset under many names: which name stands for all of them, and moving the edges to it.

Names that symlinks or renames tie together are one dataset. A product's name stands for it, else the least name that
was told as a dataset and not given up by a rename. That is a function of what was told, not of its order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, Table, bindparam, delete, or_, select, update

from mesh_catalog.catalog.openlineage.naming import is_outside
from mesh_catalog.catalog.openlineage.storing import batches, merge_rows
from mesh_catalog.catalog.tables import column_edges, edges, openlineage_aliases, openlineage_datasets

__all__ = ["canonical_names", "unite"]


def canonical_names(connection: Connection, names: Iterable[str]) -> dict[str, str]:
    """Each dataset's one name in the graph."""
    d = openlineage_datasets.c
    found: dict[str, str] = {}
    for some in batches(set(names)):
        query = select(d.name, d.canonical).where(d.name.in_(some))
        found |= {row.name: row.canonical for row in connection.execute(query)}
    return found


def unite(connection: Connection, names: set[str]) -> Mapping[str, str]:
    """Choose the one name of all that hang together with these, and move edges to it; returns former name → new."""
    pairs = _tied(connection, names)
    members = names | {name for pair in pairs for name in pair}
    d = openlineage_datasets.c
    rows: dict[str, Any] = {}
    for some in batches(members):
        query = select(d.name, d.product, d.canonical, d.told, d.renamed).where(d.name.in_(some))
        rows |= {row.name: row for row in connection.execute(query)}
    moved: dict[str, str] = {}
    changed = []
    for group in _groups(members, pairs):
        known = [rows[name] for name in group]
        products = sorted(row.product for row in known if row.product)
        chosen = products[0] if products else min(known, key=lambda r: (r.renamed, not r.told, r.name)).name
        for row in known:
            canonical = row.product or chosen
            if canonical != row.canonical:
                moved[row.canonical] = canonical
                changed.append({"which": row.name, "chosen": canonical})
    if changed:
        statement = update(openlineage_datasets).where(d.name == bindparam("which"))
        connection.execute(statement.values(canonical=bindparam("chosen")), changed)
        _move(connection, moved)
    return moved


def _tied(connection: Connection, names: set[str]) -> set[tuple[str, str]]:
    """Every pair of aliases that can be reached from the names."""
    a = openlineage_aliases.c
    pairs: set[tuple[str, str]] = set()
    seen, level = set(names), set(names)
    while level:
        found = set()
        for some in batches(level):
            query = select(a.name, a.alias).where(or_(a.name.in_(some), a.alias.in_(some)))
            found |= {(name, alias) for name, alias in connection.execute(query)}
        pairs |= found
        level = {name for pair in found for name in pair} - seen
        seen |= level
    return pairs


def _groups(members: set[str], pairs: set[tuple[str, str]]) -> list[list[str]]:
    leader = {name: name for name in members}

    def find(name: str) -> str:
        while leader[name] != name:
            leader[name] = leader[leader[name]]
            name = leader[name]
        return name

    for one, other in pairs:
        leader[find(one)] = find(other)
    groups: dict[str, list[str]] = {}
    for name in sorted(members):
        groups.setdefault(find(name), []).append(name)
    return list(groups.values())


def _move(connection: Connection, moved: Mapping[str, str]) -> None:
    _move_in(connection, edges, moved, (("from_kind", "from_name"), ("to_kind", "to_name")))
    _move_in(connection, column_edges, moved, ((None, "from_product"), (None, "to_product")))


def _move_in(
    connection: Connection, table: Table, moved: Mapping[str, str], ends: tuple[tuple[str | None, str], ...]
) -> None:
    """Rewrite the edges at datasets that got another name; one that would lead from a dataset to itself goes."""
    keys = [column.name for column in table.primary_key]
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for some in batches(moved):
        for kind, name in ends:
            at = table.c[name].in_(some) & table.c.last_at.is_not(None)
            if kind is not None:
                at &= table.c[kind].in_(("dataset", "product"))
            for told in connection.execute(select(table).where(at)).mappings():
                found[tuple(told[key] for key in keys)] = dict(told)
            connection.execute(delete(table).where(at))
    rows = []
    for row in found.values():
        for kind, name in ends:
            if kind is None or row[kind] != "job":
                row[name] = moved.get(row[name], row[name])
                if kind is not None:
                    row[kind] = "dataset" if is_outside(row[name]) else "product"
        if len({row[name] for _, name in ends}) > 1:
            rows.append(row)
    merge_rows(connection, table, rows, {"last_at": "greatest"})

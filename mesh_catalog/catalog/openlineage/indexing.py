"""Datasets of which only events told, as search knows them: by name, namespace, aliases, columns, tags, owners, words.

What a dataset is found by is a function of what is kept of it, so events in any order give the same index; what is in
it already is compared first, since most events tell nothing new.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from sqlalchemy import Connection, select

from mesh_catalog.catalog.openlineage.naming import is_outside, split_name
from mesh_catalog.catalog.openlineage.reading import OutsideDataset, read_outside_datasets
from mesh_catalog.catalog.openlineage.storing import batches
from mesh_catalog.catalog.search_index import Entry, Indexed, drop_words, index_assets, stored_entries
from mesh_catalog.catalog.store import among
from mesh_catalog.catalog.tables import openlineage_datasets, search_assets

__all__ = ["index_datasets", "index_every_dataset"]

_WEIGHT = 0.7
"""Whoever searches mostly means the product."""


def index_datasets(connection: Connection, names: Collection[str]) -> None:
    """Bring search up to date with datasets by their names in the graph; one that is no more is forgotten."""
    asked = [name for name in names if is_outside(name)]
    if not asked:
        return
    wanted = {one.name: _indexed(one) for one in read_outside_datasets(connection, asked) if not one.dropped}
    a = search_assets.c
    query = select(a.name, a.entries).where(a.kind == "dataset", among(connection, a.name, asked))
    known = dict(connection.execute(query).tuples().all())
    for name in sorted(known.keys() - wanted.keys()):
        drop_words(connection, "dataset", name)
    changed = [one for name, one in sorted(wanted.items()) if known.get(name) != stored_entries(one)]
    if changed:
        index_assets(connection, changed)


def index_every_dataset(connection: Connection) -> None:
    """Index all datasets outside."""
    names = set(connection.execute(select(openlineage_datasets.c.canonical)).scalars())
    for some in batches(sorted(names)):
        index_datasets(connection, some)


def _indexed(found: OutsideDataset) -> Indexed:
    return Indexed(kind="dataset", name=found.name, entries=list(_entries(found)), weight=_WEIGHT)


def _entries(found: OutsideDataset) -> Iterator[Entry]:
    namespace, plain = split_name(found.name)
    yield Entry(field="name", label="name", text=plain)
    yield Entry(field="detail", label="namespace", text=namespace)
    yield Entry(field="owner", label=f"owner {found.owner}", text=found.owner or "")
    yield Entry(field="description", label="description", text=found.description)
    for alias in found.aliases:
        yield Entry(field="name", label=f"alias {alias}", text=split_name(alias)[1])
    for tag in found.tags:
        yield Entry(field="tag", label=f"tag {tag}", text=tag)
    for name, description in found.columns:
        yield Entry(field="column", label=f"column {name}", text=name)
        yield Entry(field="detail", label=f"column {name}", text=description)

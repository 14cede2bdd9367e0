"""What is known of datasets and jobs outside the mesh, and of their runs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, select

from mesh_catalog.catalog.openlineage.events import RUN_STATES
from mesh_catalog.catalog.openlineage.naming import is_outside
from mesh_catalog.catalog.openlineage.storing import batches
from mesh_catalog.catalog.store import Catalog
from mesh_catalog.catalog.tables import (
    openlineage_datasets,
    openlineage_facets,
    openlineage_flows,
    openlineage_jobs,
    openlineage_runs,
)
from mesh_catalog.errors import NotFoundError, nearest, without_controls

__all__ = [
    "OutsideDataset",
    "OutsideNode",
    "OutsideRun",
    "find_outside",
    "read_facets",
    "read_outside",
    "read_outside_datasets",
    "read_outside_runs",
]


@dataclass(frozen=True, kw_only=True)
class OutsideNode:
    """A dataset or a job outside the mesh."""

    kind: Literal["dataset", "job"]
    name: str
    """`namespace#name`."""
    label: str
    owner: str | None
    dropped: bool
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class OutsideDataset:
    """A dataset outside the mesh, with what the newest events told of it under any of its names."""

    name: str
    """`namespace#name`."""
    owner: str | None
    dropped: bool
    aliases: tuple[str, ...]
    description: str
    tags: tuple[str, ...]
    columns: tuple[tuple[str, str], ...]
    """Name and description; the latter may be empty."""


@dataclass(frozen=True, kw_only=True)
class OutsideRun:
    """A run of a job outside the mesh, with what it read and wrote under the names in the graph."""

    run_id: str
    job: str
    state: str
    started_at: datetime
    told_at: datetime
    parent_run: str | None
    parent_job: str | None
    inputs: Mapping[str, str | None]
    """Dataset or product → its version, where the producer says it."""
    outputs: Mapping[str, str | None]


def find_outside(connection: Connection, name: str) -> tuple[Any, str] | None:
    """Kind and name in the graph of `namespace#name`, which may be an alias; None where it is of the mesh.

    Raises:
        NotFoundError: No event named it.
    """
    if not is_outside(name):
        return None
    d, j = openlineage_datasets.c, openlineage_jobs.c
    canonical = connection.execute(select(d.canonical).where(d.name == name)).scalar()
    if canonical is not None:
        return ("dataset" if is_outside(canonical) else "product", canonical)
    if connection.execute(select(j.name).where(j.name == name)).scalar() is not None:
        return "job", name
    namespace, _, _ = name.partition("#")
    known = [
        one
        for column in (d.name, j.name)
        for one in connection.execute(
            select(column).where(column.startswith(f"{namespace}#", autoescape=True)).limit(500)
        ).scalars()
    ]
    raise NotFoundError(f"{name}: no event told of such a dataset or job.{nearest(name, known)}")


def read_outside(connection: Connection, names: Iterable[str]) -> Iterator[OutsideNode]:
    """The datasets and jobs of these names in the graph; names that nobody told of are left out."""
    asked = list(names)
    for found in read_outside_datasets(connection, asked):
        yield OutsideNode(
            kind="dataset",
            name=found.name,
            label=without_controls(found.name),
            owner=found.owner,
            dropped=found.dropped,
            aliases=found.aliases,
        )
    j = openlineage_jobs.c
    for some in batches(asked):
        jobs = connection.execute(select(j.name).where(j.name.in_(some))).scalars().all()
        facets = read_facets(connection, "job", jobs)
        for name in jobs:
            owner = _owner(_newest(facets, [name]))
            yield OutsideNode(kind="job", name=name, label=without_controls(name), owner=owner, dropped=False)


def read_outside_datasets(connection: Connection, names: Iterable[str]) -> Iterator[OutsideDataset]:
    """The datasets of these names in the graph; names that nobody told of are left out."""
    d = openlineage_datasets.c
    members: dict[str, list[str]] = {}
    for some in batches(names):
        for name, canonical in connection.execute(select(d.name, d.canonical).where(d.canonical.in_(some))):
            members.setdefault(canonical, []).append(name)
    facets = read_facets(connection, "dataset", [name for group in members.values() for name in group])
    for name, group in members.items():
        of = _newest(facets, group)
        yield OutsideDataset(
            name=name,
            owner=_owner(of),
            dropped=(of.get("lifecycleStateChange") or {}).get("lifecycleStateChange") == "DROP",
            aliases=tuple(sorted(set(group) - {name})),
            description=of.get("documentation") or "",
            tags=tuple(dict.fromkeys(str(tag["key"]) for tag in of.get("tags") or () if tag.get("key"))),
            columns=tuple((str(one["name"]), str(one.get("description") or "")) for one in of.get("schema") or ()),
        )


def _owner(facets: Mapping[str, Any]) -> str | None:
    owners = [owner["name"] for owner in facets.get("ownership") or () if owner.get("name")]
    return ", ".join(owners) or None


def read_facets(connection: Connection, kind: str, names: Iterable[str]) -> dict[str, dict[str, tuple[datetime, Any]]]:
    """Name → facet → when it was told, and what is kept of it."""
    f = openlineage_facets.c
    found: dict[str, dict[str, tuple[datetime, Any]]] = {}
    for some in batches(names):
        query = select(f.name, f.facet, f.at, f.value).where(f.kind == kind, f.name.in_(some))
        for name, facet, at, value in connection.execute(query):
            found.setdefault(name, {})[facet] = (at, json.loads(value))
    return found


def _newest(facets: Mapping[str, Mapping[str, tuple[datetime, Any]]], names: Iterable[str]) -> dict[str, Any]:
    """The facets of one dataset under all of its names."""
    newest: dict[str, tuple[datetime, Any]] = {}
    for name in sorted(names):
        for facet, told in facets.get(name, {}).items():
            if facet not in newest or told[0] > newest[facet][0]:
                newest[facet] = told
    return {facet: value for facet, (_, value) in newest.items()}


def read_outside_runs(catalog: Catalog, name: str, *, limit: int = 20) -> list[OutsideRun]:
    """The newest runs of a job, or those that read or wrote a dataset or a product; newest first."""
    r, f, d = openlineage_runs.c, openlineage_flows.c, openlineage_datasets.c
    with catalog.read() as connection:
        same = select(d.name).where(d.canonical == name)
        touching = select(f.run_id).where(f.from_name.in_(same) | f.to_name.in_(same))
        query = select(openlineage_runs).where((r.job == name) | r.run_id.in_(touching))
        rows = connection.execute(query.order_by(r.started_at.desc(), r.run_id).limit(limit)).mappings().all()
        flows: dict[tuple[str, str], list[Any]] = {}
        ids = [row["run_id"] for row in rows]
        for row in connection.execute(select(openlineage_flows).where(f.run_id.in_(ids))):
            flows.setdefault((row.run_id, row.job), []).append(row)
        named = {row.from_name for of in flows.values() for row in of} | {
            row.to_name for of in flows.values() for row in of
        }
        one = {
            plain: canonical
            for some in batches(named)
            for plain, canonical in connection.execute(select(d.name, d.canonical).where(d.name.in_(some)))
        }
    return [
        OutsideRun(
            **{key: row[key] for key in ("run_id", "job", "started_at", "told_at", "parent_run", "parent_job")},
            state=RUN_STATES[row["state"]],
            inputs={
                one.get(flow.from_name, flow.from_name): flow.version
                for flow in flows.get((row["run_id"], row["job"]), ())
                if (flow.to_kind, flow.to_name) == ("job", row["job"])
            },
            outputs={
                one.get(flow.to_name, flow.to_name): flow.version
                for flow in flows.get((row["run_id"], row["job"]), ())
                if (flow.from_kind, flow.from_name) == ("job", row["job"])
            },
        )
        for row in rows
    ]

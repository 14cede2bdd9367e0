"""Taking events in: keep what each says, and draw the graph's edges anew where that changed.

Events may come twice, late, and in any order: what is kept are sets, greatest and newest values (storing.py), and the
edges are a function of them. A run's datasets count once it has completed, those of a streaming job while it runs; a
failed run is known, and gives no edge, unless it was a stream that had run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, func, or_, select, tuple_, update

from mesh_catalog.catalog.openlineage.aliases import canonical_names, unite
from mesh_catalog.catalog.openlineage.events import RUN_STATES, ColumnFlow, EventError, Flow, LineageEvent, parse_event
from mesh_catalog.catalog.openlineage.indexing import index_datasets
from mesh_catalog.catalog.openlineage.naming import Resolve, is_outside
from mesh_catalog.catalog.openlineage.storing import Rule, batches, merge_rows
from mesh_catalog.catalog.search_index import lock_index
from mesh_catalog.catalog.store import Catalog
from mesh_catalog.catalog.tables import (
    column_edges,
    edges,
    openlineage_aliases,
    openlineage_columns,
    openlineage_datasets,
    openlineage_facets,
    openlineage_flows,
    openlineage_jobs,
    openlineage_runs,
    products,
    runs,
)

__all__ = ["Ingested", "ingest", "parse_events"]

_GREATEST: Rule = "greatest"
_CHUNK = 1000
"""Events a transaction: other writers of SQLite wait for its end."""
_COMPLETE = RUN_STATES.index("COMPLETE")
_RUNNING = RUN_STATES.index("RUNNING")
_LOCK = 7_260_115
"""Key of PostgreSQL's advisory lock under which one process at a time draws edges."""


@dataclass(frozen=True, kw_only=True)
class Ingested:
    """How many events were taken in."""

    events: int
    own: int
    """Of those, how many told of the mesh's own runs, which the catalog knows better."""


def parse_events(documents: Iterable[Any]) -> list[LineageEvent]:
    """Read events from their JSON.

    Raises:
        EventError: One is wrong; its message begins with the event's place, from 1.
    """
    found = []
    for number, document in enumerate(documents, start=1):
        try:
            found.append(parse_event(document))
        except EventError as error:
            raise EventError(f"event {number}: {error}") from None
    return found


def ingest(catalog: Catalog, events: Iterable[LineageEvent], *, resolve: Resolve) -> Ingested:
    """Take events in, `_CHUNK` a transaction; taking them again changes nothing.

    Args:
        events: As `parse_events` reads them, in any order.
        resolve: Says which datasets are tables of the mesh.

    Raises:
        StorageError: The catalog cannot be written.
    """
    count = own = 0
    for chunk in _chunks(events):
        with catalog.write() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
            lock_index(connection)
            others = _without_own(connection, chunk)
            _keep(connection, others, resolve)
        count += len(chunk)
        own += len(chunk) - len(others)
    return Ingested(events=count, own=own)


def _chunks(events: Iterable[LineageEvent]) -> Iterator[list[LineageEvent]]:
    chunk: list[LineageEvent] = []
    for event in events:
        chunk.append(event)
        if len(chunk) == _CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _without_own(connection: Connection, events: Sequence[LineageEvent]) -> list[LineageEvent]:
    claimed = {event.own_run for event in events if event.own_run}
    known: set[str] = set()
    for some in batches(claimed):
        known |= set(connection.execute(select(runs.c.id).where(runs.c.id.in_(some))).scalars())
    return [event for event in events if event.own_run not in known]


def _keep(connection: Connection, events: Sequence[LineageEvent], resolve: Resolve) -> None:
    if not events:
        return
    changed = _keep_datasets(connection, events, resolve)
    pairs = {pair for event in events for pair in event.aliases}
    merge_rows(connection, openlineage_aliases, [{"name": a, "alias": b} for a, b in pairs])
    moved = unite(connection, changed | {name for pair in pairs for name in pair})
    _keep_jobs(connection, events)
    _keep_facets(connection, events)
    touched = _keep_runs(connection, events)
    _draw_runs(connection, touched)
    _draw_declared(connection, [event for event in events if event.run_id is None])
    named = canonical_names(connection, {name for event in events for name in event.datasets})
    index_datasets(connection, {*named.values(), *moved, *moved.values()})


def _keep_datasets(connection: Connection, events: Sequence[LineageEvent], resolve: Resolve) -> set[str]:
    """Keep the datasets that are named; returns those that are new, or of which something changed."""
    named: dict[str, tuple[str, str, bool]] = {}
    for event in events:
        for name, (namespace, plain, told) in event.datasets.items():
            named[name] = (namespace, plain, told or (name in named and named[name][2]))
    renamed = {name for event in events for name in event.renamed}
    d = openlineage_datasets.c
    known: dict[str, tuple[str | None, bool, bool]] = {}
    for some in batches(named):
        query = select(d.name, d.product, d.told, d.renamed).where(d.name.in_(some))
        known |= {name: (product, told, gone) for name, product, told, gone in connection.execute(query)}
    unresolved = [name for name in named if name not in known or known[name][0] is None]
    mine = _products(connection, {name: resolve(*named[name][:2]) for name in unresolved})
    rows, changed = [], set()
    for name, (_, _, told) in named.items():
        product, was_told, was_renamed = known.get(name, (None, False, False))
        now = (product or mine.get(name), told or was_told, name in renamed or was_renamed)
        if known.get(name) != now:
            changed.add(name)
            rows.append(
                {"name": name, "product": now[0], "canonical": now[0] or name, "told": now[1], "renamed": now[2]}
            )
    merge_rows(
        connection, openlineage_datasets, rows, {"product": "greatest", "told": "greatest", "renamed": "greatest"}
    )
    return changed & known.keys()


def _products(connection: Connection, candidates: dict[str, str | None]) -> dict[str, str]:
    """Of the candidates, those that are products of the catalog."""
    asked = {product for product in candidates.values() if product}
    known: set[str] = set()
    for some in batches(asked):
        known |= set(connection.execute(select(products.c.name).where(products.c.name.in_(some))).scalars())
    return {name: product for name, product in candidates.items() if product in known and product is not None}


def _keep_jobs(connection: Connection, events: Sequence[LineageEvent]) -> None:
    """Every job that is named, as an event's own or in explicit lineage, and when it was declared last."""
    found: dict[str, datetime | None] = {}
    for event in events:
        for flow in event.flows:
            ends = ((flow.from_kind, flow.from_name), (flow.to_kind, flow.to_name))
            found |= {name: found.get(name) for kind, name in ends if kind == "job"}
        if event.job is not None:
            before = found.get(event.job)
            at = event.at if event.run_id is None else None
            found[event.job] = max(filter(None, (before, at)), default=None)
        if event.parent_job is not None:
            found.setdefault(event.parent_job, None)
    rows = [{"name": name, "declared_at": at} for name, at in found.items()]
    merge_rows(connection, openlineage_jobs, rows, {"declared_at": "greatest"})


def _keep_facets(connection: Connection, events: Sequence[LineageEvent]) -> None:
    newest: dict[tuple[str, str, str], tuple[datetime, str]] = {}
    for event in events:
        for kind, name, facet, value in event.facets:
            newest[kind, name, facet] = max(newest.get((kind, name, facet), (event.at, value)), (event.at, value))
    rows = [
        {"kind": kind, "name": name, "facet": facet, "at": at, "value": value}
        for (kind, name, facet), (at, value) in newest.items()
    ]
    merge_rows(connection, openlineage_facets, rows, newest_by=("at", "value"))


_Run = tuple[str, str]


def _keep_runs(connection: Connection, events: Sequence[LineageEvent]) -> list[_Run]:
    """Keep runs and what flowed in them; returns the runs."""
    found: dict[_Run, dict[str, Any]] = {}
    flows: dict[tuple[Any, ...], dict[str, Any]] = {}
    columns: set[tuple[Any, ...]] = set()
    for event in events:
        if event.run_id is None or event.job is None:
            continue
        key = (event.run_id, event.job)
        found[key] = _later(found.get(key), event)
        for flow in event.flows:
            row = {"run_id": event.run_id, "job": event.job, **flow._asdict()}
            same = (*key, *flow[:4])
            flows[same] = _fuller(flows.get(same), row)
        columns |= {(*key, *column) for column in event.columns}
    newer = ("state", "streaming", "ran", "told_at", "parent_run", "parent_job")
    merge_rows(
        connection,
        openlineage_runs,
        found.values(),
        {**dict.fromkeys(newer, _GREATEST), "started_at": "least"},
    )
    merge_rows(
        connection,
        openlineage_flows,
        flows.values(),
        {"version": "greatest", "rows": "greatest", "change": "greatest"},
    )
    names = ("run_id", "job", *ColumnFlow._fields)
    merge_rows(connection, openlineage_columns, [dict(zip(names, column, strict=True)) for column in columns])
    return list(found)


def _later(known: dict[str, Any] | None, event: LineageEvent) -> dict[str, Any]:
    told = {
        "run_id": event.run_id,
        "job": event.job,
        "state": event.state,
        "streaming": event.streaming,
        "ran": event.state == _RUNNING,
        "started_at": event.at,
        "told_at": event.at,
        "parent_run": event.parent_run,
        "parent_job": event.parent_job,
    }
    if known is None:
        return told
    return _fuller(known, told) | {"started_at": min(known["started_at"], event.at)}


def _fuller(known: dict[str, Any] | None, told: dict[str, Any]) -> dict[str, Any]:
    """The greatest of each value, a missing one the least."""
    if known is None:
        return told
    return {
        name: value if known[name] is None else known[name] if value is None else max(known[name], value)
        for name, value in told.items()
    }


def _draw_runs(connection: Connection, touched: Sequence[_Run]) -> None:
    """The edges of the runs that count, among those an event was about."""
    r, f, c = openlineage_runs.c, openlineage_flows.c, openlineage_columns.c
    flows: list[tuple[Flow, datetime]] = []
    columns: list[tuple[ColumnFlow, datetime]] = []
    for some in batches(touched):
        counts = or_(r.state == _COMPLETE, r.streaming & r.ran)
        at = {
            (run, job): told
            for run, job, told in connection.execute(
                select(r.run_id, r.job, r.told_at).where(tuple_(r.run_id, r.job).in_(some), counts)
            )
        }
        for part in batches(at):
            query = select(openlineage_flows).where(tuple_(f.run_id, f.job).in_(part))
            flows += [(Flow(*row[2:]), at[row[0], row[1]]) for row in connection.execute(query)]
            query = select(openlineage_columns).where(tuple_(c.run_id, c.job).in_(part))
            columns += [(ColumnFlow(*row[2:]), at[row[0], row[1]]) for row in connection.execute(query)]
    _draw(connection, flows, columns, origin="openlineage")


def _draw_declared(connection: Connection, events: Sequence[LineageEvent]) -> None:
    """The edges that JobEvents and DatasetEvents declare; those that a newer one no longer declares are taken away."""
    if not events:
        return
    d = openlineage_datasets.c
    for event in events:
        for name, column in ((event.declares, d.declared_at), (event.emptied, d.emptied_at)):
            if name is not None:
                older = or_(column.is_(None), column < event.at)
                connection.execute(update(openlineage_datasets).where(d.name == name, older).values({column: event.at}))
    flows = [(flow, event.at) for event in events for flow in event.flows]
    columns = [(column, event.at) for event in events for column in event.columns]
    gone = {event.emptied for event in events if event.emptied} | {e.declares for e in events if e.declares}
    _draw(connection, flows, columns, origin="declared", emptied=gone)
    jobs = {name for flow, _ in flows for kind, name in (flow[:2], flow[2:4]) if kind == "job"}
    _forget_older(connection, jobs | {event.job for event in events if event.job}, gone | {f.to_name for f, _ in flows})


def _forget_older(connection: Connection, jobs: Iterable[str], datasets: Iterable[str]) -> None:
    e = edges.c
    declared = e.origin == "declared"
    for some in batches(jobs):
        j = openlineage_jobs.c
        query = select(j.name, j.declared_at).where(j.name.in_(some), j.declared_at.is_not(None))
        for job, at in connection.execute(query):
            ends = or_(
                (e.to_kind == "job") & (e.to_name == job),
                (e.from_kind == "job") & (e.from_name == job) & (e.to_kind != "job"),
            )
            connection.execute(delete(edges).where(declared, ends, e.last_at < at))
    d = openlineage_datasets.c
    for some in batches(canonical_names(connection, datasets).values()):
        query = select(d.canonical, func.max(d.declared_at)).where(d.canonical.in_(some), d.declared_at.is_not(None))
        for name, at in connection.execute(query.group_by(d.canonical)):
            ends = (e.to_name == name) & (e.to_kind == _kind(name)) & (e.from_kind != "job")
            connection.execute(delete(edges).where(declared, ends, e.last_at < at))


def _draw(
    connection: Connection,
    flows: Sequence[tuple[Flow, datetime]],
    columns: Sequence[tuple[ColumnFlow, datetime]],
    *,
    origin: str,
    emptied: Iterable[str] = (),
) -> None:
    """Edges under the datasets' one name, newest time each; then those into what was emptied since are history."""
    if not (flows or columns or emptied):
        return
    names = set(emptied)
    for flow, _ in flows:
        names |= {name for kind, name in (flow[:2], flow[2:4]) if kind == "dataset"}
    names |= {name for column, _ in columns for name in (column.from_name, column.to_name)}
    one = canonical_names(connection, names)
    _note_emptied(connection, flows)
    drawn: dict[tuple[str, str, str, str], datetime] = {}
    for flow, at in flows:
        ends = (*_end(flow.from_kind, flow.from_name, one), *_end(flow.to_kind, flow.to_name, one))
        if ends[:2] != ends[2:]:
            drawn[ends] = max(drawn.get(ends, at), at)
    keys = ("from_kind", "from_name", "to_kind", "to_name")
    rows = [
        {**dict(zip(keys, ends, strict=True)), "origin": origin, "last_version": None, "last_at": at}
        for ends, at in drawn.items()
    ]
    merge_rows(connection, edges, rows, {"last_at": "greatest"})
    _draw_columns(connection, columns, one, origin)
    _forget_emptied(connection, one.values())


def _draw_columns(
    connection: Connection, columns: Sequence[tuple[ColumnFlow, datetime]], one: dict[str, str], origin: str
) -> None:
    drawn: dict[tuple[str, ...], datetime] = {}
    for (from_name, from_column, to_name, to_column, kind), at in columns:
        ends = (one[from_name], from_column, one[to_name], to_column, kind)
        if ends[0] != ends[2]:
            drawn[ends] = max(drawn.get(ends, at), at)
    keys = ("from_product", "from_column", "to_product", "to_column", "kind")
    rows = [
        {**dict(zip(keys, ends, strict=True)), "origin": origin, "last_version": -1, "last_at": at}
        for ends, at in drawn.items()
    ]
    merge_rows(connection, column_edges, rows, {"last_at": "greatest"})


def _end(kind: str, name: str, one: dict[str, str]) -> tuple[str, str]:
    return (kind, name) if kind == "job" else (_kind(one[name]), one[name])


def _kind(name: str) -> str:
    return "dataset" if is_outside(name) else "product"


def _note_emptied(connection: Connection, flows: Sequence[tuple[Flow, datetime]]) -> None:
    found: dict[str, datetime] = {}
    for flow, at in flows:
        if flow.change is not None:
            found[flow.to_name] = max(found.get(flow.to_name, at), at)
    d = openlineage_datasets.c
    for name, at in found.items():
        older = or_(d.emptied_at.is_(None), d.emptied_at < at)
        connection.execute(update(openlineage_datasets).where(d.name == name, older).values(emptied_at=at))


def _forget_emptied(connection: Connection, names: Iterable[str]) -> None:
    """Of what was dropped or truncated: the edges that led to rows which are gone."""
    d, e, c = openlineage_datasets.c, edges.c, column_edges.c
    for some in batches({name for name in names if is_outside(name)}):
        query = select(d.canonical, func.max(d.emptied_at)).where(d.canonical.in_(some), d.emptied_at.is_not(None))
        for name, at in connection.execute(query.group_by(d.canonical)):
            into = (e.to_kind == "dataset") & (e.to_name == name) & (e.origin == "openlineage")
            connection.execute(delete(edges).where(into, e.last_at <= at))
            into = (c.to_product == name) & (c.origin == "openlineage")
            connection.execute(delete(column_edges).where(into, c.last_at <= at))

"""What the catalog knows, as metrics in Prometheus' text format: for `/metrics`, and for node_exporter's text files.

Read from rows when asked for; nothing is kept in memory, so any process of the mesh gives the same. Times are seconds
since 1970, shares and performances are as the verdicts have them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, get_args

from sqlalchemy import Connection, func, select

from mesh_catalog.catalog.outbox import waiting_count
from mesh_catalog.catalog.store import Catalog
from mesh_catalog.catalog.tables import (
    alerts,
    alias_moves,
    incidents,
    models,
    products,
    retrainings,
    runs,
    verdict_measures,
    verdicts,
    versions,
)
from mesh_catalog.catalog.verdicts import Outcome

__all__ = ["CONTENT_TYPE", "metrics_text"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_PERFORMANCE = ("performance", "estimated_performance")


@dataclass
class _Metric:
    name: str
    help: str
    kind: Literal["gauge", "counter"] = "gauge"
    samples: list[tuple[Mapping[str, str], float]] = field(default_factory=list)

    def add(self, value: float | datetime | None, **labels: str | None) -> None:
        """Add a sample; nothing where there is no value."""
        if value is not None:
            number = value.timestamp() if isinstance(value, datetime) else float(value)
            self.samples.append(({name: text or "" for name, text in labels.items()}, number))

    def lines(self) -> Iterator[str]:
        if not self.samples:
            return
        yield f"# HELP {self.name} {self.help}"
        yield f"# TYPE {self.name} {self.kind}"
        for labels, value in self.samples:
            told = ",".join(f'{name}="{_escaped(text)}"' for name, text in labels.items())
            yield f"{self.name}{{{told}}} {value!r}" if told else f"{self.name} {value!r}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def metrics_text(catalog: Catalog) -> str:
    """All metrics of the mesh, ending with a newline; empty of a catalog without anything in it.

    Cost: some queries over what is not retired; 1,000 products a few tens of milliseconds.
    """
    with catalog.snapshot() as connection:
        found = [
            *_verdicts(connection),
            *_performance(connection),
            *_freshness(connection),
            *_runs(connection),
            *_retrainings(connection),
            *_alerts(connection),
        ]
    waiting, failed = waiting_count(catalog)
    messages = _Metric("mesh_alert_messages_waiting", "Messages of alerts that are not delivered yet.")
    messages.add(waiting - failed, failed="false")
    messages.add(failed, failed="true")
    return "".join(f"{line}\n" for metric in (*found, messages) for line in metric.lines())


def _newest_verdicts() -> Any:
    """The newest window's verdict of each subject, monitor and slice."""
    v = verdicts.c
    order = v.window_to.desc().nulls_last(), v.created_at.desc(), v.id
    rank = func.row_number().over(partition_by=(v.subject, v.kind, v.slice), order_by=order).label("rank")
    ranked = select(verdicts, rank).subquery()
    return select(ranked).where(ranked.c.rank == 1).subquery()


def _verdicts(connection: Connection) -> Iterable[_Metric]:
    outcome = _Metric("mesh_verdict", "Newest verdict of a monitor: 1 for the outcome that holds, else 0.")
    window = _Metric("mesh_verdict_window_end_timestamp_seconds", "End of the newest window, in event time.")
    share = _Metric("mesh_drift_share", "Share of drifted columns in the newest window, 0 to 1.")
    limit = _Metric("mesh_drift_share_limit", "Share from which the whole counts as drifted.")
    v = _newest_verdicts()
    for row in connection.execute(select(v).order_by(v.c.subject, v.c.kind, v.c.slice)).mappings():
        labels = {key: row[key] for key in ("subject", "subject_kind", "kind", "slice")}
        for one in get_args(Outcome):
            outcome.add(float(row["outcome"] == one), **labels, outcome=one)
        window.add(row["window_to"], **labels)
        share.add(row["share"], **labels)
        limit.add(row["limit"], **labels)
    return outcome, window, share, limit


def _performance(connection: Connection) -> Iterable[_Metric]:
    found = _Metric("mesh_model_performance", "A metric of the newest window that it was computed or estimated for.")
    v, m = _newest_verdicts(), verdict_measures.c
    query = (
        select(v.c.subject, v.c.slice, v.c.kind, m.method, m.score)
        .join(verdict_measures, m.verdict_id == v.c.id)
        .where(v.c.kind.in_(_PERFORMANCE), m.column.is_(None), m.score.is_not(None))
        .order_by(v.c.subject, v.c.slice, v.c.kind, m.position)
    )
    told: set[tuple[str, ...]] = set()
    for subject, part, kind, method, score in connection.execute(query):
        if (key := (subject, part, kind, method)) not in told:
            told.add(key)
            found.add(score, model=subject, slice=part, metric=method, estimated=str(kind == _PERFORMANCE[1]).lower())
    return (found,)


def _freshness(connection: Connection) -> Iterable[_Metric]:
    number = _Metric("mesh_product_version", "Newest version of a product's table.")
    rows = _Metric("mesh_product_rows", "Rows of the newest version's table.")
    committed = _Metric("mesh_product_committed_timestamp_seconds", "When the newest version was committed.")
    event = _Metric("mesh_product_event_timestamp_seconds", "Newest event time of the newest version.")
    v = versions.c
    newest = select(v.product, func.max(v.version).label("version")).group_by(v.product).subquery()
    query = (
        select(versions)
        .join(newest, (newest.c.product == v.product) & (newest.c.version == v.version))
        .join(products, products.c.name == v.product)
        .where(products.c.retired_at.is_(None))
        .order_by(v.product)
    )
    for row in connection.execute(query).mappings():
        number.add(row["version"], product=row["product"])
        rows.add(row["total_rows"], product=row["product"])
        committed.add(row["committed_at"], product=row["product"])
        event.add(row["event_to"], product=row["product"])
    return number, rows, committed, event


def _runs(connection: Connection) -> Iterable[_Metric]:
    total = _Metric("mesh_runs_total", "Runs that ended, by outcome.", "counter")
    seconds = _Metric("mesh_run_duration_seconds", "How long the newest run that ended took.")
    ended = _Metric("mesh_run_finished_timestamp_seconds", "When the newest run ended.")
    r = runs.c
    counted = select(r.product, r.kind, r.outcome, func.count()).where(r.outcome.is_not(None))
    counted = counted.group_by(r.product, r.kind, r.outcome).order_by(r.product, r.kind, r.outcome)
    for product, kind, outcome, count in connection.execute(counted):
        total.add(count, subject=product, kind=kind, outcome=outcome)
    rank = func.row_number().over(partition_by=(r.product, r.kind), order_by=(r.finished_at.desc(), r.id))
    ranked = select(runs, rank.label("rank")).where(r.finished_at.is_not(None)).subquery()
    newest = select(ranked).where(ranked.c.rank == 1).order_by(ranked.c.product, ranked.c.kind)
    for row in connection.execute(newest).mappings():
        labels = {"subject": row["product"], "kind": row["kind"]}
        seconds.add((row["finished_at"] - row["started_at"]).total_seconds(), **labels)
        ended.add(row["finished_at"], **labels)
    return total, seconds, ended


def _retrainings(connection: Connection) -> Iterable[_Metric]:
    total = _Metric("mesh_retrainings_total", "Retrainings that ended, by what became of them.", "counter")
    unfinished = _Metric("mesh_retrainings_open", "Retrainings that are under way or were stopped.")
    champion = _Metric("mesh_model_champion_version", "The version that scores.")
    r = retrainings.c
    counted = select(r.model, r.outcome, func.count()).group_by(r.model, r.outcome).order_by(r.model, r.outcome)
    for model, outcome, count in connection.execute(counted):
        if outcome is None:
            unfinished.add(count, model=model)
        else:
            total.add(count, model=model, outcome=outcome)
    a = alias_moves.c
    newest = select(func.max(a.id)).where(a.alias == "champion").group_by(a.model)
    moved = select(a.model, a.version).join(models, models.c.name == a.model)
    moved = moved.where(a.id.in_(newest), models.c.retired_at.is_(None)).order_by(a.model)
    for model, version in connection.execute(moved):
        champion.add(version, model=model)
    return total, unfinished, champion


def _alerts(connection: Connection) -> Iterable[_Metric]:
    unresolved = _Metric("mesh_alerts", "Alerts that are not over.")
    opened = _Metric("mesh_incidents_open", "Incidents that are not closed.")
    a, i = alerts.c, incidents.c
    labels = (a.domain, a.subject, a.kind, a.severity, a.state)
    query = select(*labels, func.count().label("count")).where(a.resolved_at.is_(None))
    for row in connection.execute(query.group_by(*labels).order_by(*labels)).mappings():
        told = dict(row)
        unresolved.add(told.pop("count"), **told)
    counted = select(i.domain, i.subject, func.count()).where(i.closed_at.is_(None)).group_by(i.domain, i.subject)
    for domain, subject, count in connection.execute(counted.order_by(i.domain, i.subject)):
        opened.add(count, domain=domain, subject=subject)
    return unresolved, opened

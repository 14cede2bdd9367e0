"""Verdicts of monitoring: a monitor, a window, a slice, and what came out; each with the measures it rests on."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from typing import Any, Literal
from uuid import NAMESPACE_URL, uuid5

from sqlalchemy import Connection, func, select

from mesh_catalog.catalog.models import require_model
from mesh_catalog.catalog.store import Catalog, among, retried, unique_row, upsert
from mesh_catalog.catalog.tables import products, verdict_measures, verdicts
from mesh_catalog.errors import NotFoundError, nearest

__all__ = [
    "Measure",
    "MonitorKind",
    "Outcome",
    "SubjectKind",
    "VerdictRecord",
    "read_verdict",
    "read_verdicts",
    "record_verdict",
    "verdict_id",
]

Outcome = Literal["pass", "warn", "fail", "not_run"]
SubjectKind = Literal["model", "product"]
MonitorKind = Literal[
    "data_quality",
    "data_drift",
    "prediction_drift",
    "performance",
    "estimated_performance",
    "bias",
    "attribution",
    "operations",
]


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One number that a verdict rests on. A score or bound that is no finite number is kept as None."""

    column: str | None = None
    """None: of the whole window."""
    method: str
    """Evidently's display name of a test, or a metric's name; empty where none could be chosen."""
    score: float | None = None
    """None where it could not be computed: `reason` says why."""
    threshold: float | None = None
    outcome: Outcome
    low: float | None = None
    """The interval's lower end, where there is an interval."""
    high: float | None = None
    reason: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    """Small, as JSON keeps it; never values of personal columns."""

    def __post_init__(self) -> None:
        for name in ("score", "threshold", "low", "high"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, float(value) if math.isfinite(value) else None)


@dataclass(frozen=True, kw_only=True)
class VerdictRecord:
    """One verdict on a window of a model's or a product's data."""

    id: str
    """Of `verdict_id`: the same window judged twice is one verdict."""
    subject: str
    subject_kind: SubjectKind
    kind: MonitorKind
    slice: str = ""
    """Empty for all rows, else what picks them: `channel = web`, `amount in [0, 100)`."""
    window_from: datetime | None
    """Event time of the current window."""
    window_to: datetime | None
    reference: str
    """`product@version`"""
    current: str
    """`product@first..last`"""
    model_version: int | None = None
    """The champion that was judged; None for a product."""
    outcome: Outcome
    reason: str
    """One sentence."""
    share: float | None = None
    """Drifted columns of those compared, 0..1."""
    limit: float | None = None
    """Share from which the whole counts as drifted."""
    measures: tuple[Measure, ...] = ()
    report_html: str | None = None
    report_json: str | None = None
    reference_digest: str | None = None
    current_digest: str | None = None
    code_version: str
    created_at: datetime


def verdict_id(
    subject: str, kind: MonitorKind, *, slice_text: str, reference: str, current: str, model_version: int | None
) -> str:
    """The id of a verdict, from what is judged: the same is always the same verdict."""
    told = f"mesh:verdict:{subject}:{kind}:{slice_text}:{model_version}:{reference}:{current}"
    return uuid5(NAMESPACE_URL, told).hex


@retried
def record_verdict(catalog: Catalog, record: VerdictRecord) -> None:
    """Keep a verdict; one whose id is known stays as it is.

    Raises:
        NotFoundError: No such model or product.
    """
    with catalog.write() as connection:
        _require_subject(connection, record)
        if connection.execute(select(verdicts.c.id).where(verdicts.c.id == record.id)).one_or_none() is not None:
            return
        row = {column.name: getattr(record, column.name) for column in verdicts.columns}
        upsert(connection, verdicts, [row])
        rows = [
            {"verdict_id": record.id, "position": position, **asdict(measure)}
            for position, measure in enumerate(record.measures)
        ]
        upsert(connection, verdict_measures, rows)


def read_verdicts(
    catalog: Catalog,
    subject: str,
    *,
    kind: MonitorKind | None = None,
    slice: str | None = "",  # noqa: A002 - the column's name
    current: str | None = None,
    begun_before: datetime | None = None,
    limit: int = 20,
) -> list[VerdictRecord]:
    """The newest windows' verdicts, newest first: of each window, monitor and slice the last one.

    A window is judged again where what it is held against has changed, for example when more labels have come.

    Args:
        subject: A model or a product.
        kind: Of one monitor; of all where None.
        slice: The rows that were judged: all rows where empty, every slice where None.
        current: Of this window.
        begun_before: Of windows that begin before; of those whose rows have no time, what was judged before.
    """
    window = (verdicts.c.kind, verdicts.c.slice, verdicts.c.current)
    age = func.row_number().over(partition_by=window, order_by=(verdicts.c.created_at.desc(), verdicts.c.id))
    query = select(verdicts, age.label("age")).where(verdicts.c.subject == subject)
    if kind is not None:
        query = query.where(verdicts.c.kind == kind)
    if slice is not None:
        query = query.where(verdicts.c.slice == slice)
    if current is not None:
        query = query.where(verdicts.c.current == current)
    if begun_before is not None:
        query = query.where(func.coalesce(verdicts.c.window_from, verdicts.c.created_at) < begun_before)
    found = query.subquery()
    order = found.c.window_to.desc().nulls_last(), found.c.created_at.desc(), found.c.id
    newest = select(*(found.c[column.name] for column in verdicts.columns)).where(found.c.age == 1)
    with catalog.read() as connection:
        rows = connection.execute(newest.order_by(*order).limit(limit)).mappings().all()
        return _with_measures(connection, rows)


def read_verdict(catalog: Catalog, beginning: str) -> VerdictRecord:
    """The verdict of an id, or of its first letters where they are no other's.

    Raises:
        NotFoundError: There is none, or more than one begins like this.
    """
    none = "'{}': no verdict has this id. List them: mesh show MODEL --json"
    several = "'{}': more than one verdict's id begins like this. List them: mesh show MODEL --json"
    with catalog.read() as connection:
        row = unique_row(connection, verdicts, beginning, none=none, several=several)
        return _with_measures(connection, [row])[0]


def _with_measures(connection: Connection, rows: Sequence[Mapping[Any, Any]]) -> list[VerdictRecord]:
    query = (
        select(verdict_measures)
        .where(among(connection, verdict_measures.c.verdict_id, [row["id"] for row in rows]))
        .order_by(verdict_measures.c.verdict_id, verdict_measures.c.position)
    )
    names = [item.name for item in fields(Measure)]
    measures: dict[str, list[Measure]] = {}
    for row in connection.execute(query).mappings():
        measures.setdefault(row["verdict_id"], []).append(Measure(**{name: row[name] for name in names}))
    return [VerdictRecord(**row, measures=tuple(measures.get(row["id"], ()))) for row in rows]


def _require_subject(connection: Connection, record: VerdictRecord) -> None:
    if record.subject_kind == "model":
        require_model(connection, record.subject)
        return
    if connection.execute(select(products.c.name).where(products.c.name == record.subject)).one_or_none() is None:
        known = connection.execute(select(products.c.name)).scalars()
        raise NotFoundError(f"{record.subject}: no such product in the catalog.{nearest(record.subject, known)}")

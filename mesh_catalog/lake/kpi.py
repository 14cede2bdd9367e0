"""Computing a KPI: `mesh kpi` and `mesh_catalog.kpi`. Its formula over the rows of its source, without a JVM.

A period's value is made by the version of the formula that was valid on the period's first day, so that a new version
changes nothing before it. As of a moment, the table is read as readers saw it then, and defined as it was then.
Times are UTC; weeks begin on Monday; a period that the bounds cut is computed whole.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from mesh_catalog.access.gate import find_version
from mesh_catalog.access.mesh import open_mesh
from mesh_catalog.catalog.inventory import read_version_columns
from mesh_catalog.catalog.kpis import FormulaRecord, KpiDefinition, KpiRecord, read_definition, read_kpi
from mesh_catalog.contracts.spark_names import spark_name
from mesh_catalog.errors import InputError, NotFoundError, listed, nearest
from mesh_catalog.lake.sql import query_products

if TYPE_CHECKING:
    from mesh_catalog.access.mesh import Mesh

__all__ = ["KpiPoint", "KpiValues", "compute_kpi", "kpi", "period_end"]


@dataclass(frozen=True, kw_only=True)
class KpiPoint:
    """A KPI's value in one period."""

    period: datetime | None
    """Its first moment; None where the KPI has no time."""
    by: tuple[Any, ...]
    """The values of the dimensions that were asked for."""
    value: float | int | None
    """None where the formula gives none: no row, or a division by zero."""
    formula: int
    """Which version of the formula made it, from 1."""
    meets_target: bool | None


@dataclass(frozen=True, kw_only=True)
class KpiValues:
    """What `compute_kpi` found."""

    kpi: KpiRecord
    definition: KpiDefinition
    dimensions: tuple[str, ...]
    points: tuple[KpiPoint, ...]
    """By period, then by dimensions."""
    source_version: int
    """The version of the source that was read."""


@dataclass(frozen=True)
class _Part:
    """One version of the formula and the times that it counts for; bounds may be open."""

    number: int
    formula: FormulaRecord
    start: datetime | None
    end: datetime | None


def kpi(
    name: str,
    *,
    start: date | datetime | str | None = None,
    end: date | datetime | str | None = None,
    as_of: datetime | str | None = None,
    version: int | None = None,
    by: Sequence[str] = (),
) -> KpiValues:
    """Compute a KPI of the workspace around the current folder. Arguments and errors as `compute_kpi`."""
    from mesh_catalog.catalog.assets import sync_workspace

    with open_mesh() as mesh:
        sync_workspace(mesh.catalog, mesh.workspace)
        return compute_kpi(mesh, name, start=start, end=end, as_of=as_of, version=version, by=by)


def compute_kpi(
    mesh: Mesh,
    name: str,
    *,
    start: date | datetime | str | None = None,
    end: date | datetime | str | None = None,
    as_of: datetime | str | None = None,
    version: int | None = None,
    by: Sequence[str] = (),
) -> KpiValues:
    """Compute a KPI, period by period.

    Args:
        start, end: From here up to, and without, there; ISO text, days or moments, UTC. All periods where None.
        as_of: A moment of the past: the source as readers saw it, and the definition as it was registered then.
        version: Compute all periods with this version of the formula, from 1.
        by: Dimensions of the KPI to split it by.

    Raises:
        NotFoundError: No such KPI, dimension or version of the formula; the source has no version.
        InputError: A bound is no moment, or the KPI has no time to bound.
        RefusedError: The KPI's source is retired.
        StorageError: The source cannot be read.
    """
    record = read_kpi(mesh.catalog, name)
    moment = None if as_of is None else _moment(name, "as_of", as_of)
    definition = read_definition(mesh.catalog, name, moment)
    first, last = (None if one is None else _moment(name, "a bound", one) for one in (start, end))
    if (first or last) and definition.time is None:
        raise InputError(f"{name}: its source says no time, so it has no periods. Leave the bounds out.")
    if first and last and last <= first:
        raise InputError(f"{name}: the period ends at {last:%Y-%m-%d}, before it begins. Swap the bounds.")
    dimensions = tuple(_dimension(name, definition, one) for one in by)
    parts = _parts(name, definition, version, moment)
    table_version = find_version(mesh, definition.source, as_of=moment)
    temporal = _check_source(mesh, name, definition, table_version)
    grain = definition.grain
    bounds = (
        None if first is None else _floor(first, grain),
        None if last is None else _ceiling(last, grain),
    )
    points: list[KpiPoint] = []
    for part in parts:
        within = _bounded(part, bounds)
        if within is not None:
            text = _query(definition, within, dimensions, table_version, temporal=temporal)
            points += _points(mesh, record, definition, within, text)
    points.sort(key=lambda one: (one.period or datetime.min.replace(tzinfo=UTC), [str(value) for value in one.by]))
    return KpiValues(
        kpi=record,
        definition=definition,
        dimensions=dimensions,
        points=tuple(points),
        source_version=table_version,
    )


def _moment(name: str, what: str, given: date | datetime | str) -> datetime:
    try:
        found = datetime.fromisoformat(given.strip() if isinstance(given, str) else given.isoformat())
    except ValueError:
        raise InputError(
            f"{name}: {what} '{str(given)[:40]}' is no moment. Write for example 2026-05-01 or 2026-05-01T09:30."
        ) from None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def _dimension(name: str, definition: KpiDefinition, asked: str) -> str:
    if asked.lower() not in definition.dimensions:
        known = f"{nearest(asked, definition.dimensions)}" if definition.dimensions else " It has none."
        raise NotFoundError(f"{name}: has no dimension '{asked[:40]}'.{known}")
    return asked.lower()


def _parts(name: str, definition: KpiDefinition, version: int | None, moment: datetime | None) -> list[_Part]:
    """The versions of the formula and their times; those that were not valid yet at the moment are left out."""
    numbered = list(enumerate(definition.formulas, start=1))
    if version is not None:
        if not 1 <= version <= len(numbered):
            numbers = listed([str(number) for number, _ in numbered])
            raise NotFoundError(f"{name}: its formula has no version {version}. There is: {numbers}.")
        return [_Part(version, definition.formulas[version - 1], None, None)]
    if moment is not None:
        numbered = [(n, one) for n, one in numbered if one.valid_from is None or one.valid_from <= moment.date()]
    if definition.time is None:  # one value: the formula of today, or of that moment
        today = moment.date() if moment else datetime.now(UTC).date()
        numbered = [(n, one) for n, one in numbered if one.valid_from is None or one.valid_from <= today][-1:]
        return [_Part(number, one, None, None) for number, one in numbered]
    starts = [_start(one, definition.grain) for _, one in numbered]
    ends = [*starts[1:], None]
    return [_Part(n, one, start, end) for (n, one), start, end in zip(numbered, starts, ends, strict=True)]


def _start(formula: FormulaRecord, grain: str) -> datetime | None:
    """The first whole period that begins when the formula is valid."""
    if formula.valid_from is None:
        return None
    return _ceiling(
        datetime(formula.valid_from.year, formula.valid_from.month, formula.valid_from.day, tzinfo=UTC), grain
    )


def _bounded(part: _Part, bounds: tuple[datetime | None, datetime | None]) -> _Part | None:
    start = max(filter(None, (part.start, bounds[0])), default=None)
    end = min(filter(None, (part.end, bounds[1])), default=None)
    return None if start and end and end <= start else _Part(part.number, part.formula, start, end)


def period_end(period: datetime, grain: str) -> datetime:
    """The first moment after the period that begins here."""
    return _floor(period + _LONGEST[grain], grain)


def _floor(moment: datetime, grain: str) -> datetime:
    hour = moment.replace(minute=0, second=0, microsecond=0)
    day = hour.replace(hour=0)
    if grain == "hour":
        return hour
    if grain == "week":
        return day - timedelta(days=day.weekday())
    if grain == "month":
        return day.replace(day=1)
    if grain == "quarter":
        return day.replace(month=day.month - (day.month - 1) % 3, day=1)
    return day.replace(month=1, day=1) if grain == "year" else day


def _ceiling(moment: datetime, grain: str) -> datetime:
    """The first moment of the period that begins at `moment`, or of the next one."""
    floor = _floor(moment, grain)
    return floor if floor == moment else _floor(floor + _LONGEST[grain], grain)


_LONGEST = {
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(days=7),
    "month": timedelta(days=31),
    "quarter": timedelta(days=92),
    "year": timedelta(days=366),
}


def _check_source(mesh: Mesh, name: str, definition: KpiDefinition, version: int) -> bool:
    """Whether the KPI has periods; its time must be one in the version that is read."""
    if definition.time is None:
        return False
    types = {one.name.lower(): one.spark_type for one in read_version_columns(mesh.catalog, definition.source, version)}
    found = types.get(definition.time, "")
    if not found.startswith(("timestamp", "date")):
        told = f"is {found}" if found else "is not there"
        raise InputError(
            f"{name}: its time, {definition.source}.{definition.time}, {told} in v{version}. Name a column of dates or"
            " times under time."
        )
    return True


def _query(definition: KpiDefinition, part: _Part, dimensions: Sequence[str], version: int, *, temporal: bool) -> str:
    keys = [spark_name(one) for one in dimensions]
    conditions = [f"({one})" for one in part.formula.filters]
    if temporal:
        time = f"cast({spark_name(str(definition.time))} as timestamp)"
        keys.insert(0, f"date_trunc('{definition.grain.upper()}', {time})")
        conditions.append(f"{time} is not null")
        conditions += [f"{time} >= {_literal(part.start)}"] if part.start else []
        conditions += [f"{time} < {_literal(part.end)}"] if part.end else []
    columns = [
        *(f"{key} as mesh_key_{index}" for index, key in enumerate(keys)),
        f"{part.formula.formula} as mesh_value",
    ]
    where = f" where {' and '.join(conditions)}" if conditions else ""
    grouped = f" group by {', '.join(str(index + 1) for index in range(len(keys)))}" if keys else ""
    # formulas and filters were parsed and written anew when kpis.yaml was read; query_products parses them once more
    return f"select {', '.join(columns)} from {definition.source}@v{version}{where}{grouped}"  # noqa: S608


def _literal(moment: datetime) -> str:
    return f"cast('{moment:%Y-%m-%d %H:%M:%S}' as timestamp)"


def _points(mesh: Mesh, record: KpiRecord, definition: KpiDefinition, part: _Part, text: str) -> Iterator[KpiPoint]:
    table = query_products(mesh, text).batches.read_all()
    for row in zip(*(column.to_pylist() for column in table.columns), strict=True):
        *keys, found = row
        period = keys.pop(0) if definition.time is not None else None
        value = _number(found)
        yield KpiPoint(
            period=None if period is None else period.replace(tzinfo=UTC),
            by=tuple(keys),
            value=value,
            formula=part.number,
            meets_target=None if record.target is None or value is None else record.target.is_met(float(value)),
        )


def _number(value: Any) -> float | int | None:
    if isinstance(value, Decimal):
        value = float(value)
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if isinstance(value, int) else None

"""One OpenLineage event, read: what flowed where, which columns became which, and what it says of datasets and jobs.

Checked is what lineage needs; facets and keys that are not known are passed over. RunEvent, JobEvent and DatasetEvent
of every version of the specification. Pure: no database, no clock.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

from mesh_catalog.catalog.openlineage.facets import kept_facets
from mesh_catalog.catalog.openlineage.naming import join_name
from mesh_catalog.errors import InputError, listed

__all__ = ["ALL_COLUMNS", "RUN_STATES", "EventError", "Flow", "LineageEvent", "parse_event"]

RUN_STATES = ("OTHER", "START", "RUNNING", "ABORT", "FAIL", "COMPLETE")
"""The greatest that was told of a run is its state, whatever the order of its events."""
ALL_COLUMNS = "*"
"""Target of a column that affects a whole dataset: a filter, a join, a sort."""
_LIMIT = 2000
_NOT_STORED = re.compile("[\x00\ud800-\udfff]")
"""What PostgreSQL or UTF-8 has no place for."""
_CHANGES = ("ALTER", "CREATE", "DROP", "OVERWRITE", "RENAME", "TRUNCATE")


class EventError(InputError):
    """An event is not one of OpenLineage's; nothing of it is kept."""


class Flow(NamedTuple):
    """From a dataset into a job, from a job into a dataset, or between two of a kind; kinds are `dataset` and `job`."""

    from_kind: str
    from_name: str
    to_kind: str
    to_name: str
    version: str | None = None
    rows: int | None = None
    change: str | None = None


class ColumnFlow(NamedTuple):
    from_name: str
    from_column: str
    to_name: str
    to_column: str
    kind: str


class Facet(NamedTuple):
    kind: str
    name: str
    facet: str
    value: str


@dataclass(kw_only=True)
class LineageEvent:
    """What one event says. Without a `run_id` it is static: declared, not run."""

    at: datetime
    run_id: str | None = None
    own_run: str | None = None
    """Id of a run of this or another mesh, where the event is ours."""
    job: str | None = None
    state: int = 0
    streaming: bool = False
    parent_run: str | None = None
    parent_job: str | None = None
    declares: str | None = None
    """Of a static event, the dataset whose whole lineage it declares; a job with a JobEvent declares its own."""
    emptied: str | None = None
    """Of a DatasetEvent, the dataset that was dropped or truncated."""
    flows: set[Flow] = field(default_factory=set)
    columns: set[ColumnFlow] = field(default_factory=set)
    datasets: dict[str, tuple[str, str, bool]] = field(default_factory=dict)
    """Joined name → namespace, name, and whether it was named as a dataset, not only as an alias."""
    renamed: set[str] = field(default_factory=set)
    aliases: set[tuple[str, str]] = field(default_factory=set)
    facets: list[Facet] = field(default_factory=list)


def parse_event(event: Any) -> LineageEvent:
    """Read an event from its JSON.

    Raises:
        EventError: Something that lineage needs is missing or wrong; says what.
    """
    if not isinstance(event, Mapping):
        raise EventError("is not a JSON object. Send a RunEvent, a JobEvent or a DatasetEvent of OpenLineage.")
    at = _time(event)
    if "run" in event:
        return _run_event(event, at)
    if "job" in event:
        return _Reader(LineageEvent(at=at)).job_event(event)
    if "dataset" in event:
        return _Reader(LineageEvent(at=at)).dataset_event(event)
    raise EventError("has neither run, job nor dataset. Send a RunEvent, a JobEvent or a DatasetEvent of OpenLineage.")


def _run_event(event: Mapping[str, Any], at: datetime) -> LineageEvent:
    run = _mapping(event, "run")
    state = event.get("eventType", "OTHER")
    if state not in RUN_STATES:
        raise EventError(f"eventType is not one of {listed(RUN_STATES)}.")
    facets = _mapping(run, "run.facets", optional=True)
    made = LineageEvent(at=at, run_id=_text(run, "run.runId"), state=RUN_STATES.index(state))
    own = facets.get("mesh_run")
    made.own_run = own.get("id") if isinstance(own, Mapping) and isinstance(own.get("id"), str) else None
    if "parent" in facets:
        parent = _mapping(facets, "run.facets.parent")
        made.parent_run = _text(_mapping(parent, "parent.run"), "parent.run.runId")
        made.parent_job = _name_of(_mapping(parent, "parent.job"), "parent.job")
    reader = _Reader(made)
    reader.job(event)
    made.facets += [Facet("run", f"{made.run_id} {made.job}", *one) for one in kept_facets("run", facets)]
    reader.inputs_and_outputs(event)
    return made


class _Reader:
    """Reads into one event; each part of it adds."""

    def __init__(self, made: LineageEvent) -> None:
        self.made = made

    def job_event(self, event: Mapping[str, Any]) -> LineageEvent:
        self.job(event)
        self.inputs_and_outputs(event)
        return self.made

    def dataset_event(self, event: Mapping[str, Any]) -> LineageEvent:
        dataset = _mapping(event, "dataset")
        name = self.dataset(dataset, "dataset")
        facets = _mapping(dataset, "dataset.facets", optional=True)
        if self._change(facets, name, "dataset") in ("DROP", "TRUNCATE"):
            self.made.emptied = name
        if "lineage" in facets or "columnLineage" in facets:
            self.made.declares = name
            self._column_lineage(facets, name, "dataset", direct=True)
            self._lineage_into("dataset", name, facets.get("lineage"), "dataset.facets.lineage")
        return self.made

    def job(self, event: Mapping[str, Any]) -> None:
        job = _mapping(event, "job")
        made = self.made
        made.job = name = _name_of(job, "job")
        facets = _mapping(job, "job.facets", optional=True)
        kind = facets.get("jobType")
        made.streaming = isinstance(kind, Mapping) and kind.get("processingType") == "STREAMING"
        made.facets += [Facet("job", name, *one) for one in kept_facets("job", facets)]
        if "lineage" in facets:
            for entry in _items(_mapping(facets, "job.facets.lineage"), "job.facets.lineage.entries"):
                where = "job.facets.lineage.entries"
                target = self._end(entry, where)
                self._lineage_into(*target, entry, where)

    def inputs_and_outputs(self, event: Mapping[str, Any]) -> None:
        job = self.made.job
        assert job is not None
        for dataset in _items(event, "inputs"):
            name = self.dataset(dataset, "inputs")
            facets = _mapping(dataset, "inputs.facets", optional=True)
            self._change(facets, name, "inputs")
            of_input = _mapping(dataset, "inputs.inputFacets", optional=True)
            self.made.facets += [Facet("dataset", name, *one) for one in kept_facets("dataset", of_input)]
            self.made.flows.add(Flow("dataset", name, "job", job, version=_version(facets)))
        for dataset in _items(event, "outputs"):
            name = self.dataset(dataset, "outputs")
            facets = _mapping(dataset, "outputs.facets", optional=True)
            of_output = _mapping(dataset, "outputs.outputFacets", optional=True)
            change = self._change(facets, name, "outputs")
            self.made.flows.add(
                Flow(
                    "job",
                    job,
                    "dataset",
                    name,
                    version=_version(facets),
                    rows=_row_count(of_output),
                    change=change if change in ("DROP", "TRUNCATE") else None,
                )
            )
            self._column_lineage(facets, name, "outputs", direct=False)
            self._lineage_into("dataset", name, facets.get("lineage"), "outputs.facets.lineage")

    def dataset(self, dataset: Any, where: str) -> str:
        """Note a dataset with its aliases and descriptive facets; returns its joined name."""
        name = self._named(dataset, where)
        facets = _mapping(dataset, f"{where}.facets", optional=True)
        self.made.facets += [Facet("dataset", name, *one) for one in kept_facets("dataset", facets)]
        if "symlinks" in facets and not _is_deleted(facets["symlinks"]):
            for other in _items(_mapping(facets, f"{where}.facets.symlinks"), f"{where}.facets.symlinks.identifiers"):
                self._alias(name, self._named(other, f"{where}.facets.symlinks.identifiers", told=False))
        return name

    def _named(self, dataset: Any, where: str, *, told: bool = True) -> str:
        name = _name_of(dataset, where)
        before = self.made.datasets.get(name)
        self.made.datasets[name] = (dataset["namespace"], dataset["name"], told or (before is not None and before[2]))
        return name

    def _alias(self, name: str, other: str) -> None:
        if name != other:
            self.made.aliases.add((min(name, other), max(name, other)))

    def _change(self, facets: Mapping[str, Any], name: str, where: str) -> str | None:
        if "lifecycleStateChange" not in facets or _is_deleted(facets["lifecycleStateChange"]):
            return None
        facet = _mapping(facets, f"{where}.facets.lifecycleStateChange")
        change = facet.get("lifecycleStateChange")
        if change not in _CHANGES:
            raise EventError(f"{where}.facets.lifecycleStateChange is not one of {listed(_CHANGES)}.")
        if change == "RENAME" and "previousIdentifier" in facet:
            earlier = self._named(_mapping(facet, "previousIdentifier"), "previousIdentifier", told=False)
            if earlier != name:
                self.made.renamed.add(earlier)
                self._alias(name, earlier)
        return str(change)

    def _column_lineage(self, facets: Mapping[str, Any], name: str, where: str, *, direct: bool) -> None:
        if "columnLineage" not in facets or _is_deleted(facets["columnLineage"]):
            return
        facet = _mapping(facets, f"{where}.facets.columnLineage")
        fields = _mapping(facet, f"{where}.facets.columnLineage.fields", optional=True)
        found: list[tuple[str, Any, str | None]] = []
        for column, told in fields.items():
            here = f"{where}.facets.columnLineage.fields"
            if not isinstance(told, Mapping):
                raise EventError(f"{here} holds something that is no object.")
            kind = told.get("transformationType")
            found += [(column, one, kind) for one in _items(told, f"{here}.inputFields")]
        found += [(ALL_COLUMNS, one, None) for one in _items(facet, f"{where}.facets.columnLineage.dataset")]
        for column, source, kind in found:
            origin = self._column(source, name, column, f"{where}.facets.columnLineage", kind)
            if direct:
                self._flow("dataset", origin, "dataset", name)
            elif origin != name and self.made.job is not None:
                self._flow("dataset", origin, "job", self.made.job)

    def _column(self, source: Any, target: str, column: str, where: str, kind: str | None = None) -> str:
        origin = self._named(source, where)
        known = _text(source, f"{where}.field")
        for how in _kinds(source, where, kind):
            self.made.columns.add(ColumnFlow(origin, known, target, _checked(column, where), how))
        return origin

    def _lineage_into(self, kind: str, name: str, facet: Any, where: str) -> None:
        """The explicit lineage of a target: its inputs, and those of its fields."""
        if facet is None or _is_deleted(facet):
            return
        if not isinstance(facet, Mapping):
            raise EventError(f"{where} is no object.")
        if kind == "dataset" and not _items(facet, f"{where}.inputs") and self.made.job is not None:
            self._flow("job", self.made.job, kind, name)
        for source in _items(facet, f"{where}.inputs"):
            self._input(source, kind, name, ALL_COLUMNS, where)
        for column, entry in _mapping(facet, f"{where}.fields", optional=True).items():
            if not isinstance(entry, Mapping):
                raise EventError(f"{where}.fields holds something that is no object.")
            for source in _items(entry, f"{where}.fields.inputs"):
                self._input(source, kind, name, column, f"{where}.fields.inputs")

    def _input(self, source: Any, kind: str, name: str, column: str, where: str) -> None:
        from_kind, origin = self._end(source, where)
        if from_kind == "dataset" and kind == "dataset" and source.get("field") is not None:
            self._column(source, name, column, where)
        own = self.made.job
        if from_kind == "dataset" and kind == "dataset" and own is not None:
            self._flow("dataset", origin, "job", own)
            self._flow("job", own, "dataset", name)
        else:
            self._flow(from_kind, origin, kind, name)

    def _flow(self, from_kind: str, from_name: str, to_kind: str, to_name: str) -> None:
        if (from_kind, from_name) != (to_kind, to_name):
            self.made.flows.add(Flow(from_kind, from_name, to_kind, to_name))

    def _end(self, entry: Any, where: str) -> tuple[str, str]:
        if not isinstance(entry, Mapping) or entry.get("type") not in ("DATASET", "JOB"):
            raise EventError(f"{where} holds an entity whose type is neither DATASET nor JOB.")
        if entry["type"] == "DATASET":
            return "dataset", self._named(entry, where)
        if "name" not in entry and "namespace" not in entry:
            if self.made.job is None:
                raise EventError(f"{where} names the event's own job, and the event has none.")
            return "job", self.made.job
        return "job", _name_of(entry, where)


def _kinds(source: Mapping[str, Any], where: str, otherwise: str | None) -> Iterator[str]:
    steps = _items(source, f"{where}.transformations")
    for step in steps:
        if not isinstance(step, Mapping):
            raise EventError(f"{where}.transformations holds something that is no object.")
        yield _checked(step.get("subtype") or step.get("type") or "UNKNOWN", where)
    if not steps:
        yield _checked(otherwise or "UNKNOWN", where)


def _version(facets: Mapping[str, Any]) -> str | None:
    facet = facets.get("version")
    found = facet.get("datasetVersion") if isinstance(facet, Mapping) else None
    return _checked(found, "facets.version") if isinstance(found, str) and found else None


def _row_count(facets: Mapping[str, Any]) -> int | None:
    facet = facets.get("outputStatistics")
    found = facet.get("rowCount") if isinstance(facet, Mapping) else None
    return found if isinstance(found, int) and 0 <= found < 2**63 else None


def _is_deleted(facet: Any) -> bool:
    return isinstance(facet, Mapping) and facet.get("_deleted") is True


def _time(event: Mapping[str, Any]) -> datetime:
    text = _text(event, "eventTime")
    try:
        found = datetime.fromisoformat(text)
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise EventError("eventTime is no time. Write it as 2026-05-01T12:00:00Z.") from None


def _name_of(found: Any, where: str) -> str:
    if not isinstance(found, Mapping):
        raise EventError(f"{where} is no object.")
    return join_name(_text(found, f"{where}.namespace"), _text(found, f"{where}.name"))


def _mapping(found: Mapping[str, Any], where: str, *, optional: bool = False) -> Mapping[str, Any]:
    """The object under the last part of `where`; where it is optional, an empty one for none."""
    value = found.get(where.rpartition(".")[2])
    if value is None and optional:
        return {}
    if not isinstance(value, Mapping):
        raise EventError(f"{where} is {'missing' if value is None else 'no object'}.")
    return value


def _items(found: Mapping[str, Any], where: str) -> Sequence[Any]:
    value = found.get(where.rpartition(".")[2])
    if value is None:
        return ()
    if not isinstance(value, list):
        raise EventError(f"{where} is no array.")
    return value


def _text(found: Mapping[str, Any], where: str) -> str:
    value = found.get(where.rpartition(".")[2])
    if value is None:
        raise EventError(f"{where} is missing.")
    return _checked(value, where)


def _checked(value: Any, where: str) -> str:
    if not isinstance(value, str) or not value or len(value) > _LIMIT or _NOT_STORED.search(value):
        raise EventError(f"{where} is no text of 1 to {_LIMIT} characters, without NUL.")
    return value

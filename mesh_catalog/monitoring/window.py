"""What a monitor looks at: which versions of which product, against what, for which rows; all of it pinned.

A window of a model is the newest versions of its predictions, one of a product its newest batches. Everything that a
verdict depends on is a version or a moment in here, so that the same window can be judged again.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from mesh_catalog.catalog.models import ModelVersionRecord, read_alias, read_model_versions
from mesh_catalog.catalog.runs import VersionRecord, latest_version, read_run, read_versions
from mesh_catalog.catalog.store import utc_now
from mesh_catalog.catalog.verdicts import SubjectKind, VerdictRecord
from mesh_catalog.catalog.versions import appended_from
from mesh_catalog.errors import InputError, MeshError, NotFoundError
from mesh_catalog.models.frame import MODEL_VERSION
from mesh_catalog.monitoring.slices import WHOLE, Slice
from mesh_catalog.monitoring.spans import chosen_versions, newest_versions

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from mesh_catalog.access.mesh import Mesh
    from mesh_catalog.contracts.contract import Column
    from mesh_catalog.specs import ModelSpec, MonitorSpec, ProductSpec, Span

__all__ = [
    "Part",
    "Window",
    "losses_text",
    "model_window",
    "own_names",
    "past_window",
    "pinned_window",
    "product_window",
    "sliced",
    "utc_moment",
]

_BASELINE_VERSIONS = 50
_PIN = re.compile(r"(?P<name>[^@ ]+)@(?P<first>\d+)(?:\.\.(?P<last>\d+))?")
_MOMENT = "as of "
_LOSSES = "losses of "
_LOSS_NAMES = re.compile(rf"{_LOSSES}(?P<names>(?:v\d+|[0-9a-f]+)(?: (?:v\d+|[0-9a-f]+))*)")


@dataclass(frozen=True, kw_only=True)
class Part:
    """Versions first..last of a product: the rows that they added."""

    product: str
    first: int
    last: int
    begins: datetime | None = None
    """Event time of the first row; None where it is not known."""
    ends: datetime | None = None
    rows: int = 0
    whole: bool = False
    """True where these versions' rows are the whole table."""

    def __str__(self) -> str:
        return f"{self.product}@{self.first}..{self.last}"


@dataclass(frozen=True, kw_only=True)
class Window:
    mesh: Mesh
    subject: str
    subject_kind: SubjectKind
    spec: MonitorSpec
    model: ModelSpec | None = None
    current: Part
    baseline: Part | None
    """Of a model: what the champion scored before; of a product: the batches before. None where there is nothing."""
    event_time: str | None
    champion: ModelVersionRecord | None = None
    labels: int | None = None
    """Version of the target's product; None where it has none."""
    at: datetime
    """The moment as of which runs and freshness are judged."""
    slice: Slice = WHOLE
    pinned_losses: tuple[str, ...] | None = None
    """Of an old verdict by losses: what it was held against; None: what is known now."""
    session: Callable[[], SparkSession] | None = field(default=None, repr=False, compare=False)
    """Opens Spark, for the monitors that need it."""

    @property
    def training(self) -> str | None:
        """`product@version` of what the champion learned from."""
        if self.model is None or self.champion is None:
            return None
        return f"{self.model.training_name}@{self.champion.training_version}"

    @property
    def baseline_text(self) -> str | None:
        """`product@first..last` of the baseline."""
        return str(self.baseline) if self.baseline is not None else None

    @property
    def labels_text(self) -> str | None:
        return f"{self.model.target_product}@{self.labels}" if self.model and self.labels is not None else None

    @property
    def moment_text(self) -> str:
        return f"{_MOMENT}{self.at.isoformat(timespec='seconds')}"


def losses_text(names: Sequence[str]) -> str:
    """What a verdict by losses is held against, as its reference names it."""
    return f"{_LOSSES}{' '.join(names) or 'none'}"


def model_window(mesh: Mesh, model: ModelSpec, *, at: datetime, span: Span | None = None) -> Window:
    """The newest versions of the predictions whose event times lie within `monitor.window` of the newest one.

    Args:
        span: The versions within it instead, with the version of the model that scored most of their rows.

    Raises:
        NotFoundError: The model has no champion, nothing is scored, or nothing within the span.
    """
    number = read_alias(mesh.catalog, model.name, "champion")
    if number is None:
        raise NotFoundError(f"{model.name}: has no champion yet. Train one: mesh train {model.name}")
    records = read_versions(mesh.catalog, model.predictions_name)
    if not records:
        raise NotFoundError(f"{model.name}: nothing is scored yet. Score first: mesh score {model.name}")
    if span is None:
        return _scored_window(mesh, model, records, newest_versions(records, model.monitor.window), number, at=at)
    kept = chosen_versions(records, span)
    return _scored_window(mesh, model, records, kept, _scorer(mesh, kept) or number, at=_there(mesh, kept))


def past_window(window: Window, verdict: VerdictRecord) -> Window:
    """The window of a verdict on the same model, as it would be judged now: by the labels that there are.

    Raises:
        NotFoundError: The version that scored its rows, or they, are not in the catalog any more.
    """
    mesh, model, found = window.mesh, window.model, _PIN.match(verdict.current)
    records = read_versions(mesh.catalog, model.predictions_name) if model is not None else []
    first, last = (int(found["first"]), int(found["last"] or found["first"])) if found else (0, -1)
    kept = [record for record in records if first <= record.version <= last]
    if model is None or not kept or verdict.model_version is None:
        raise NotFoundError(f"{window.subject}: {verdict.current} is not in the catalog any more.")
    return _scored_window(mesh, model, records, kept, verdict.model_version, at=_there(mesh, kept))


def _scored_window(
    mesh: Mesh,
    model: ModelSpec,
    records: Sequence[VersionRecord],
    kept: Sequence[VersionRecord],
    number: int,
    *,
    at: datetime,
) -> Window:
    target = latest_version(mesh.catalog, model.target_product)
    return Window(
        mesh=mesh,
        subject=model.name,
        subject_kind="model",
        spec=model.monitor,
        model=model,
        current=_part(kept, whole=kept[0] is records[0]),
        baseline=_scored_before(mesh, kept[0], records, number),
        event_time=model.event_time,
        champion=_champion(mesh, model, number),
        labels=target.version if target else None,
        at=at,
    )


def product_window(
    mesh: Mesh, product: ProductSpec, spec: MonitorSpec, *, at: datetime, span: Span | None = None
) -> Window:
    """The newest batches of a product that lie within `window`; the newest version alone where it replaces its rows.

    Args:
        span: The batches within it instead; of a product that replaces its rows the newest of them.

    Raises:
        NotFoundError: It was never published, or nothing of it lies within the span, or its section's `reference`.
    """
    records = read_versions(mesh.catalog, product.name)
    if not records:
        raise NotFoundError(f"{product.name}: was never published. Publish it: mesh publish {product.name}")
    grows, start = records[-1].mode == "append", appended_from(records, records[-1].version)
    known = [record for record in records if record.version >= start] if grows else records
    kept = newest_versions(known, spec.window) if span is None else chosen_versions(known, span)
    kept = kept if grows else kept[-1:]
    before = known if spec.reference is None else chosen_versions(known, spec.reference)
    before = [record for record in before if record.version < kept[0].version]
    if spec.reference is None:
        before = before[-_BASELINE_VERSIONS:]
    before = before if grows else before[-1:]
    return Window(
        mesh=mesh,
        subject=product.name,
        subject_kind="product",
        spec=spec,
        current=_part(kept, whole=kept[0].version <= appended_from(records, kept[-1].version)),
        baseline=_part(before) if before else None,
        event_time=product.contract.event_time,
        at=at if span is None else _there(mesh, kept),
    )


def pinned_window(window: Window, verdict: VerdictRecord) -> Window:
    """The window of an old verdict: what it names instead of what is newest.

    Raises:
        NotFoundError: A version that it names is not in the catalog.
    """
    mesh, model = window.mesh, window.model
    pins = {found["name"]: found for found in _PIN.finditer(f"{verdict.current}, {verdict.reference}")}
    first = _PIN.match(verdict.current)
    if first is None:
        raise InputError(f"verdict {verdict.id}: says nothing about versions, so it cannot be replayed.")
    current = _read_part(mesh, first["name"], int(first["first"]), int(first["last"] or first["first"]))
    champion = window.champion
    if model is not None and verdict.model_version is not None:
        champion = _champion(mesh, model, verdict.model_version)
    baseline = None
    for found in _PIN.finditer(verdict.reference):
        if found["name"] == current.product and found["last"] is not None:
            baseline = _read_part(mesh, found["name"], int(found["first"]), int(found["last"]))
    losses = _LOSS_NAMES.search(verdict.reference)
    labels = pins.get(model.target_product) if model is not None else None
    moment = verdict.reference.rpartition(_MOMENT)[2] if _MOMENT in verdict.reference else None
    return replace(
        window,
        current=current,
        baseline=baseline,
        champion=champion,
        labels=int(labels["first"]) if labels else window.labels,
        at=datetime.fromisoformat(moment) if moment else verdict.created_at,
        slice=Slice.parse(verdict.slice),
        pinned_losses=tuple(losses["names"].split()) if losses else (),
    )


def sliced(window: Window, chosen: Slice) -> Window:
    """The window of a slice; of rows that another version of the model scored, with that version as its champion."""
    found = replace(window, slice=chosen)
    if window.model is None or chosen.column != MODEL_VERSION or not (chosen.value or "").isdecimal():
        return found
    version = _champion(window.mesh, window.model, int(chosen.value or 0))
    return replace(found, champion=version, baseline=None)


def _part(records: Sequence[VersionRecord], *, whole: bool = False) -> Part:
    return Part(
        product=records[0].product,
        first=records[0].version,
        last=records[-1].version,
        begins=min((one.event_from for one in records if one.event_from is not None), default=None),
        ends=max((one.event_to for one in records if one.event_to is not None), default=None),
        rows=sum(record.rows for record in records),
        whole=whole,
    )


def _read_part(mesh: Mesh, product: str, first: int, last: int) -> Part:
    records = read_versions(mesh.catalog, product)
    kept = [record for record in records if first <= record.version <= last]
    if not kept:
        raise NotFoundError(f"{product}: its versions {first}..{last} are not in the catalog any more.")
    return _part(kept, whole=first <= appended_from(records, last))


def _champion(mesh: Mesh, model: ModelSpec, number: int) -> ModelVersionRecord:
    found = next((one for one in read_model_versions(mesh.catalog, model.name) if one.version == number), None)
    if found is None or found.training_version is None:
        raise NotFoundError(
            f"{model.name} v{number}: the catalog does not say what it learned from. "
            f"Train it anew: mesh train {model.name}"
        )
    return found


def _scored_before(mesh: Mesh, start: VersionRecord, records: Sequence[VersionRecord], champion: int) -> Part | None:
    """The first versions that the champion alone scored, before the window."""
    from mesh_catalog.lake.profiles import load_profile

    kept: list[VersionRecord] = []
    for record in records:
        if record.version >= start.version or len(kept) == _BASELINE_VERSIONS:
            break
        try:
            column = load_profile(mesh, record.product, record.version).columns.get(MODEL_VERSION)
        except MeshError:
            break  # a damaged profile takes the baseline, not the monitors that need none
        if column is not None and set(column.values or ()) == {champion}:
            kept.append(record)
        elif kept:
            break
    return _part(kept) if kept else None


def _scorer(mesh: Mesh, kept: Sequence[VersionRecord]) -> int | None:
    """The version of the model that scored most of these rows; None where no profile tells."""
    from mesh_catalog.lake.profiles import load_profile

    rows: Counter[int] = Counter()
    for record in kept:
        try:
            column = load_profile(mesh, record.product, record.version).columns.get(MODEL_VERSION)
        except MeshError:
            continue
        rows.update({int(value): count for value, count in ((column.values if column else None) or {}).items()})
    return rows.most_common(1)[0][0] if rows else None


def _there(mesh: Mesh, kept: Sequence[VersionRecord]) -> datetime:
    """The moment of a window of before, to the second: when the run that made its last rows had ended."""
    run = read_run(mesh.catalog, kept[-1].run_id)
    return (run.finished_at or kept[-1].committed_at).replace(microsecond=0) + timedelta(seconds=1)


def own_names(window: Window, columns: Iterable[Column]) -> set[str | None]:
    """Keys and event time among the columns of the window's product: new in every batch, they are not compared."""
    keys = {column.name for column in columns if column.unique or column.primary_key_position is not None}
    return {*keys, window.event_time}


def utc_moment() -> datetime:
    """Now, to the second: a verdict's moment."""
    return utc_now().replace(microsecond=0)

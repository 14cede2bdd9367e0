"""The monitors of a model or a product, run on its newest window; each verdict is kept, and can be replayed.

One that fails does not stop the others. The same window against the same reference is judged once: asked again, the
verdict that was kept is told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mesh_catalog import __version__
from mesh_catalog.catalog.runs import finish_run, start_run
from mesh_catalog.catalog.store import utc_now
from mesh_catalog.catalog.verdicts import (
    Measure,
    MonitorKind,
    Outcome,
    VerdictRecord,
    read_verdict,
    record_verdict,
    verdict_id,
)
from mesh_catalog.errors import InputError, MeshError, NotFoundError
from mesh_catalog.monitoring.attribution import ATTRIBUTION
from mesh_catalog.monitoring.bias import BIAS
from mesh_catalog.monitoring.data_drift import DATA_DRIFT, PREDICTION_DRIFT
from mesh_catalog.monitoring.error_estimate import ESTIMATED_ERROR
from mesh_catalog.monitoring.estimate import ESTIMATED_PERFORMANCE
from mesh_catalog.monitoring.finding import Finding, Monitor, not_run, worst
from mesh_catalog.monitoring.foreign_report import REPORT_PIN, read_evidently_report, reported_drift
from mesh_catalog.monitoring.late import late_windows
from mesh_catalog.monitoring.operations import OPERATIONS
from mesh_catalog.monitoring.performance import PERFORMANCE
from mesh_catalog.monitoring.quality import DATA_QUALITY
from mesh_catalog.monitoring.slices import WHOLE, Slice, challenger_slices, checked_slice, require_slice, slices_of
from mesh_catalog.monitoring.window import Window, model_window, pinned_window, product_window, sliced, utc_moment

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import SparkSession

    from mesh_catalog.access.mesh import Mesh
    from mesh_catalog.monitoring.report import ReportFiles
    from mesh_catalog.specs import ModelSpec, ProductSpec, Span

__all__ = ["MONITORS", "MonitorRun", "Replay", "monitor_model", "record_report", "replay_verdict", "run_monitors"]

MONITORS: tuple[Monitor, ...] = (
    DATA_QUALITY,
    DATA_DRIFT,
    PREDICTION_DRIFT,
    PERFORMANCE,
    ESTIMATED_PERFORMANCE,
    ESTIMATED_ERROR,
    BIAS,
    ATTRIBUTION,
    OPERATIONS,
)


@dataclass(frozen=True, kw_only=True)
class MonitorRun:
    """What the monitors of a subject said of its newest window, or of the one that was asked for."""

    subject: str
    verdicts: tuple[VerdictRecord, ...]
    late: tuple[VerdictRecord, ...] = ()
    """On windows of before, for which more labels have come since they were judged."""
    errors: tuple[MeshError, ...] = ()
    """Of monitors that could not judge; the others' verdicts are kept."""

    @property
    def outcome(self) -> Outcome:
        return worst([verdict.outcome for verdict in (*self.verdicts, *self.late)])


@dataclass(frozen=True, kw_only=True)
class Replay:
    """A verdict as it was kept, and as it comes out again."""

    kept: VerdictRecord
    again: VerdictRecord

    @property
    def equal(self) -> bool:
        """Whether outcome and numbers are the same; how a reason is worded may change with the code."""
        same = ("outcome", "share", "limit", "reference_digest", "current_digest")
        if any(getattr(self.kept, name) != getattr(self.again, name) for name in same):
            return False
        return not self.differences

    @property
    def differences(self) -> tuple[str, ...]:
        """The measures that are not the same, by column and method."""
        kept, again = (Counter(map(_numbers, one.measures)) for one in (self.kept, self.again))
        return tuple(sorted({f"{name} {method}".strip() for name, method, *_ in (kept - again) + (again - kept)}))


def _numbers(measure: Measure) -> tuple[str, ...]:
    """A measure without its words; numbers to ten digits, since sums may come in another order."""
    numbers = (measure.score, measure.threshold, measure.low, measure.high)
    told = tuple("" if number is None else f"{number:.10g}" for number in numbers)
    return (measure.column or "", measure.method, measure.outcome, *told)


def run_monitors(
    mesh: Mesh,
    subject: ModelSpec | ProductSpec,
    *,
    kinds: Sequence[MonitorKind] | None = None,
    slices: Sequence[str] | None = None,
    span: Span | None = None,
    session: Callable[[], SparkSession] | None = None,
    tell: Callable[[str], None] = lambda _line: None,
) -> MonitorRun:
    """Run every monitor that the subject's section asks for, on all rows, on each slice, and on a canary's rows.

    What rests on labels is judged again on the windows of before for which more of them have come.

    Args:
        kinds: Only these.
        slices: Only these, as verdicts write them; empty text: all rows together.
        span: Judge the window within it, and no other.
        session: Opens Spark; without it monitors that need it say so.
        tell: Given a line as each monitor begins.

    Raises:
        NotFoundError: The model has no champion, nothing is scored, the product was never published, or nothing lies
            within the span.
        InputError: A slice cannot be read, or its column is not there, is personal, or no number.
    """
    window = replace(_window(mesh, subject, span), session=session)
    chosen = [monitor for monitor in MONITORS if monitor.applies(window) and (kinds is None or monitor.kind in kinds)]
    verdicts: list[VerdictRecord] = []
    late: list[VerdictRecord] = []
    errors: list[MeshError] = []

    def judge(monitor: Monitor, part: Window, kept: list[VerdictRecord]) -> None:
        try:
            kept.append(_judge(monitor, part))
        except MeshError as error:
            errors.append(error)

    parts = _slices(window, slices)
    for monitor in chosen:
        tell(monitor.title)
        for part in parts:
            if part.column is None or monitor.sliced:
                judge(monitor, sliced(window, part), verdicts)
    labelled = [monitor for monitor in chosen if monitor.labelled]
    for past in late_windows(window, slices) if labelled and span is None else ():
        for monitor in labelled:
            judge(monitor, past, late)
    return MonitorRun(subject=subject.name, verdicts=tuple(verdicts), late=tuple(late), errors=tuple(errors))


def monitor_model(mesh: Mesh, model: ModelSpec) -> VerdictRecord:
    """The drift of a model's newest window from what its champion learned from: what retraining acts on.

    Raises:
        NotFoundError: The model has no champion, or nothing is scored.
        StorageError: A profile, a table or the report cannot be read.

    Cost: under a second, but for 5 s to import Evidently for the report, and an exact count of the few columns near
    their threshold.
    """
    return _judge(DATA_DRIFT, _window(mesh, model))


def record_report(mesh: Mesh, subject: ModelSpec | ProductSpec, path: Path, *, span: Span | None = None) -> MonitorRun:
    """Keep what a drift report says, that somebody made with Evidently, as the verdict on the subject's newest window.

    The same file on the same window is one verdict; where the window was judged before, this verdict is the newer one.

    Args:
        span: The report is of the window within it.

    Raises:
        NotFoundError: There is no such file, the model has no champion, or nothing is scored or published, or nothing
            within the span.
        InputError: The file is no report of Evidently 0.7, or says of no column whether it drifted.
    """
    monitor = reported_drift(read_evidently_report(path))
    return MonitorRun(subject=subject.name, verdicts=(_judge(monitor, _window(mesh, subject, span)),))


def replay_verdict(
    mesh: Mesh, subject: ModelSpec | ProductSpec, beginning: str, *, session: Callable[[], SparkSession] | None = None
) -> Replay:
    """Judge an old verdict's window again, from the versions that it names; nothing is kept.

    Args:
        beginning: Of the verdict's id.

    Raises:
        NotFoundError: No such verdict of this subject, or its versions are gone.
        InputError: It was made before verdicts named all that they rest on, or read from a file.
    """
    kept = read_verdict(mesh.catalog, beginning)
    if kept.subject != subject.name:
        raise NotFoundError(f"{subject.name}: the verdict {kept.id[:8]} is of {kept.subject}. Name that one.")
    if kept.reference.startswith(REPORT_PIN):
        raise InputError(
            f"{subject.name}: the verdict {kept.id[:8]} was read from a file ({kept.reference}), and cannot be judged "
            f"again. Judge its window here: mesh monitor {subject.name} --kind {kept.kind}"
        )
    window = replace(pinned_window(_window(mesh, subject), kept), session=session)
    window = replace(window, slice=checked_slice(window, window.slice))
    monitor = next((one for one in MONITORS if one.kind == kept.kind and one.applies(window)), None)
    if monitor is None:
        raise InputError(
            f"{subject.name}: its monitor section no longer asks for {kept.kind}. Write it again to replay."
        )
    return Replay(kept=kept, again=_record(monitor, window, _find(monitor, window)))


def _window(mesh: Mesh, subject: ModelSpec | ProductSpec, span: Span | None = None) -> Window:
    from mesh_catalog.specs import ModelSpec, MonitorSpec

    if isinstance(subject, ModelSpec):
        return model_window(mesh, subject, at=utc_moment(), span=span)
    return product_window(mesh, subject, subject.monitor or MonitorSpec(), at=utc_moment(), span=span)


def _slices(window: Window, asked: Sequence[str] | None) -> list[Slice]:
    if asked is not None:
        return [require_slice(window, Slice.parse(text)) for text in asked]
    return list(dict.fromkeys([WHOLE, *slices_of(window), *challenger_slices(window)]))


def _find(monitor: Monitor, window: Window) -> Finding:
    if window.slice.problem is not None:
        return not_run(window.slice.problem)
    try:
        return monitor.judge(window)
    except InputError as error:
        return not_run(str(error))


def _judge(monitor: Monitor, window: Window) -> VerdictRecord:
    """The verdict of a monitor: the one that is kept of this window already, or a new one."""
    window = monitor.pin(window)
    catalog, found = window.mesh.catalog, _id(monitor, window)
    try:
        return read_verdict(catalog, found)
    except NotFoundError:
        start_run(catalog, product=window.subject, kind="monitor", principal=window.mesh.principal, run_id=found)
    try:
        finding = _find(monitor, window)
        verdict = _record(monitor, window, finding)
        files = _report(monitor, window, finding, verdict)
        verdict = replace(verdict, report_html=str(files.html), report_json=str(files.json))
        record_verdict(catalog, verdict)
    except MeshError as error:
        finish_run(catalog, found, outcome="failed", message=str(error))
        raise
    finish_run(catalog, found, outcome="done", inputs=_inputs(window))
    return verdict


def _record(monitor: Monitor, window: Window, finding: Finding) -> VerdictRecord:
    return VerdictRecord(
        id=_id(monitor, window),
        subject=window.subject,
        subject_kind=window.subject_kind,
        kind=monitor.kind,
        slice=str(window.slice),
        window_from=window.current.begins,
        window_to=window.current.ends,
        reference=_reference(monitor, window),
        current=str(window.current),
        model_version=window.champion.version if window.champion else None,
        outcome=finding.outcome,
        reason=finding.reason,
        share=finding.share,
        limit=finding.limit,
        measures=finding.measures,
        reference_digest=finding.reference_digest,
        current_digest=finding.current_digest,
        code_version=__version__,
        created_at=utc_now(),
    )


def _report(monitor: Monitor, window: Window, finding: Finding, verdict: VerdictRecord) -> ReportFiles:
    from mesh_catalog.monitoring.report import write_measures

    day = verdict.window_to.date().isoformat() if verdict.window_to is not None else "window"
    folder, name = window.mesh.settings.reports / window.subject, f"{day}-{verdict.id[:8]}"
    where = f" where {verdict.slice}" if verdict.slice else ""
    title = f"{window.subject}: {verdict.current}{where} against {verdict.reference or 'nothing'}"
    if finding.write is not None:
        return finding.write(folder, name, title)
    return write_measures(verdict, monitor.title, folder=folder, name=name, title=title)


def _reference(monitor: Monitor, window: Window) -> str:
    return ", ".join(filter(None, monitor.reference(window)))


def _id(monitor: Monitor, window: Window) -> str:
    return verdict_id(
        window.subject,
        monitor.kind,
        slice_text=str(window.slice),
        reference=_reference(monitor, window),
        current=str(window.current),
        model_version=window.champion.version if window.champion else None,
    )


def _inputs(window: Window) -> dict[str, int]:
    found = {window.current.product: window.current.last}
    if window.model is not None and window.champion is not None and window.champion.training_version is not None:
        found[window.model.training_name] = window.champion.training_version
    return found

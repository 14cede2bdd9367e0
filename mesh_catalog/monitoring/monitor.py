"""Which two datasets are compared: a model's newest window with what its champion learned from, or any two.

`monitor_model` is the loop's sense: its verdict is read back from the report's own tests, kept in the catalog, and is
what retraining acts on. `compare_datasets` is the same comparison for anybody's two products or files, and keeps
nothing. Neither starts a JVM: profiles are read as they were stored, and exact counts come through delta-rs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mesh_catalog import __version__
from mesh_catalog.errors import InputError, MeshError, NotFoundError, StorageError
from mesh_catalog.lake.profile import ColumnProfile, Profile
from mesh_catalog.monitoring.drift import Comparison, DriftResult, Side, compare_sides
from mesh_catalog.monitoring.files import open_file

if TYPE_CHECKING:
    from mesh_catalog.access.gate import Ticket
    from mesh_catalog.access.mesh import Mesh
    from mesh_catalog.catalog.runs import VersionRecord
    from mesh_catalog.catalog.verdicts import VerdictRecord
    from mesh_catalog.monitoring.report import ReportFiles
    from mesh_catalog.specs import ModelSpec

__all__ = ["ProductSide", "compare_datasets", "monitor_model", "names_file"]

_FILE_SUFFIXES = (".csv", ".tsv", ".tab", ".parquet", ".pq", ".gz")
_PRODUCT = re.compile(r"(?P<name>[^@]+)(?:@v?(?P<first>\d+)(?:\.\.v?(?P<last>\d+))?)?")


@dataclass(frozen=True, kw_only=True)
class ProductSide:
    """Rows of a product: its stored profile, and exact counts through a ticket."""

    profile: Profile
    ticket: Ticket
    first: int | None
    """The first version whose rows belong; None: all that the table held at the ticket's version."""
    counts_are_cheap: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        columns = self.ticket.columns or tuple(self.profile.columns)
        return tuple(name for name in columns if name in self.profile.columns)

    @property
    def rows(self) -> int:
        return self.profile.rows

    def column(self, name: str) -> ColumnProfile:
        return self.profile.columns[name]

    def counts(self, name: str) -> Mapping[Any, int]:
        from mesh_catalog.lake.arrow import count_values

        return count_values(self.ticket, name, first_version=self.first)


def compare_datasets(
    mesh: Mesh | None,
    reference: str,
    current: str,
    *,
    columns: Sequence[str] | None = None,
    limit: float = 0.5,
) -> Comparison:
    """Compare any two datasets.

    Args:
        mesh: Needed where a product is named.
        reference: A Parquet, CSV or TSV file, or a product: `payments.transactions` (its newest version),
            `payments.transactions@3` (the table as of version 3) or `payments.transactions@3..5` (the rows that
            versions 3 to 5 added).
        current: The same.
        columns: Which to compare; all where None.
        limit: The share of drifted columns from which the dataset counts as drifted.

    Raises:
        NotFoundError: No such file, product, version or column.
        InputError: A file is empty or damaged, or `limit` is no share.
        StorageError: A profile or table cannot be read.
    """
    with ExitStack() as stack:
        sides = [stack.enter_context(_open_side(mesh, text, columns)) for text in (reference, current)]
        return compare_sides(*sides, columns=columns, limit=limit)


def names_file(text: str) -> bool:
    """Whether `text` names a file, and not a product."""
    return text.lower().endswith(_FILE_SUFFIXES) or "/" in text or Path(text).exists()


@contextmanager
def _open_side(mesh: Mesh | None, text: str, columns: Sequence[str] | None) -> Iterator[Side]:
    if names_file(text):
        with open_file(Path(text)) as side:
            yield side
        return
    if mesh is None:
        raise InputError(f"{text[:80]}: is no file, and a product needs a workspace. Name a file, or go into one.")
    found = _PRODUCT.fullmatch(text)
    if found is None:
        raise InputError(f"'{text[:80]}' is neither a file nor product@version. Write for example payments.daily@3.")
    first, last = (int(found[name]) if found[name] else None for name in ("first", "last"))
    if last is None:
        yield _open_product(mesh, found["name"], version=first, columns=columns)
    else:
        yield _open_product(mesh, found["name"], version=last, first=first, columns=columns)


def _open_product(
    mesh: Mesh, product: str, *, version: int | None, first: int | None = None, columns: Sequence[str] | None = None
) -> ProductSide:
    """The rows of versions first..version, or of the whole table as of `version`; the newest where None."""
    from mesh_catalog.access.gate import request_read
    from mesh_catalog.catalog.inventory import read_version_columns
    from mesh_catalog.catalog.runs import latest_version, read_versions
    from mesh_catalog.catalog.versions import appended_from
    from mesh_catalog.lake.profiles import load_window

    if first is not None and version is not None and first > version:
        raise InputError(f"{product}@{first}..{version}: ends before it begins.")
    newest = latest_version(mesh.catalog, product)
    chosen = version if version is not None or newest is None else newest.version
    asked: list[str] | None = None
    if columns is not None and chosen is not None:
        known = {column.name for column in read_version_columns(mesh.catalog, product, chosen)}
        asked = [name for name in columns if name in known] or None
    ticket = request_read(mesh, product, purpose="monitor", version=version, columns=asked)
    begin = appended_from(read_versions(mesh.catalog, product), ticket.version) if first is None else first
    return ProductSide(profile=load_window(mesh, product, begin, ticket.version), ticket=ticket, first=first)


def monitor_model(mesh: Mesh, model: ModelSpec) -> VerdictRecord:
    """Compare the newest window of predictions with what the champion learned from, and keep the verdict.

    The window is the newest versions of `<model>__predictions` whose event times lie within `monitor.window` of the
    newest one; at least the newest version. Where nothing was scored since the last verdict, that one is returned.

    Raises:
        NotFoundError: The model has no champion, or nothing is scored.
        StorageError: A profile, a table or the report cannot be read.

    Cost: under a second, but for 5 s to import Evidently for the report, and an exact count of the few columns near
    their threshold.
    """
    from mesh_catalog.catalog.models import read_alias
    from mesh_catalog.catalog.runs import finish_run, start_run
    from mesh_catalog.catalog.verdicts import read_verdicts, record_verdict, verdict_id

    champion = read_alias(mesh.catalog, model.name, "champion")
    if champion is None:
        raise NotFoundError(f"{model.name}: has no champion yet. Train one: mesh train {model.name}")
    window = _window(mesh, model)
    current = f"{model.predictions_name}@{window[0].version}..{window[-1].version}"
    last = read_verdicts(mesh.catalog, model.name, kind="data_drift", limit=1)
    if last and last[0].current == current:
        return last[0]
    training = _training_version(mesh, model, champion)
    reference = f"{model.training_name}@{training}"
    found = verdict_id(
        model.name, "data_drift", slice_text="", reference=reference, current=current, model_version=champion
    )
    start_run(mesh.catalog, product=model.name, kind="monitor", principal=mesh.principal, run_id=found)
    try:
        verdict = _compare_window(mesh, model, window, training=training, champion=champion, found=found)
        record_verdict(mesh.catalog, verdict)
    except MeshError as error:
        finish_run(mesh.catalog, found, outcome="failed", message=str(error))
        raise
    inputs = {model.training_name: training, model.predictions_name: window[-1].version}
    finish_run(mesh.catalog, found, outcome="done", inputs=inputs)
    return verdict


def _window(mesh: Mesh, model: ModelSpec) -> list[VersionRecord]:
    """The versions of the newest window, oldest first."""
    from mesh_catalog.catalog.runs import read_versions

    records = read_versions(mesh.catalog, model.predictions_name)
    if not records:
        raise NotFoundError(f"{model.name}: nothing is scored yet. Score first: mesh score {model.name}")
    kept = [records[-1]]
    newest = max((record.event_to for record in records if record.event_to is not None), default=None)
    for record in reversed(records[:-1]):
        if newest is None or record.event_from is None or record.event_from < newest - model.monitor.window:
            break
        kept.append(record)
    return kept[::-1]


def _training_version(mesh: Mesh, model: ModelSpec, champion: int) -> int:
    from mesh_catalog.catalog.models import read_model_versions

    found = next((one for one in read_model_versions(mesh.catalog, model.name) if one.version == champion), None)
    if found is None or found.training_version is None:
        raise NotFoundError(
            f"{model.name} v{champion}: the catalog does not say what it learned from. "
            f"Train it anew: mesh train {model.name}"
        )
    return found.training_version


def _compare_window(
    mesh: Mesh, model: ModelSpec, window: Sequence[VersionRecord], *, training: int, champion: int, found: str
) -> VerdictRecord:
    from mesh_catalog.catalog.verdicts import VerdictRecord

    features = _features(mesh, model, training)
    first, last = window[0].version, window[-1].version
    reference = _open_product(mesh, model.training_name, version=training, columns=features)
    current = _open_product(mesh, model.predictions_name, version=last, first=first, columns=features)
    comparison = compare_sides(reference, current, columns=features, limit=model.monitor.drift_share)
    starts = [record.event_from for record in window if record.event_from is not None]
    ends = [record.event_to for record in window if record.event_to is not None]
    window_to = max(ends, default=None)
    names = f"{model.training_name}@{training}", f"{model.predictions_name}@{first}..{last}"
    result, files = _reported(mesh, model, comparison, names=names, window_to=window_to, found=found)
    return VerdictRecord(
        id=found,
        subject=model.name,
        subject_kind="model",
        kind="data_drift",
        window_from=min(starts, default=None),
        window_to=window_to,
        reference=names[0],
        current=names[1],
        model_version=champion,
        outcome=result.outcome,
        reason=result.sentence,
        share=result.share,
        limit=result.limit,
        measures=tuple(column.measure for column in result.columns),
        report_html=str(files.html),
        report_json=str(files.json),
        reference_digest=reference.profile.digest,
        current_digest=current.profile.digest,
        code_version=__version__,
        created_at=datetime.now(UTC),
    )


def _features(mesh: Mesh, model: ModelSpec, training: int) -> list[str]:
    """The columns that the champion learned from: those of its training data but keys, time, target and split."""
    from mesh_catalog.catalog.inventory import read_version_columns
    from mesh_catalog.models.frame import SPLIT, plan_frame

    plan = plan_frame(mesh, model)
    others = {*plan.key_names, *plan.entity, plan.event_time.name, plan.target.name, SPLIT}
    columns = read_version_columns(mesh.catalog, model.training_name, training)
    return [column.name for column in columns if column.name not in others]


def _reported(
    mesh: Mesh,
    model: ModelSpec,
    comparison: Comparison,
    *,
    names: tuple[str, str],
    window_to: datetime | None,
    found: str,
) -> tuple[DriftResult, ReportFiles]:
    """Write the report, and the verdict as its tests tell it."""
    from mesh_catalog.monitoring.report import read_report, write_report

    day = window_to.date().isoformat() if window_to is not None else "window"
    files = write_report(
        comparison.result,
        comparison.reference,
        comparison.current,
        folder=mesh.settings.reports / model.name,
        name=f"{day}-{found[:8]}",
        title=f"{model.name}: {names[1]} against {names[0]}",
    )
    said = read_report(files.json)
    columns = tuple(
        replace(column, drifted=said.columns[column.column]) if column.reason is None else column
        for column in comparison.result.columns
    )
    told = DriftResult(drifted=said.drifted, share=said.share, limit=said.limit, columns=columns)
    if told != comparison.result:
        raise StorageError(f"{files.json}: its tests contradict the numbers. Is another Evidently installed?")
    return told, files

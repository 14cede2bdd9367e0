"""Training: frame → publish it → fit → evaluate → log → register → alias.

Every step can be done again with the same run id and does nothing the second time: the training frame is found by its
run, the MLflow run by its tag, the model version by its MLflow run, aliases and catalog rows by what they say. Killed
anywhere, a call with the same run id goes on.

A model version learns from a published version of `<model>__training` and nothing else, so that what it learned from
can be read again, monitored against, and found by whoever asks for a person's data.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import NAMESPACE_URL, uuid5

from mesh_catalog.access.gate import request_read
from mesh_catalog.access.rights import require_model_rights
from mesh_catalog.catalog.assets import register_model
from mesh_catalog.catalog.models import ModelVersionRecord, read_alias, record_model_version, set_alias
from mesh_catalog.catalog.runs import finish_run, read_run, read_versions, start_run
from mesh_catalog.contracts.contract import Column
from mesh_catalog.errors import GateRefusedError, MeshError, RefusedError, StorageError
from mesh_catalog.lake.frames import publish_frame
from mesh_catalog.lake.read import read_table
from mesh_catalog.models.algorithms import add_score, check_parameters, fit_pipeline, load_library
from mesh_catalog.models.compare import check_gate
from mesh_catalog.models.evaluate import LOSS_DEVIATION, Evaluation, count_scores, evaluate_counts, loss_deviation
from mesh_catalog.models.frame import SCORE, SPLIT, FramePlan, build_frame, plan_frame
from mesh_catalog.models.mirror import mirror_decisions
from mesh_catalog.models.registry import Alias, LoggedRun, Pins, Registry, open_registry
from mesh_catalog.models.regression import evaluate_numbers
from mesh_catalog.models.split import (
    LabelCounts,
    Part,
    add_split,
    count_labels,
    newest_time,
    require_learnable,
    split_bounds,
)

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from mesh_catalog.access.mesh import Mesh
    from mesh_catalog.contracts.contract import Contract
    from mesh_catalog.specs import ModelSpec

__all__ = ["TrainResult", "train_model"]

_PACKAGES = ("mesh-catalog", "pyspark", "delta-spark", "mlflow", "xgboost-cpu", "xgboost", "numpy")


@dataclass(frozen=True, kw_only=True)
class TrainResult:
    """What a training made."""

    model: str
    run_id: str
    version: int
    mlflow_run_id: str
    training_product: str
    training_version: int
    inputs: Mapping[str, int]
    train_rows: int
    test_rows: int
    label_mean: float
    """Of the test rows; of a binary label the share of 1."""
    test_from: str
    """Event time of the first test row, ISO, UTC."""
    metrics: Mapping[str, float]
    """On the test window."""
    intervals: Mapping[str, tuple[float, float]]
    """95 % interval of those metrics that have one."""
    baseline: Mapping[str, float]
    """What the training rows' share of 1, or mean, scores on the test window; of a number also what the mean of their
    last period does, as `last_period_<metric>`."""
    alias: Alias
    """What the version became."""
    unmet: tuple[str, ...]
    """Promises of gate.at_least and at_most that the metrics do not keep, as sentences."""
    seconds: Mapping[str, float]
    """By step; steps that an earlier call had done are near 0."""


class _Clock:
    """Seconds by step."""

    def __init__(self) -> None:
        self._last = time.monotonic()
        self.seconds: dict[str, float] = {}

    def lap(self, step: str) -> None:
        now = time.monotonic()
        self.seconds[step] = round(now - self._last, 3)
        self._last = now


@dataclass(frozen=True, kw_only=True)
class _Job:
    """One training under way."""

    spark: SparkSession
    mesh: Mesh
    model: ModelSpec
    plan: FramePlan
    run_id: str
    until: datetime | None
    retraining_id: str | None
    tell: Callable[[str], None]
    clock: _Clock = field(default_factory=_Clock)

    @property
    def features(self) -> tuple[str, ...]:
        """What is learned from."""
        return tuple(name for name in self.plan.features if name not in self.model.left_out)

    @property
    def publish_id(self) -> str:
        """The id of the publish of this training's rows: the same as long as model.yaml asks for the same rows."""
        asked = (self.plan, self.model.split, self.until)
        return uuid5(NAMESPACE_URL, f"mesh:train:{self.run_id}:{asked!r}").hex


@dataclass(frozen=True, kw_only=True)
class _Rows:
    """The published rows of a training."""

    version: int
    counts: Mapping[Part, LabelCounts]


def train_model(
    spark: SparkSession,
    mesh: Mesh,
    model: ModelSpec,
    *,
    run_id: str,
    until: datetime | None = None,
    retraining_id: str | None = None,
    tell: Callable[[str], None] = lambda _line: None,
) -> TrainResult:
    """Train a new version of a model on the newest data; it becomes the challenger, or the champion if there is none.

    Args:
        run_id: Names the training; a call with the id of one that was cut off goes on with it, and a finished one is
            told again.
        until: Only rows before this event time (UTC where it has no zone), as if nothing later were known.
        retraining_id: The retraining that asked for it.
        tell: Given a line of progress at each step.

    Raises:
        InputError: model.yaml and the data do not fit together.
        PolicyRefusedError: A product upstream, however far, does not allow training, or not for the model's purpose.
        GateRefusedError: Too few rows, or rows of one class only.
        BatchRefusedError: The training frame breaks what its sources promise.
        NotFoundError: A product was never published.
        StorageError: A table or MLflow cannot be used.
    """
    check_parameters(model.algorithm, model.parameters)
    require_model_rights(mesh, model, "train")
    plan = plan_frame(mesh, model)
    job = _Job(
        spark=spark,
        mesh=mesh,
        model=model,
        plan=plan,
        run_id=run_id,
        until=until,
        retraining_id=retraining_id,
        tell=tell,
    )
    register_model(mesh.catalog, model if retraining_id is None else mesh.workspace.model(model.name))
    start_run(mesh.catalog, product=model.name, kind="train", principal=mesh.principal, run_id=run_id)
    with _recorded(mesh, run_id), _opening_registry(mesh, model.algorithm) as opening:
        # Before MLflow is asked, since it takes its time to open; after a cut this costs one query.
        rows = _publish_rows(job)
        job.clock.lap("frame")
        registry = opening.result()
        logged = registry.find_run(model.name, run_id)
        job.clock.lap("mlflow_start")
        if logged is None:
            logged = _fit_and_log(job, rows or _count_published(job), registry)
        tell(f"registers {model.name}")
        result = _settle(job, registry, logged)
        finish_run(mesh.catalog, run_id, outcome="done", inputs={model.training_name: result.training_version})
    return result


@contextmanager
def _recorded(mesh: Mesh, run_id: str) -> Iterator[None]:
    """Leave the run's end in the catalog, also where it failed."""
    try:
        yield
    except MeshError as error:
        refused = isinstance(error, RefusedError)
        finish_run(mesh.catalog, run_id, outcome="refused" if refused else "failed", message=str(error))
        raise


@contextmanager
def _opening_registry(mesh: Mesh, algorithm: str) -> Iterator[Future[Registry]]:
    """Import MLflow and the algorithm's library while Spark works, and open MLflow's database: 10 s, 6 more if new."""
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="mlflow") as pool:
        opening = pool.submit(open_registry, mesh.settings)
        pool.submit(load_library, algorithm)
        yield opening


def _publish_rows(job: _Job) -> _Rows | None:
    """Publish the rows to learn from; None where an earlier call has published them."""
    if _published_version(job) is not None:
        return None
    frame = build_frame(job.spark, job.mesh, job.model, end=job.until)
    job.tell("frames " + ", ".join(f"{product} v{number}" for product, number in frame.inputs.items()))
    name, time_column, target = job.model.name, job.plan.event_time.name, job.plan.target.name
    newest = newest_time(frame.rows, time_column)
    if newest is None:
        raise GateRefusedError(f"{name}: {job.plan.product} has no row with a label. Publish some first.")
    bounds = split_bounds(newest, job.model.split, until=job.until)
    # Before the publish: rows that nothing can be learned from would become the newest training data otherwise.
    rows = add_split(frame.rows, bounds, event_time=time_column, column=SPLIT)
    counts = count_labels(rows, split=SPLIT, target=target, event_time=time_column, kind=job.model.kind)
    require_learnable(name, target, counts, kind=job.model.kind)
    published = publish_frame(
        job.spark,
        job.mesh,
        _training_contract(job.model, job.plan),
        add_split(frame.data, bounds, event_time=time_column, column=SPLIT),
        owner=job.model.domain.owner or job.mesh.principal,
        inputs=frame.inputs,
        run_id=job.publish_id,
    )
    if published.version is None or read_run(job.mesh.catalog, job.publish_id).inputs != frame.inputs:
        return None  # a call that was cut off has committed other versions' rows: count those
    return _Rows(version=published.version, counts=counts)


def _published_version(job: _Job) -> int | None:
    versions = read_versions(job.mesh.catalog, job.model.training_name)
    return next((record.version for record in versions if record.run_id == job.publish_id), None)


def _count_published(job: _Job) -> _Rows:
    """Count the rows that an earlier call with this run id published."""
    version = _published_version(job)
    if version is None:
        raise StorageError(f"{job.model.training_name}: the catalog lost the version of run {job.run_id}. Train again.")
    rows = _read_rows(job, version)
    kind, target, time_column = job.model.kind, job.plan.target.name, job.plan.event_time.name
    counts = count_labels(rows, split=SPLIT, target=target, event_time=time_column, kind=kind)
    require_learnable(job.model.name, target, counts, kind=kind)
    return _Rows(version=version, counts=counts)


def _read_rows(job: _Job, version: int) -> DataFrame:
    return read_table(job.spark, request_read(job.mesh, job.model.training_name, purpose="train", version=version))


def _training_contract(model: ModelSpec, plan: FramePlan) -> Contract:
    target = replace(
        plan.target,
        logical_type="integer" if model.kind == "binary" else "number",
        spark_type="int" if model.kind == "binary" else "double",
        required=True,
        unique=False,
        primary_key_position=None,
        suggested=(),
    )
    split = Column(name=SPLIT, logical_type="string", spark_type="string", required=True, description="train or test.")
    return plan.contract(
        model.training_name,
        (target, split),
        write_mode="overwrite",
        description=f"The rows that a version of {model.name} learned from (train) and was measured on (test).",
    )


def _fit_and_log(job: _Job, rows: _Rows, registry: Registry) -> LoggedRun:
    """Fit on the published training rows, measure on the published test rows, store everything in MLflow."""
    from pyspark.sql import functions as F

    model, plan, target = job.model, job.plan, job.plan.target.name
    data = _read_rows(job, rows.version)
    train, test = rows.counts["train"], rows.counts["test"]
    job.tell(f"trains {model.algorithm} on {train.rows:,} rows, {len(job.features)} features")
    pipeline = fit_pipeline(
        data.where(F.col(SPLIT) == "train"),
        algorithm=model.algorithm,
        parameters=model.parameters,
        features=job.features,
        label=target,
        keys=(*plan.key_names, plan.event_time.name),
        rows=train.rows,
        seed=model.seed,
        kind=model.kind,
    )
    job.clock.lap("fit")
    job.tell(f"tests on {test.rows:,} rows from {test.first_at:%Y-%m-%d %H:%M} on")
    scored = add_score(pipeline, data.where(F.col(SPLIT) == "test"), score=SCORE)
    evaluation = _evaluate(job, data, scored, rows.counts)
    job.clock.lap("evaluate")
    job.tell("stores the run in MLflow")
    logged = registry.log_run(
        pipeline, evaluation, pins=_pins(job, rows, evaluation), run_id=job.run_id, principal=job.mesh.principal
    )
    job.clock.lap("log")
    return logged


def _evaluate(job: _Job, data: DataFrame, scored: DataFrame, counts: Mapping[Part, LabelCounts]) -> Evaluation:
    from pyspark.sql import functions as F

    model, target, train, test = job.model, job.plan.target.name, counts["train"], counts["test"]
    if model.kind == "binary":
        counted = count_scores(scored, label=target, score=SCORE, rows=test.rows)
        found = evaluate_counts(counted, train_share=train.mean, costs=model.costs)
        return replace(found, metrics={**found.metrics, LOSS_DEVIATION: loss_deviation(counted)})
    moment = F.col(f"`{job.plan.event_time.name}`").cast("timestamp")
    last = data.where((F.col(SPLIT) == "train") & (moment > F.lit(train.last_at - model.split.test)))
    recent = last.agg(F.avg(F.col(f"`{target}`"))).collect()[0][0]
    constants = {"mean": train.mean, "last_period": recent}
    return evaluate_numbers(scored, label=target, score=SCORE, label_mean=test.mean, constants=constants)


def _pins(job: _Job, rows: _Rows, evaluation: Evaluation) -> Pins:
    model, plan = job.model, job.plan
    train, test = rows.counts["train"], rows.counts["test"]
    return Pins(
        model=model.name,
        algorithm=model.algorithm,
        parameters=check_parameters(model.algorithm, model.parameters),
        seed=model.seed,
        features=job.features,
        target=f"{plan.product}.{plan.target.name}",
        event_time=plan.event_time.name,
        keys=plan.key_names,
        training_product=model.training_name,
        training_version=rows.version,
        inputs=dict(read_run(job.mesh.catalog, job.publish_id).inputs),
        contract_versions=plan.contract_versions,
        train_rows=train.rows,
        test_rows=test.rows,
        test_from=test.first_at.isoformat(),
        code_commit=_code_commit(job.mesh.settings.workspace),
        packages=_packages(),
        baseline=evaluation.baseline,
    )


def _settle(job: _Job, registry: Registry, logged: LoggedRun) -> TrainResult:
    """Register the run's model, note its version in the catalog, give it its alias."""
    catalog, model, pins = job.mesh.catalog, job.model, logged.pins
    require_model_rights(job.mesh, model, "train")  # by now the catalog knows what the run has read
    number = registry.register(model.name, logged)
    now = datetime.now(UTC)
    record_model_version(
        catalog,
        ModelVersionRecord(
            model=model.name,
            version=number,
            mlflow_run_id=logged.mlflow_run_id,
            training_version=pins.training_version,
            inputs=pins.inputs,
            contract_versions=pins.contract_versions,
            metrics=logged.metrics,
            algorithm=pins.algorithm,
            code_commit=pins.code_commit,
            retraining_id=job.retraining_id,
            created_at=now,
        ),
    )
    unmet = check_gate(logged.metrics, model.gate)
    champion = read_alias(catalog, model.name, "champion") or registry.read_alias(model.name, "champion")
    becomes: Alias = "champion" if champion == number or (champion is None and not unmet) else "challenger"
    if read_run(catalog, job.run_id).outcome != "done":  # what ended before may have been rejected since
        first = "the first version that keeps its gate"
        reason = first if becomes == "champion" else "; ".join(("trained", *unmet))
        set_alias(catalog, model.name, becomes, number, reason=reason, at=now)
        mirror_decisions(job.mesh, model.name)
    job.clock.lap("register")
    return TrainResult(
        model=model.name,
        run_id=job.run_id,
        version=number,
        mlflow_run_id=logged.mlflow_run_id,
        training_product=pins.training_product,
        training_version=pins.training_version,
        inputs=pins.inputs,
        train_rows=pins.train_rows,
        test_rows=pins.test_rows,
        label_mean=logged.label_mean,
        test_from=pins.test_from,
        metrics=logged.metrics,
        intervals=logged.intervals,
        baseline=pins.baseline,
        alias=becomes,
        unmet=unmet,
        seconds=job.clock.seconds,
    )


def _code_commit(workspace: Path) -> str | None:
    """The commit of the workspace's repository, or None where there is none."""
    try:
        head = _git(workspace, "rev-parse", "--verify", "HEAD")
        changes = _git(workspace, "status", "--porcelain", "--", ".")
    except (OSError, subprocess.SubprocessError):
        return None
    return f"{head}+changes" if changes else head


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    return done.stdout.strip()


def _packages() -> dict[str, str]:
    """Versions of what made the model."""
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found

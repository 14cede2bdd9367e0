"""The batch scorer: a champion's scores of the rows that are new, as a data product.

`<model>__predictions` grows by one version a call: keys, event time, the features as they were known, `score` and
`model_version`. While a rollout is open, a challenger scores too, and the rollout's step says where it decides. A row
is new where its event time is later than every row's that was scored before, or, at first, than what the champion
learned from. The target is not read: it is usually not known yet.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal
from uuid import NAMESPACE_URL, uuid5

from mesh_catalog.access.locations import table_location
from mesh_catalog.access.rights import require_model_rights
from mesh_catalog.catalog.assets import register_model, register_product
from mesh_catalog.catalog.models import read_alias, read_model_versions
from mesh_catalog.catalog.rollouts import RolloutRecord, find_rollout_run, open_rollout, read_rollout
from mesh_catalog.catalog.runs import VersionRecord, finish_run, read_run, read_versions, start_run
from mesh_catalog.contracts.contract import Column
from mesh_catalog.errors import MeshError, NotFoundError, RefusedError
from mesh_catalog.lake.frames import publish_frame
from mesh_catalog.lake.manifest import repair_catalog
from mesh_catalog.lake.profiles import load_profile
from mesh_catalog.lake.table import read_table_state
from mesh_catalog.models.algorithms import add_score
from mesh_catalog.models.frame import MODEL_VERSION, SCORE, Frame, FramePlan, build_frame, plan_frame
from mesh_catalog.models.registry import Alias, open_registry
from mesh_catalog.models.split import newest_time
from mesh_catalog.serving.traffic import publish_split

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from mesh_catalog.access.mesh import Mesh
    from mesh_catalog.contracts.contract import Contract
    from mesh_catalog.models.registry import Registry
    from mesh_catalog.specs import ModelSpec

__all__ = ["RolloutShare", "ScoreResult", "score_model"]

_MOMENT = timedelta(microseconds=1)


@dataclass(frozen=True, kw_only=True)
class RolloutShare:
    """The step of a rollout that a run scored in."""

    challenger: int
    position: int
    share: float
    """Of the entities that the challenger decides over, 0..1; 0: it scores beside the champion."""
    failure: str | None
    """Why the challenger could not score at all."""


@dataclass(frozen=True, kw_only=True)
class ScoreResult:
    """What a call of the scorer did."""

    model: str
    run_id: str
    outcome: Literal["published", "unchanged"]
    """unchanged: no row is newer than what was scored."""
    product: str
    version: int | None
    """The newest version of the predictions; None where there is none yet."""
    rows: int
    model_version: int | None
    """The version that scored most rows; None where nothing was scored."""
    event_from: datetime | None
    event_to: datetime | None
    """Event time of the newest row that is scored."""
    inputs: Mapping[str, int]
    seconds: float
    versions: Mapping[int, int] = field(default_factory=dict)
    """Rows that each model version decided."""
    rollout: RolloutShare | None = None


def score_model(
    spark: SparkSession,
    mesh: Mesh,
    model: ModelSpec,
    *,
    run_id: str,
    start: datetime | None = None,
    until: datetime | None = None,
    alias: Alias = "champion",
    tell: Callable[[str], None] = lambda _line: None,
) -> ScoreResult:
    """Score the rows that are newer than what was scored before, and publish the scores.

    Where nothing was scored before, those newer than what the scoring version learned from.

    Args:
        run_id: Names the call; one that was cut off goes on, and a finished one is told again.
        start: First event time to score, where it is later than what was scored (UTC where it has no zone); an
            earlier one than what was learned from scores those rows too.
        until: First event time not to score.
        alias: Whose scores.
        tell: Given a line of progress at each step.

    Raises:
        PolicyRefusedError: A product upstream does not allow scoring, or not for the model's purpose.
        NotFoundError: The model has no such alias, or a product was never published.
        InputError: model.yaml no longer names what the version learned from.
        BatchRefusedError: The rows break what their sources promise.
        StorageError: A table or MLflow cannot be used.
    """
    started = time.monotonic()
    require_model_rights(mesh, model, "score")
    plan = plan_frame(mesh, model)
    contract = _predictions_contract(model, plan)
    owner = model.domain.owner or mesh.principal
    register_model(mesh.catalog, model)
    start_run(mesh.catalog, product=model.name, kind="score", principal=mesh.principal, run_id=run_id)
    try:
        # A scorer that died between Delta's commit and the catalog's row has scored: the catalog must know of it first.
        register_product(mesh.catalog, contract, domain=model.domain.name, owner=owner)
        location = table_location(mesh.settings, contract.id)
        repair_catalog(mesh, contract.id, location, read_table_state(contract.id, location))
        result = _score_new(
            spark,
            mesh,
            model,
            contract,
            run_id=run_id,
            start=start,
            until=until,
            alias=alias,
            tell=tell,
            started=started,
        )
    except MeshError as error:
        outcome: Literal["refused", "failed"] = "refused" if isinstance(error, RefusedError) else "failed"
        finish_run(mesh.catalog, run_id, outcome=outcome, message=str(error))
        raise
    finish_run(
        mesh.catalog, run_id, outcome="done" if result.outcome == "published" else "unchanged", inputs=result.inputs
    )
    return result


def _score_new(
    spark: SparkSession,
    mesh: Mesh,
    model: ModelSpec,
    contract: Contract,
    *,
    run_id: str,
    start: datetime | None,
    until: datetime | None,
    alias: Alias,
    tell: Callable[[str], None],
    started: float,
) -> ScoreResult:
    publish_id = uuid5(NAMESPACE_URL, f"mesh:score:{run_id}").hex
    versions = read_versions(mesh.catalog, contract.id)
    before = next((record for record in versions if record.run_id == publish_id), None)
    if before is not None:
        return _told(mesh, model, before, run_id=run_id, started=started)
    newest = max((record.event_to for record in versions if record.event_to is not None), default=None)
    if newest is None and start is None:
        newest = _learned_until(mesh, model, alias)
    if newest is not None:
        start = newest + _MOMENT if start is None else max(start, newest + _MOMENT)
    frame = build_frame(spark, mesh, model, start=start, end=until, labelled=False)
    if not _has_rows(mesh, model, frame, start=start, until=until):
        return ScoreResult(
            model=model.name,
            run_id=run_id,
            outcome="unchanged",
            product=contract.id,
            version=versions[-1].version if versions else None,
            rows=0,
            model_version=None,
            event_from=None,
            event_to=newest,
            inputs=frame.inputs,
            seconds=round(time.monotonic() - started, 3),
        )
    registry = open_registry(mesh.settings)
    rollout = open_rollout(mesh.catalog, model.name) if alias == "champion" else None
    if rollout is not None and rollout.action is None:
        publish_split(spark, mesh, model, contract, frame, rollout, registry=registry, run_id=publish_id, tell=tell)
    else:
        _publish_alone(
            spark, mesh, model, contract, frame, registry=registry, alias=alias, run_id=publish_id, tell=tell
        )
    record = next(record for record in read_versions(mesh.catalog, contract.id) if record.run_id == publish_id)
    return _told(mesh, model, record, run_id=run_id, started=started)


def _publish_alone(
    spark: SparkSession,
    mesh: Mesh,
    model: ModelSpec,
    contract: Contract,
    frame: Frame,
    *,
    registry: Registry,
    alias: Alias,
    run_id: str,
    tell: Callable[[str], None],
) -> None:
    """Score with one version and publish."""
    from pyspark.sql import functions as F

    number = read_alias(mesh.catalog, model.name, alias)
    if number is None:
        raise NotFoundError(f"{model.name}: has no {alias} yet. Train one: mesh train {model.name}")
    tell(f"scores with {model.name} v{number} ({alias})")
    scored = add_score(registry.load_pipeline(registry.run_of(model.name, number)), frame.data, score=SCORE)
    publish_frame(
        spark,
        mesh,
        contract,
        scored.withColumn(MODEL_VERSION, F.lit(number).cast("int")),
        owner=model.domain.owner or mesh.principal,
        inputs=frame.inputs,
        run_id=run_id,
    )


def _learned_until(mesh: Mesh, model: ModelSpec, alias: Alias) -> datetime | None:
    """Event time of the newest row that the scoring version learned from or was tested on."""
    number = read_alias(mesh.catalog, model.name, alias)
    learned = {record.version: record.training_version for record in read_model_versions(mesh.catalog, model.name)}
    trained = {record.version: record.event_to for record in read_versions(mesh.catalog, model.training_name)}
    version = learned.get(number) if number is not None else None
    return trained.get(version) if version is not None else None


def _has_rows(mesh: Mesh, model: ModelSpec, frame: Frame, *, start: datetime | None, until: datetime | None) -> bool:
    """Whether any row is to be scored; where the catalog can tell, no job runs."""
    version = frame.inputs[model.target_product]
    ends = [
        record.event_to
        for record in read_versions(mesh.catalog, model.target_product)
        if record.version <= version and record.event_to is not None
    ]
    if start is not None and ends and max(ends) < start:
        return False
    return until is None or newest_time(frame.rows, model.event_time) is not None


def _told(mesh: Mesh, model: ModelSpec, record: VersionRecord, *, run_id: str, started: float) -> ScoreResult:
    scorers = load_profile(mesh, record.product, record.version).columns[MODEL_VERSION].values or {}
    versions = {int(version): rows for version, rows in sorted(scorers.items(), key=lambda pair: int(pair[0]))}
    return ScoreResult(
        model=model.name,
        run_id=run_id,
        outcome="published",
        product=record.product,
        version=record.version,
        rows=record.rows,
        model_version=max(versions, key=lambda version: versions[version], default=None),
        event_from=record.event_from,
        event_to=record.event_to,
        inputs=dict(read_run(mesh.catalog, record.run_id).inputs),
        seconds=round(time.monotonic() - started, 3),
        versions=versions,
        rollout=_rollout_share(mesh, record.run_id),
    )


def _rollout_share(mesh: Mesh, run_id: str) -> RolloutShare | None:
    run = find_rollout_run(mesh.catalog, run_id)
    if run is None:
        return None
    rollout: RolloutRecord = read_rollout(mesh.catalog, run.rollout_id)
    return RolloutShare(
        challenger=rollout.challenger,
        position=run.position,
        share=rollout.plan.steps[run.position],
        failure=run.failure,
    )


def _predictions_contract(model: ModelSpec, plan: FramePlan) -> Contract:
    score = Column(
        name=SCORE,
        logical_type="number",
        spark_type="double",
        required=True,
        description=f"Probability that {model.target} is 1."
        if model.kind == "binary"
        else f"Predicted {model.target}.",
    )
    number = Column(
        name=MODEL_VERSION,
        logical_type="integer",
        spark_type="int",
        required=True,
        description=f"The version of {model.name} that scored the row.",
    )
    return plan.contract(
        model.predictions_name,
        (score, number),
        write_mode="append",
        description=f"Scores by {model.name}, with the features as they were known at each row's time.",
    )

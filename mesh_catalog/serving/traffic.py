"""Scoring while a rollout is open: both versions score every row, and the step says whose score decides.

Readers of `<model>__predictions` see one score a row, and the version that gave it. What both said goes to
`<model>__shadow`, which is written first and counts only where the predictions of its run are there too; so a scorer
that dies in between leaves nothing that counts twice. Where the challenger gives no score, or cannot run at all, the
champion's stands, and the failure is kept for the rollout to ring at.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import NAMESPACE_URL, uuid5

from mesh_catalog.catalog.rollouts import RolloutRun, find_rollout_run, note_rollout_run
from mesh_catalog.catalog.store import utc_now
from mesh_catalog.contracts.contract import Column
from mesh_catalog.contracts.odcs_writing import contract_document
from mesh_catalog.contracts.rules import implied_rules
from mesh_catalog.errors import ConflictError, InputError, MeshError
from mesh_catalog.lake.frames import publish_frame
from mesh_catalog.models.algorithms import add_score
from mesh_catalog.models.frame import MODEL_VERSION, SCORE, Frame, FramePlan
from mesh_catalog.serving.arms import CHALLENGER, CHAMPION, arm_column

if TYPE_CHECKING:
    from pyspark.ml import PipelineModel
    from pyspark.sql import Column as SparkColumn
    from pyspark.sql import DataFrame, SparkSession

    from mesh_catalog.access.mesh import Mesh
    from mesh_catalog.catalog.rollouts import RolloutRecord
    from mesh_catalog.contracts.contract import Contract
    from mesh_catalog.models.registry import Registry
    from mesh_catalog.specs import ModelSpec

__all__ = [
    "ARM",
    "CHALLENGER_SCORE",
    "CHAMPION_SCORE",
    "ROLLOUT",
    "STEP",
    "publish_split",
    "shadow_contract",
    "shadow_run",
]

ROLLOUT, STEP, ARM = "rollout", "step", "arm"
CHAMPION_SCORE, CHALLENGER_SCORE = "champion_score", "challenger_score"
_TIMED_ROWS = 2_000


def shadow_run(run_id: str) -> str:
    """The run that writes a scoring run's rows of `<model>__shadow`."""
    return uuid5(NAMESPACE_URL, f"mesh:shadow:{run_id}").hex


def publish_split(
    spark: SparkSession,
    mesh: Mesh,
    model: ModelSpec,
    contract: Contract,
    frame: Frame,
    rollout: RolloutRecord,
    *,
    registry: Registry,
    run_id: str,
    tell: Callable[[str], None],
) -> None:
    """Score rows as the rollout's step says, and publish `__shadow` and then `__predictions`.

    Args:
        contract: Of the predictions.
        run_id: Of the predictions' version. A run that was cut off goes on in the step that it began in.

    Raises:
        As `publish_frame`, for the predictions; what goes wrong with the challenger is kept, and does not stop them.
    """
    known = find_rollout_run(mesh.catalog, run_id)
    run = known or RolloutRun(rollout_id=rollout.id, run_id=run_id, position=rollout.position, at=utc_now())
    note_rollout_run(mesh.catalog, run)
    share = rollout.plan.steps[run.position]
    champion = registry.load_pipeline(registry.run_of(model.name, rollout.champion))
    alone = add_score(champion, frame.data, score=CHAMPION_SCORE)
    failure = None
    try:
        challenger = registry.load_pipeline(registry.run_of(model.name, rollout.challenger))
        if any(alarm.name == "latency" for alarm in rollout.plan.alarms):
            tell("times both versions")
            run = _timed(run, frame.data, champion, challenger)
            note_rollout_run(mesh.catalog, run)
        both = add_score(challenger, alone, score=CHALLENGER_SCORE)
        split = both.withColumn(ARM, _arm(model, rollout, share)).persist()
        try:
            tell(_sentence(model, rollout, share))
            _publish_shadow(spark, mesh, model, split, frame, rollout, run)
            _publish(spark, mesh, model, contract, _decided(split, rollout), frame, run_id)
        finally:
            split.unpersist()
    except ConflictError:
        raise
    except MeshError as error:
        failure = str(error)
    if failure is not None:
        tell(f"v{rollout.challenger} cannot score; v{rollout.champion} does")
        _publish(spark, mesh, model, contract, _only(alone, rollout.champion), frame, run_id)
        # only now: what fails for the champion as well is not the challenger's fault
        note_rollout_run(mesh.catalog, replace(run, failure=failure[:500]))


def shadow_contract(model: ModelSpec, plan: FramePlan) -> Contract:
    """What `<model>__shadow` promises: the rows' keys and times, and what both versions said.

    Raises:
        InputError: A key has the name of one of its own columns.
    """
    kept = {*plan.key_names, plan.event_time.name}
    extra = tuple(
        Column(name=name, logical_type=logical, spark_type=kind, description=text)
        for name, logical, kind, text in (
            (ROLLOUT, "string", "string", "The rollout's id."),
            (STEP, "integer", "int", "The rollout's step, from 0."),
            (ARM, "string", "string", "Whose score decided, champion or challenger; null where the entity is unknown."),
            ("champion_version", "integer", "int", "The champion's version."),
            (CHAMPION_SCORE, "number", "double", "The champion's score."),
            ("challenger_version", "integer", "int", "The challenger's version."),
            (CHALLENGER_SCORE, "number", "double", "The challenger's score; null where it gave none."),
        )
    )
    for column in extra:
        if column.name in kept:
            raise InputError(f"{model.name}: the key '{column.name}' has a name that rollouts keep. Rename it.")
    contract = plan.contract(
        model.shadow_name,
        (),
        write_mode="append",
        description=f"What champion and challenger of {model.name} scored side by side in its rollouts.",
    )
    # a scorer that died may have left rows that come again, so no key is unique here
    rows = (replace(column, unique=False, primary_key_position=None) for column in contract.columns)
    columns = (*(column for column in rows if column.name in kept), *extra)
    contract = replace(contract, columns=columns, rules=implied_rules(columns), document={})
    return replace(contract, document=contract_document(contract))


def _arm(model: ModelSpec, rollout: RolloutRecord, share: float) -> SparkColumn:
    from pyspark.sql import functions as F

    if 0 < share < 1:
        return arm_column(model.entity, salt=rollout.id, share=share)
    return F.lit(CHALLENGER if share else CHAMPION)


def _decided(split: DataFrame, rollout: RolloutRecord) -> DataFrame:
    """One score a row: its arm's, or the champion's where the challenger gave none."""
    from pyspark.sql import functions as F

    score = F.col(CHALLENGER_SCORE)
    chosen = (F.col(ARM) == CHALLENGER) & score.isNotNull() & ~F.isnan(score)
    chosen = F.coalesce(chosen, F.lit(False))
    return split.select(
        *(F.col(f"`{name}`") for name in split.columns if name not in (ARM, CHAMPION_SCORE, CHALLENGER_SCORE)),
        F.when(chosen, score).otherwise(F.col(CHAMPION_SCORE)).alias(SCORE),
        F.when(chosen, rollout.challenger).otherwise(rollout.champion).cast("int").alias(MODEL_VERSION),
    )


def _only(scored: DataFrame, version: int) -> DataFrame:
    from pyspark.sql import functions as F

    return scored.withColumnRenamed(CHAMPION_SCORE, SCORE).withColumn(MODEL_VERSION, F.lit(version).cast("int"))


def _publish(
    spark: SparkSession,
    mesh: Mesh,
    model: ModelSpec,
    contract: Contract,
    rows: DataFrame,
    frame: Frame,
    run_id: str,
) -> None:
    owner = model.domain.owner or mesh.principal
    publish_frame(spark, mesh, contract, rows, owner=owner, inputs=frame.inputs, run_id=run_id)


def _publish_shadow(
    spark: SparkSession,
    mesh: Mesh,
    model: ModelSpec,
    split: DataFrame,
    frame: Frame,
    rollout: RolloutRecord,
    run: RolloutRun,
) -> None:
    from pyspark.sql import functions as F

    contract = shadow_contract(model, frame.plan)
    told = {
        ROLLOUT: F.lit(rollout.id),
        STEP: F.lit(run.position).cast("int"),
        "champion_version": F.lit(rollout.champion).cast("int"),
        "challenger_version": F.lit(rollout.challenger).cast("int"),
    }
    rows = split.select(*(told[c.name].alias(c.name) if c.name in told else f"`{c.name}`" for c in contract.columns))
    _publish(spark, mesh, model, contract, rows, frame, shadow_run(run.run_id))


def _timed(run: RolloutRun, rows: DataFrame, champion: PipelineModel, challenger: PipelineModel) -> RolloutRun:
    """The run with the seconds that each version takes for the same few rows."""
    sample = rows.limit(_TIMED_ROWS).persist()
    try:
        count = sample.count()
        first, second = _seconds(sample, champion), _seconds(sample, challenger)
    finally:
        sample.unpersist()
    return replace(run, champion_seconds=first, challenger_seconds=second, rows=count)


def _seconds(sample: DataFrame, version: PipelineModel) -> float:
    """Of the second time: the first one pays for start-up."""
    from pyspark.sql import functions as F

    scored = add_score(version, sample, score=SCORE).agg(F.sum(SCORE))
    scored.collect()
    began = time.perf_counter()
    scored.collect()
    return time.perf_counter() - began


def _sentence(model: ModelSpec, rollout: RolloutRecord, share: float) -> str:
    if share == 0:
        return f"scores with {model.name} v{rollout.champion} (champion), v{rollout.challenger} beside it"
    return (
        f"scores with {model.name} v{rollout.champion}, {share * 100:.4g} % of the entities with v{rollout.challenger}"
    )

"""Champion and challenger on the same newest labelled rows: neither has learned from them.

The rows are the test split of the challenger's own training frame: the newest window, held out of its training, and
newer than anything the champion learned.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from time import perf_counter
from typing import TYPE_CHECKING, Any

from mesh_catalog.errors import InputError, NotFoundError, nearest
from mesh_catalog.models.gate import check_fairness, check_slices, check_stability, required_columns

if TYPE_CHECKING:
    from pyspark.ml import PipelineModel
    from pyspark.sql import DataFrame, SparkSession

    from mesh_catalog.access.mesh import Mesh
    from mesh_catalog.catalog.models import ModelVersionRecord
    from mesh_catalog.models.compare import ScoreSample
    from mesh_catalog.specs import GateSpec, ModelSpec

__all__ = ["Comparison", "compare_versions", "needed_share"]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What the gate found."""

    metric: str
    rows: int
    champion_version: int
    challenger_version: int
    champion: float
    challenger: float
    difference: float
    low: float
    high: float
    better_share: float
    """Share of bootstrap samples in which the challenger is better."""
    needed_share: float
    unmet: tuple[str, ...]
    """Promises of the gate beside the metric that the challenger does not keep, as sentences."""
    champion_loss: float | None = None
    """Mean loss on these rows, as the test of losses reads it; None of a comparison from before it was kept."""
    challenger_loss: float | None = None

    @property
    def passes(self) -> bool:
        return self.better_share >= self.needed_share and not self.unmet

    @property
    def sentence(self) -> str:
        told = (
            f"champion v{self.champion_version} {self.metric} {self.champion:.3f}, "
            f"challenger v{self.challenger_version} {self.challenger:.3f} on {self.rows:,} rows; "
            f"difference {self.difference:.3f} [{self.low:.3f}, {self.high:.3f}]: "
            f"better in {self.better_share:.0%} of resamples, {self.needed_share:.0%} needed"
        )
        return "; ".join([told, *self.unmet, "passes" if self.passes else "does not pass"])

    def to_state(self) -> dict[str, Any]:
        return {**asdict(self), "unmet": list(self.unmet)}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Comparison:
        return cls(**{**state, "unmet": tuple(state["unmet"])})


def compare_versions(
    spark: SparkSession,
    mesh: Mesh,
    model: ModelSpec,
    *,
    champion: int,
    challenger: int,
    obliged: bool = False,
    again: bool = False,
) -> Comparison:
    """Score the challenger's test rows with both models and see how sure the difference is.

    Args:
        obliged: The champion must not stay: the challenger need only not be surely worse.
        again: Not its test rows, which it was refused on, but the labelled rows that came since.

    Raises:
        NotFoundError: A version is not in the catalog.
        InputError: The gate names a column that the model's rows do not have.
        GateRefusedError: There are no rows, or they hold one class only.
    """
    from mesh_catalog.models.compare import check_gate, paired_bootstrap
    from mesh_catalog.models.evaluate import row_losses
    from mesh_catalog.models.registry import open_registry

    gate = model.gate
    older, newer = _version(mesh, model, champion), _version(mesh, model, challenger)
    rows = (_later_rows if again else _test_rows)(spark, mesh, model, newer)
    registry = open_registry(mesh.settings)
    pipelines = [registry.load_pipeline(one.mlflow_run_id) for one in (older, newer)]
    sample = _sampled(model, rows, pipelines)
    result = paired_bootstrap(
        sample.labels,
        sample.champion,
        sample.challenger,
        metric=model.metric,
        seed=model.seed,
        margin=0.0 if obliged else gate.margin,
        costs=model.costs,
    )
    unmet = [*check_gate(newer.metrics, gate), *_checked(mesh, model, sample)]
    if gate.latency is not None:
        unmet += _too_slow(rows, pipelines, gate.latency)
    return Comparison(
        metric=model.metric,
        rows=result.rows,
        champion_version=champion,
        challenger_version=challenger,
        champion=result.champion,
        challenger=result.challenger,
        difference=result.difference,
        low=result.low,
        high=result.high,
        better_share=result.better_share,
        needed_share=needed_share(gate, obliged=obliged),
        unmet=tuple(unmet),
        champion_loss=float(row_losses(sample.labels, sample.champion, metric=model.metric).mean()),
        challenger_loss=float(row_losses(sample.labels, sample.challenger, metric=model.metric).mean()),
    )


def needed_share(gate: GateSpec, *, obliged: bool) -> float:
    """Share of resamples in which the challenger must be better; where the champion must not stay, it is enough that
    the challenger is not surely worse."""
    return 1 - gate.beats_champion if obliged else gate.beats_champion


def _test_rows(spark: SparkSession, mesh: Mesh, model: ModelSpec, version: ModelVersionRecord) -> DataFrame:
    """The test split of what a version learned from, with all columns that the gate asks for."""
    from mesh_catalog.access.gate import request_read
    from mesh_catalog.lake.read import read_table

    ticket = request_read(mesh, model.training_name, purpose="train", version=version.training_version)
    return _with_columns(model, read_table(spark, ticket).filter("split = 'test'"))


def _later_rows(spark: SparkSession, mesh: Mesh, model: ModelSpec, version: ModelVersionRecord) -> DataFrame:
    """The labelled rows after the newest one of what a version was made of."""
    from mesh_catalog.catalog.versions import read_versions
    from mesh_catalog.models.frame import build_frame

    frames = read_versions(mesh.catalog, model.training_name)
    ends = next((one.event_to for one in frames if one.version == version.training_version), None)
    if ends is None:
        raise NotFoundError(f"{model.name}: what v{version.version} learned from is not in the catalog.")
    return _with_columns(model, build_frame(spark, mesh, model, start=ends + timedelta.resolution).data)


def _with_columns(model: ModelSpec, rows: DataFrame) -> DataFrame:
    for name, key in required_columns(model.gate.slices, model.gate.fairness).items():
        if name not in rows.columns:
            raise InputError(
                f"{model.name}: gate.{key}: '{name}' is no column of its rows.{nearest(name, rows.columns)}"
            )
    return rows


def _sampled(model: ModelSpec, rows: DataFrame, pipelines: Sequence[PipelineModel]) -> ScoreSample:
    """The scores of champion and challenger, and what the gate looks at beside them."""
    from mesh_catalog.models.algorithms import add_score
    from mesh_catalog.models.compare import sample_scores

    names = ("champion_score", "challenger_score")
    for pipeline, name in zip(pipelines, names, strict=True):
        rows = add_score(pipeline, rows, score=name)
    extra = [*required_columns(model.gate.slices, model.gate.fairness)]
    if model.gate.stability and model.event_time not in extra:
        extra.append(model.event_time)
    return sample_scores(
        rows,
        keys=[*model.entity, model.event_time],
        label=model.target,
        champion=names[0],
        challenger=names[1],
        extra=extra,
    )


def _checked(mesh: Mesh, model: ModelSpec, sample: ScoreSample) -> Iterator[str]:
    from mesh_catalog.models.frame import plan_frame

    gate = model.gate
    if gate.slices is not None:
        shown = {column.name for column in plan_frame(mesh, model).columns if not column.personal}
        yield from check_slices(
            sample, gate.slices, metric=model.metric, seed=model.seed, shown=shown, costs=model.costs
        )
    if gate.fairness is not None:
        if model.kind != "binary":
            raise InputError(f"{model.name}: gate.fairness compares rates, which only a binary model has. Remove it.")
        yield from check_fairness(sample, gate.fairness)
    if gate.stability is not None:
        yield from check_stability(
            sample, gate.stability, metric=model.metric, time=model.event_time, costs=model.costs
        )


def _too_slow(rows: DataFrame, pipelines: Sequence[PipelineModel], limit: float) -> list[str]:
    """Seconds to score the window, the best of three each, in turns, after a first one that warms up."""
    from mesh_catalog.models.algorithms import add_score

    best = [math.inf, math.inf]
    for turn in range(4):
        for place, pipeline in enumerate(pipelines):
            began = perf_counter()
            add_score(pipeline, rows).select("score").write.format("noop").mode("overwrite").save()
            if turn:
                best[place] = min(best[place], perf_counter() - began)
    ratio = best[1] / best[0]
    told = (
        f"scoring takes {best[1]:.2f} s, {ratio:.1f} times the champion's {best[0]:.2f} s; {limit:g} times is allowed"
    )
    return [told] if ratio > limit else []


def _version(mesh: Mesh, model: ModelSpec, version: int) -> ModelVersionRecord:
    from mesh_catalog.catalog.models import read_model_versions

    for record in read_model_versions(mesh.catalog, model.name):
        if record.version == version:
            return record
    raise NotFoundError(f"{model.name}: v{version} is not in the catalog.")

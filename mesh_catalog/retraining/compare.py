"""Champion and challenger on the same newest labelled rows: neither has learned from them.

The rows are the test split of the challenger's own training frame: the newest window, held out of its training, and
newer than anything the champion learned.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from mesh_catalog.errors import NotFoundError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from mesh_catalog.access.mesh import Mesh
    from mesh_catalog.catalog.models import ModelVersionRecord
    from mesh_catalog.specs import ModelSpec

__all__ = ["Comparison", "compare_versions"]


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
    """Promises of `gate.at_least` that the challenger does not keep."""

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
    needed_share: float | None = None,
) -> Comparison:
    """Score the challenger's test rows with both models and see how sure the difference is.

    Raises:
        NotFoundError: A version is not in the catalog.
        GateRefusedError: The rows hold one class only.
    """
    from mesh_catalog.access.gate import request_read
    from mesh_catalog.lake.read import read_table
    from mesh_catalog.models.algorithms import add_score
    from mesh_catalog.models.compare import check_gate, paired_bootstrap, sample_scores
    from mesh_catalog.models.registry import open_registry

    older, newer = _version(mesh, model, champion), _version(mesh, model, challenger)
    ticket = request_read(mesh, model.training_name, purpose="train", version=newer.training_version)
    rows = read_table(spark, ticket).filter("split = 'test'")
    registry = open_registry(mesh.settings)
    scored = add_score(registry.load_pipeline(older.mlflow_run_id), rows, score="champion_score")
    scored = add_score(registry.load_pipeline(newer.mlflow_run_id), scored, score="challenger_score")
    sample = sample_scores(
        scored,
        keys=[*model.entity, model.event_time],
        label=model.target,
        champion="champion_score",
        challenger="challenger_score",
    )
    result = paired_bootstrap(sample.labels, sample.champion, sample.challenger, metric=model.metric, seed=model.seed)
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
        needed_share=model.gate.beats_champion if needed_share is None else needed_share,
        unmet=check_gate(newer.metrics, model.gate),
    )


def _version(mesh: Mesh, model: ModelSpec, version: int) -> ModelVersionRecord:
    from mesh_catalog.catalog.models import read_model_versions

    for record in read_model_versions(mesh.catalog, model.name):
        if record.version == version:
            return record
    raise NotFoundError(f"{model.name}: v{version} is not in the catalog.")

"""Attribution drift: whether the features matter in the order in which they mattered on the training rows.

A feature's attribution is its mean |SHAP| over the rows, on the scale of the log-odds, by Spark. The agreement of the
two orders is NDCG as SageMaker Clarify counts it: the training attributions, summed with the logarithmic discount in
the order of the window's attributions, over the same in their own order.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from mesh_catalog.access.gate import request_read
from mesh_catalog.catalog.verdicts import Measure
from mesh_catalog.monitoring.finding import Finding, Monitor, not_run

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from mesh_catalog.monitoring.window import Window

__all__ = ["ATTRIBUTION", "judge_attribution", "ndcg"]


def ndcg(reference: Mapping[str, float], current: Mapping[str, float]) -> float:
    """SageMaker's agreement of two attributions of the same features, 0..1; 1 where all are 0.

    Equal attributions of the window keep the order of the reference.
    """
    ideal = sorted(reference, key=lambda name: -reference[name])
    found = sorted(ideal, key=lambda name: -current.get(name, 0.0))

    def gain(order: list[str]) -> float:
        return sum(reference[name] / math.log2(place + 2) for place, name in enumerate(order))

    best = gain(ideal)
    return gain(found) / best if best else 1.0


def judge_attribution(window: Window) -> Finding:
    """The agreement, and each feature's attribution now beside that on the training rows.

    Raises:
        StorageError: A table or MLflow cannot be read.

    Cost: a Spark session, and two jobs over about `rows` rows each.
    """
    spec, model, champion = window.spec.attribution, window.model, window.champion
    if spec is None or model is None or champion is None:
        return not_run("attribution is not asked for")
    if window.session is None:
        return not_run(f"attributions need Spark: mesh monitor {window.subject} --kind attribution")
    from mesh_catalog.models.contributions import explain_rows
    from mesh_catalog.models.registry import open_registry

    spark = window.session()
    pipeline = open_registry(window.mesh.settings).load_pipeline(champion.mlflow_run_id)
    past = _training_rows(spark, window)
    now = _window_rows(spark, window)
    rows = now.count()
    if not rows:
        return not_run("the window has no row")
    found = explain_rows(pipeline, past, now, rows=spec.rows, seed=model.seed)
    agreement = ndcg(found.reference, found.current)
    whole = Measure(
        method="NDCG",
        score=agreement,
        threshold=spec.ndcg,
        outcome="fail" if agreement < spec.ndcg else "pass",
        details={"rows": found.rows, "reference_rows": found.reference_rows},
    )
    each = [
        Measure(
            column=name, method="mean |SHAP|", score=found.current[name], outcome="pass", details={"reference": value}
        )
        for name, value in sorted(found.reference.items(), key=lambda item: -item[1])
    ]
    top, before = (
        max(found.current, key=found.current.__getitem__),
        max(found.reference, key=found.reference.__getitem__),
    )
    moved = f"; {top} matters most, it was {before}" if top != before else f"; {top} matters most, as before"
    reason = f"NDCG {agreement:.3f}, at least {spec.ndcg:g} wanted{moved}"
    return Finding(outcome=whole.outcome, reason=reason, measures=(whole, *each))


def _training_rows(spark: SparkSession, window: Window) -> DataFrame:
    from mesh_catalog.lake.read import read_table

    assert window.model is not None and window.champion is not None
    version = window.champion.training_version
    ticket = request_read(window.mesh, window.model.training_name, purpose="monitor", version=version)
    return read_table(spark, ticket).where("split = 'train'")


def _window_rows(spark: SparkSession, window: Window) -> DataFrame:
    from pyspark.sql import functions as F

    from mesh_catalog.lake.read import read_table

    part = window.current
    frame = read_table(spark, request_read(window.mesh, part.product, purpose="monitor", version=part.last))
    if not part.whole and part.begins is not None and part.ends is not None:
        moment = F.col(f"`{window.event_time}`").cast("timestamp")
        frame = frame.where(moment.between(F.lit(part.begins), F.lit(part.ends)))
    return frame


ATTRIBUTION = Monitor(
    kind="attribution",
    title="attribution drift",
    applies=lambda window: window.model is not None and window.spec.attribution is not None,
    reference=lambda window: (window.training,),
    judge=judge_attribution,
    sliced=False,
)

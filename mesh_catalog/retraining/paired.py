"""Challenger against champion on the same rows of a step, once their labels have come: both scored each of them.

The monitors hear each version on its own rows; here every row is its own reference, which tells a worse challenger with
far fewer rows, and in shadow too, where it decides over none.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from mesh_catalog.catalog.versions import latest_version
from mesh_catalog.retraining.alarms import Signal
from mesh_catalog.serving.traffic import CHALLENGER_SCORE, CHAMPION_SCORE, ROLLOUT, STEP

if TYPE_CHECKING:
    from mesh_catalog.access.mesh import Mesh
    from mesh_catalog.catalog.rollouts import RolloutRecord
    from mesh_catalog.specs import ModelSpec

__all__ = ["paired_signal"]

_LEAST_SCORE = 1e-15
"""Scores nearer to 0 or 1 lose no more than this one does."""


def paired_signal(mesh: Mesh, model: ModelSpec, rollout: RolloutRecord) -> Signal | None:
    """Whether the challenger lost more on the step's rows than the champion; None where too few labels have come.

    A one-sided t-test of the rows' differences, by `significance` and `loses` of the model's `performance`; what a row
    loses is a wrong class where the metric is accuracy, the absolute error of a number, else the logarithmic loss.

    Raises:
        StorageError: A table cannot be read.

    Cost: one scan of the step's rows joined with the labels, without a JVM.
    """
    sums = _sums(mesh, model, rollout)
    spec, rows, came = model.monitor.performance, int(sums.get("n") or 0), int(sums.get("came") or 0)
    if came < max(spec.labels_rows, 2) or came < spec.labels_share * rows:
        return None
    champion, challenger = sums["old"] / came, sums["new"] / came
    spread = max(sums["squares"] / came - (challenger - champion) ** 2, 0.0) * came / (came - 1)
    p_value = _p_value(challenger - champion, math.sqrt(spread / came), came - 1)
    rings = p_value < spec.significance and challenger > champion * (1 + spec.loses)
    told = f"it loses {challenger:.4g} a row, the champion {champion:.4g} on the same {came:,} rows (p {p_value:.2g})"
    return Signal(
        alarm="performance",
        state="rings" if rings else "quiet",
        reason=told,
        evidence={"rows": came, "champion": champion, "challenger": challenger, "p_value": p_value},
    )


def _p_value(difference: float, error: float, freedom: int) -> float:
    from scipy import stats  # late: weight

    if not error:
        return 0.0 if difference > 0 else 1.0
    return float(stats.t.sf(difference / error, freedom))


def _sums(mesh: Mesh, model: ModelSpec, rollout: RolloutRecord) -> dict[str, float]:
    """Rows that both scored, those with a label, and sums of both losses and of the squares of their difference."""
    from mesh_catalog.access.gate import request_read  # late: DataFusion
    from mesh_catalog.lake.arrow import query_batches, quoted
    from mesh_catalog.models.frame import plan_frame

    keys = [column.name for column in plan_frame(mesh, model).keys if column.primary_key_position is not None]
    newest = latest_version(mesh.catalog, model.target_product)
    if not keys or newest is None:
        return {}
    asked = [ROLLOUT, STEP, CHAMPION_SCORE, CHALLENGER_SCORE, *keys]
    scored = request_read(mesh, model.shadow_name, purpose="monitor", columns=asked)
    target = request_read(
        mesh, model.target_product, purpose="monitor", version=newest.version, columns=(*keys, model.target)
    )
    names, label = ", ".join(map(quoted, keys)), quoted(model.target)
    match = " and ".join(f"s.{quoted(key)} = l.{quoted(key)}" for key in keys)
    known = "y in (0, 1)" if model.kind == "binary" else "y is not null"
    # distinct: a scorer that died may have left rows that came again
    query = f"""
        select count(*) as n, count(new) as came, sum(old) as old, sum(new) as new,
               sum((new - old) * (new - old)) as squares
        from (select case when {known} then {_loss(model, CHAMPION_SCORE)} end as old,
                     case when {known} then {_loss(model, CHALLENGER_SCORE)} end as new
              from (select distinct {names}, "{CHAMPION_SCORE}", "{CHALLENGER_SCORE}" from scored
                    where "{ROLLOUT}" = '{rollout.id}' and "{STEP}" = {rollout.position}
                    and "{CHAMPION_SCORE}" is not null and "{CHALLENGER_SCORE}" is not null) as s
              left join (select {names}, max(cast({label} as double)) as y from labels
                         where {label} is not null group by {names}) as l on {match})
    """  # noqa: S608 - names that are quoted, an id and a number of ours
    table = query_batches({"scored": scored, "labels": target}, query).read_all()
    return {name: table.column(name)[0].as_py() for name in table.column_names}


def _loss(model: ModelSpec, score: str) -> str:
    value = f'cast("{score}" as double)'
    if model.kind == "regression":
        return f"abs({value} - y)"
    if model.metric == "accuracy":
        return f"case when ({value} >= 0.5) = (y = 1) then 0.0 else 1.0 end"
    within = f"least(greatest({value}, {_LEAST_SCORE}), 1 - {_LEAST_SCORE})"
    return f"case when y = 1 then -ln({within}) else -ln(1 - {within}) end"

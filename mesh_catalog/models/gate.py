"""What a gate asks beyond the metric on all rows: parts of the rows, groups of people, steadiness over the window.

Pure numpy on a sample of scored rows. Each check gives the promises that the challenger does not keep, as sentences; a
value of a column is named only where the caller says that it may be shown.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from mesh_catalog.errors import GateRefusedError
from mesh_catalog.models.compare import ScoreSample, paired_bootstrap
from mesh_catalog.specs import CostSpec, FairnessGate, SliceGate, StabilityGate

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]

__all__ = ["check_fairness", "check_slices", "check_stability", "parts_of", "required_columns"]

_PARTS = 20
"""Most values of a column that are looked at one by one; numbers of more values are cut into quarters."""
_RESAMPLES = 200


def check_slices(
    sample: ScoreSample,
    gate: SliceGate,
    *,
    metric: str,
    seed: int = 0,
    shown: Collection[str] = (),
    costs: CostSpec | None = None,
) -> tuple[str, ...]:
    """Parts in which the challenger is surely worse: the upper end of the difference's 95 % interval is below -drop.

    Parts of fewer rows than `gate.rows`, or of one class only, say nothing.
    """
    found = []
    for column in gate.by:
        for name, mask in parts_of(sample.extra[column]):
            if mask.sum() < gate.rows:
                continue
            try:
                told = paired_bootstrap(
                    sample.labels[mask],
                    sample.champion[mask],
                    sample.challenger[mask],
                    metric=metric,
                    seed=seed,
                    samples=_RESAMPLES,
                    costs=costs,
                )
            except GateRefusedError:
                continue
            if told.high < -gate.drop:
                where = f"{column} = {name}" if column in shown else f"a part of {column}"
                found.append(f"worse in {where}: {metric} {told.challenger:.3f} after {told.champion:.3f}")
    return tuple(found)


def check_fairness(sample: ScoreSample, gate: FairnessGate) -> tuple[str, ...]:
    """Whether the groups' rates at a threshold of 0.5 lie too far apart: lowest / highest below `gate.ratio`."""
    rates = []
    for _, mask in parts_of(sample.extra[gate.by]):
        asked = mask & _asked(sample, gate)
        if asked.sum() >= gate.rows:
            rates.append(float((sample.challenger[asked] >= 0.5).mean()))
    if len(rates) < 2 or max(rates) == 0:
        return ()
    ratio = min(rates) / max(rates)
    if ratio >= gate.ratio:
        return ()
    word = gate.measure.replace("_", " ")
    return (f"{word} differs between {len(rates)} groups of {gate.by}: ratio {ratio:.2f} is below {gate.ratio:g}",)


def check_stability(
    sample: ScoreSample, gate: StabilityGate, *, metric: str, time: str, costs: CostSpec | None = None
) -> tuple[str, ...]:
    """Whether the challenger is at least as good in enough of the window's parts, each of as many rows."""
    import numpy as np  # late: weight

    order = np.argsort(sample.extra[time], kind="stable")
    good = told = 0
    for places in np.array_split(order, gate.of):
        try:
            found = paired_bootstrap(
                sample.labels[places],
                sample.champion[places],
                sample.challenger[places],
                metric=metric,
                samples=1,
                costs=costs,
            )
        except GateRefusedError:
            continue
        told += 1
        good += found.difference >= 0
    if good >= gate.needed:
        return ()
    return (f"as good in {good} of {told} parts of the window that could be measured, {gate.needed} needed",)


def parts_of(values: NDArray[Any]) -> Iterator[tuple[str, Mask]]:
    """The parts of a column: its values, the most frequent first, or quarters of numbers of many values."""
    import numpy as np

    known = np.array([value is not None and value == value for value in values.tolist()], dtype=bool)
    distinct, counts = np.unique(
        values[known].astype(str) if values.dtype == object else values[known], return_counts=True
    )
    if distinct.size > _PARTS and np.issubdtype(distinct.dtype, np.number):
        cuts = np.quantile(values[known].astype(np.float64), [0.25, 0.5, 0.75])
        quarter = np.searchsorted(cuts, np.where(known, values, 0).astype(np.float64), side="left")
        for place in range(4):
            yield f"quarter {place + 1}", known & (quarter == place)
        return
    told = np.array([str(value) for value in values.tolist()])
    for place in np.argsort(-counts, kind="stable")[:_PARTS]:
        name = str(distinct[place].item() if hasattr(distinct[place], "item") else distinct[place])
        yield name, known & (told == name)


def _asked(sample: ScoreSample, gate: FairnessGate) -> Mask:
    """The rows that the measure is a rate of."""
    asked: Mask = sample.labels >= 0
    if gate.measure == "true_positive_rate":
        asked = sample.labels == 1
    elif gate.measure == "false_positive_rate":
        asked = sample.labels == 0
    return asked


def required_columns(slices: SliceGate | None, fairness: FairnessGate | None) -> Mapping[str, str]:
    """Column → the key of `gate` that names it."""
    found = dict.fromkeys(slices.by if slices else (), "slices")
    return found | ({fairness.by: "fairness"} if fairness else {})

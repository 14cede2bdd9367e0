"""Bias: whether a model decides alike for the groups of a facet, by SageMaker Clarify's metrics, with intervals.

Each group is held against everybody else. DPPL is the demographic parity difference (share decided for 1: the others'
less the group's), DI the disparate impact (the group's over the others'). With labels: DPL, the same of the labels; RD
the recall difference, which is the equal opportunity difference; AD of accuracy, SD of specificity, DAR of precision
for 1, DRR of precision for 0. Beyond its limit with the whole interval a metric fails, with the value alone it warns.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mesh_catalog.catalog.inventory import read_version_columns
from mesh_catalog.catalog.verdicts import Measure, Outcome
from mesh_catalog.errors import InputError, nearest
from mesh_catalog.lake.arrow import quoted
from mesh_catalog.monitoring.finding import Finding, Monitor, not_run, worst
from mesh_catalog.monitoring.intervals import difference, ratio
from mesh_catalog.monitoring.rows import LABEL, labelled_rows, scored_rows

if TYPE_CHECKING:
    from mesh_catalog.monitoring.rows import Rows
    from mesh_catalog.monitoring.window import Part, Window
    from mesh_catalog.specs import BiasSpec, FacetSpec

__all__ = ["BIAS", "DEFAULT_LIMITS", "Group", "bias_measures", "judge_bias"]

DEFAULT_LIMITS: Mapping[str, float] = {"DPPL": 0.1, "DI": 0.8, "RD": 0.1, "AD": 0.1}
_MOST_GROUPS = 20


@dataclass(frozen=True, kw_only=True)
class Group:
    """Rows of a group by decision and label; rows without a label count in `rows` and `chosen` alone."""

    rows: float = 0
    chosen: float = 0
    """Decided for 1."""
    hits: float = 0
    """Decided for 1, labelled 1."""
    false_alarms: float = 0
    misses: float = 0
    """Decided for 0, labelled 1."""
    rejections: float = 0
    """Decided for 0, labelled 0."""

    def __add__(self, other: Group) -> Group:
        return Group(**{name: getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__})

    @property
    def shares(self) -> dict[str, tuple[float, float]]:
        """Metric → (number, of how many)."""
        labelled = self.hits + self.false_alarms + self.misses + self.rejections
        ones, zeros = self.hits + self.misses, self.false_alarms + self.rejections
        return {
            "DPPL": (self.chosen, self.rows),
            "DI": (self.chosen, self.rows),
            "DPL": (ones, labelled),
            "AD": (self.hits + self.rejections, labelled),
            "RD": (self.hits, ones),
            "SD": (self.rejections, zeros),
            "DAR": (self.hits, self.hits + self.false_alarms),
            "DRR": (self.rejections, self.rejections + self.misses),
        }


def judge_bias(window: Window) -> Finding:
    """Every metric of every group of every facet.

    Raises:
        StorageError: A table cannot be read.
    """
    spec = window.spec.bias
    measures: list[Measure] = []
    for facet in spec.facets:
        problem = _problem(window, facet)
        if problem is not None:
            measures.append(Measure(column=facet.column, method="bias", outcome="not_run", reason=problem))
            continue
        before = _groups(window, facet, part=window.baseline) if window.baseline else {}
        measures += bias_measures(facet, _groups(window, facet), before, spec)
    judged = [one for one in measures if one.outcome != "not_run"]
    if not judged:
        return not_run(next((one.reason for one in measures if one.reason), "no facet has two groups"), measures)
    bad = [one for one in judged if one.outcome in ("fail", "warn")]
    shown = sorted(bad, key=lambda one: one.outcome)[:3]
    reason = "; ".join(map(_sentence, shown)) or f"{len(judged)} metrics of bias are within their limits"
    return Finding(outcome=worst([one.outcome for one in judged]), reason=reason, measures=tuple(measures))


def bias_measures(
    facet: FacetSpec, groups: Mapping[str, Group], before: Mapping[str, Group], spec: BiasSpec
) -> Iterator[Measure]:
    """The measures of one facet.

    Args:
        groups: The window's groups.
        before: Those of the champion's earlier rows; what they say is kept beside.
    """
    limits = {**DEFAULT_LIMITS, **spec.limits}
    if len(groups) < 2:
        reason = f"{len(groups)} groups in the rows, 2 are needed"
        yield Measure(column=facet.column, method="bias", outcome="not_run", reason=reason)
        return
    total, total_before = sum(groups.values(), Group()), sum(before.values(), Group())
    wanted = [name for name in groups if not facet.groups or name in facet.groups]
    if len(groups) == 2 and not facet.groups:  # the other one says the same with the sign turned
        wanted = sorted(groups, key=lambda name: groups[name].chosen / max(groups[name].rows, 1))[:1]
    for name in facet.groups:
        if name not in groups:
            reason = f"no row of the group {name[:40]} in the window"
            yield Measure(column=facet.column, method="bias", outcome="not_run", reason=reason, details={"group": name})
    for name in wanted:
        group, rest = groups[name], _less(total, groups[name])
        details = {"group": name, "rows": int(group.rows), "other_rows": int(rest.rows)}
        if min(group.rows, rest.rows) < spec.least_rows:
            reason = f"{min(group.rows, rest.rows):g} rows on a side, {spec.least_rows} are needed"
            yield Measure(column=facet.column, method="bias", outcome="not_run", reason=reason, details=details)
            continue
        past = _values(before[name], _less(total_before, before[name])) if name in before else {}
        for metric, (value, low, high) in _values(group, rest).items():
            kept = {**details, "before": past[metric][0]} if metric in past else details
            limit = limits.get(metric)
            yield Measure(
                column=facet.column,
                method=metric,
                score=value,
                threshold=limit,
                low=low,
                high=high,
                outcome=_outcome(metric, value, low, high, limit),
                details=kept,
            )


def _values(group: Group, rest: Group) -> dict[str, tuple[float, float, float]]:
    """Metric → value and interval, as far as both sides have rows for it."""
    found = {}
    theirs = rest.shares
    for metric, (hits, rows) in group.shares.items():
        other_hits, other_rows = theirs[metric]
        if not rows or not other_rows:
            continue
        if metric == "DI":
            if other_hits:
                found[metric] = ((hits / rows) / (other_hits / other_rows), *ratio(hits, rows, other_hits, other_rows))
        elif metric in ("SD", "DRR"):  # Clarify counts these the other way round
            found[metric] = (hits / rows - other_hits / other_rows, *difference(hits, rows, other_hits, other_rows))
        else:
            found[metric] = (other_hits / other_rows - hits / rows, *difference(other_hits, other_rows, hits, rows))
    return found


def _outcome(metric: str, value: float, low: float, high: float, limit: float | None) -> Outcome:
    if limit is None:
        return "pass"
    if metric == "DI":  # within [limit, 1 / limit]
        upper = 1 / limit if limit else math.inf
        beyond, surely = value < limit or value > upper, high < limit or low > upper
    else:
        beyond, surely = abs(value) > limit, low > limit or high < -limit
    return "fail" if surely else "warn" if beyond else "pass"


def _less(total: Group, group: Group) -> Group:
    return Group(**{name: getattr(total, name) - getattr(group, name) for name in group.__dataclass_fields__})


def _problem(window: Window, facet: FacetSpec) -> str | None:
    columns = {
        column.name: column
        for column in read_version_columns(window.mesh.catalog, window.current.product, window.current.last)
    }
    column = columns.get(facet.column)
    if column is None:
        return f"{window.current.product} has no column '{facet.column[:80]}'.{nearest(facet.column, columns)}"
    if column.personal and not facet.groups:
        return "the column is personal: name the groups to look at, so that no value has to be shown"
    return None


def _groups(window: Window, facet: FacetSpec, *, part: Part | None = None) -> dict[str, Group]:
    """Each group's counts; of a facet whose groups are named, everybody else is one more group."""
    try:
        rows, label = labelled_rows(window, ["score", facet.column], part=part), LABEL
    except InputError:
        rows, label = scored_rows(window, ["score", facet.column], part=part), "cast(null as double)"
    return _counted(rows, facet, label, window.spec.bias.cut)


def _counted(rows: Rows, facet: FacetSpec, label: str, cut: float) -> dict[str, Group]:
    value = f"cast({quoted(facet.column)} as varchar)"
    if facet.groups:
        named = ", ".join("'" + name.replace("'", "''") + "'" for name in facet.groups)
        value = f"case when {value} in ({named}) then {value} else '(others)' end"
    cells = rows.select(
        f"{value} as g, cast(score as double) >= {float(cut)!r} as c, {label} as y, count(*) as n",
        rest="where score is not null group by 1, 2, 3",
    ).to_pylist()
    found: dict[str, Group] = {}
    for cell in cells:
        if cell["g"] is not None:
            found[cell["g"]] = found.get(cell["g"], Group()) + _cell(bool(cell["c"]), cell["y"], cell["n"])
    return dict(sorted(found.items(), key=lambda item: -item[1].rows)[:_MOST_GROUPS])


def _cell(chosen: bool, label: float | None, rows: int) -> Group:
    names = {(True, 1.0): "hits", (True, 0.0): "false_alarms", (False, 1.0): "misses", (False, 0.0): "rejections"}
    known = names.get((chosen, label)) if label is not None else None
    return Group(rows=rows, chosen=rows if chosen else 0, **({known: rows} if known else {}))


def _sentence(measure: Measure) -> str:
    interval = "" if measure.low is None or measure.high is None else f" [{measure.low:.2f}, {measure.high:.2f}]"
    return (
        f"{measure.method} {measure.score:.2f}{interval} of {measure.column} {measure.details['group']}, "
        f"limit {measure.threshold:g}"
    )


BIAS = Monitor(
    kind="bias",
    title="bias",
    applies=lambda window: window.model is not None and window.model.kind == "binary" and bool(window.spec.bias.facets),
    reference=lambda window: (window.training, window.baseline_text, window.labels_text),
    judge=judge_bias,
    labelled=True,
)

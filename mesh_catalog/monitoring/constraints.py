"""The six data-quality checks of SageMaker Model Monitor, on a profile instead of on captured rows.

data type, completeness, baseline drift, missing column, extra column, categorical values; and the sign of a number,
which its constraints hold too. Owns what a constraint means and when it is violated; the JSON files are
`sagemaker_files.py`'s. Distances are Deequ's, which Model Monitor runs on: the greatest difference of the cumulative
shares, less 1.8 * sqrt((n + m) / (n m)) where the method is Robust. Pure: profiles in, violations out, and no value of
a row in a description.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from mesh_catalog.lake.distribution import known_counts, pieces
from mesh_catalog.lake.profile import ColumnProfile, Profile
from mesh_catalog.lake.statistics import Aligned, Counts, align, chi_square_p

__all__ = [
    "CheckKind",
    "Constraints",
    "FeatureConstraint",
    "InferredType",
    "MonitoringConfig",
    "Violation",
    "check_constraints",
    "distributions",
    "inferred_type",
    "suggest_constraints",
]

InferredType = Literal["Integral", "Fractional", "String", "Unknown"]
CheckKind = Literal[
    "data_type_check",
    "completeness_check",
    "baseline_drift_check",
    "missing_column_check",
    "extra_column_check",
    "categorical_values_check",
    "non_negative_check",
]

_DOMAIN_LIMIT = 100
"""A domain is suggested for a text of so many values or fewer, if each occurs twice on average."""
_ROBUST = 1.8
_COCHRAN, _YATES, _YATES_SHARE = 10, 5, 0.2
"""Least expected counts of chi-square: of two categories; of more, where a share of them may be below."""


@dataclass(frozen=True, kw_only=True)
class MonitoringConfig:
    """`monitoring_config` of a constraints file, with the defaults that Model Monitor's baselines carry."""

    evaluate: bool = True
    datatype_share: float = 1.0
    """Least share of values of the expected type."""
    domain_share: float = 1.0
    """Least share of values inside the expected domain."""
    compare: bool = True
    drift_limit: float = 0.1
    drift_method: Literal["Simple", "Robust"] = "Robust"
    categorical_limit: float = 0.1
    categorical_method: Literal["LInfinity", "ChiSquared"] = "LInfinity"


@dataclass(frozen=True, kw_only=True)
class FeatureConstraint:
    """What one column promises."""

    name: str
    inferred_type: InferredType
    completeness: float | None = None
    """Least share of rows with a value, 0..1."""
    non_negative: bool = False
    domain: tuple[str, ...] | None = None
    """The only values of a text; None where any is allowed."""
    config: MonitoringConfig | None = None
    """What holds for this column instead of the file's `monitoring_config`."""


@dataclass(frozen=True, kw_only=True)
class Constraints:
    features: tuple[FeatureConstraint, ...]
    config: MonitoringConfig = MonitoringConfig()


@dataclass(frozen=True, kw_only=True)
class Violation:
    """One broken check. `score` is what was measured, `threshold` what was allowed."""

    column: str
    check: CheckKind
    description: str
    score: float | None = None
    threshold: float | None = None


def suggest_constraints(profile: Profile) -> Constraints:
    """Constraints that the rows of a profile keep: what `suggest_baseline` is for Model Monitor.

    Personal columns get a type and a completeness, and never a domain.
    """
    return Constraints(features=tuple(_suggest(name, column) for name, column in profile.columns.items()))


def _suggest(name: str, column: ColumnProfile) -> FeatureConstraint:
    kind = inferred_type(column)
    found = FeatureConstraint(name=name, inferred_type=kind, completeness=_completeness(column))
    if column.withheld:
        return found
    if kind in ("Integral", "Fractional"):
        return replace(found, non_negative=isinstance(column.minimum, int | float) and column.minimum >= 0)
    values = column.values
    if values and len(values) <= _DOMAIN_LIMIT and 2 * len(values) <= column.valid_count:
        return replace(found, domain=tuple(sorted(_text(column, value) for value in values)))
    return found


def inferred_type(column: ColumnProfile) -> InferredType:
    """The type that Model Monitor would infer; it knows texts and two kinds of numbers."""
    types: dict[str, InferredType] = {"integer": "Integral", "float": "Fractional", "other": "Unknown"}
    return types.get(column.kind, "String")


def _completeness(column: ColumnProfile) -> float:
    return 1 - (column.null_count + column.nan_count) / column.count if column.count else 1.0


def _text(column: ColumnProfile, value: str | int) -> str:
    """A value as a constraints file writes it."""
    return ("false", "true")[bool(value)] if column.kind == "boolean" else str(value)


def distributions(profile: Profile) -> dict[str, Counts]:
    """Of each column whose profile tells, how often each value occurs; numbers up to half a percent."""
    found: dict[str, Counts] = {}
    for name, column in profile.columns.items():
        if column.withheld or not column.valid_count:
            continue
        if column.kind in ("string", "boolean"):
            if column.values is not None:
                found[name] = Counts.of({_text(column, value): count for value, count in column.values.items()})
        elif (counts := known_counts(column)) is not None:
            found[name] = counts
        elif (bins := pieces(column)) is not None:
            found[name] = bins.middles
    return found


def check_constraints(
    constraints: Constraints, current: Profile, *, baseline: Mapping[str, Counts] | None = None
) -> tuple[Violation, ...]:
    """Which constraints the rows of a profile break.

    Args:
        baseline: Of each column, the baseline's values and counts (`distributions`, or a `statistics.json`); without
            them nothing is said of drift.

    Returns:
        The violations, in the order of the constraints; extra columns last. None where evaluation is disabled.
    """
    if not constraints.config.evaluate:
        return ()
    found: list[Violation] = []
    now = distributions(current)
    for feature in constraints.features:
        column = current.columns.get(feature.name)
        if column is None:
            found.append(
                _violation(feature.name, "missing_column_check", "The column is missing in the current dataset.")
            )
            continue
        config = feature.config or constraints.config
        found += [broken for check in _CHECKS for broken in check(feature, column, config)]
        if baseline and feature.name in baseline and feature.name in now and config.compare:
            found += _drift(feature.name, baseline[feature.name], now[feature.name], config)
    known = {feature.name for feature in constraints.features}
    found += [
        _violation(name, "extra_column_check", "The column is in no baseline constraint.")
        for name in current.columns
        if name not in known
    ]
    return tuple(found)


def _violation(
    name: str, check: CheckKind, description: str, *, score: float | None = None, threshold: float | None = None
) -> Violation:
    return Violation(column=name, check=check, description=description, score=score, threshold=threshold)


def _data_type(feature: FeatureConstraint, column: ColumnProfile, config: MonitoringConfig) -> Iterator[Violation]:
    if feature.inferred_type == "Unknown" or not column.valid_count:
        return
    share = _type_share(feature.inferred_type, column)
    if share < config.datatype_share:
        yield _violation(
            feature.name,
            "data_type_check",
            f"Data type match requirement is not met. Expected data type: {feature.inferred_type}, expected match: "
            f"{config.datatype_share:.4%}. Observed: only {share:.4%} of the data is {feature.inferred_type}.",
            score=share,
            threshold=config.datatype_share,
        )


def _type_share(expected: InferredType, column: ColumnProfile) -> float:
    """The share of values that can be read as the expected type; a whole number is a fractional one too."""
    found = inferred_type(column)
    if found == expected or expected == "String" or (expected, found) == ("Fractional", "Integral"):
        return float(found == "String" or expected != "String")
    if found != "String" or not column.values or column.withheld:
        return 0.0
    reads: Callable[[str], object] = int if expected == "Integral" else float
    return sum(count for value, count in column.values.items() if _reads(reads, str(value))) / column.valid_count


def _reads(convert: Callable[[str], object], text: str) -> bool:
    try:
        convert(text)
    except ValueError:
        return False
    return True


def _completes(feature: FeatureConstraint, column: ColumnProfile, config: MonitoringConfig) -> Iterator[Violation]:
    share = _completeness(column)
    if feature.completeness is not None and share < feature.completeness:
        yield _violation(
            feature.name,
            "completeness_check",
            f"Completeness requirement is not met. Expected: at least {feature.completeness:.4%}. Observed: "
            f"{share:.4%}.",
            score=share,
            threshold=feature.completeness,
        )


def _sign(feature: FeatureConstraint, column: ColumnProfile, config: MonitoringConfig) -> Iterator[Violation]:
    if feature.non_negative and isinstance(column.minimum, int | float) and column.minimum < 0:
        yield _violation(feature.name, "non_negative_check", "Some values are negative.", threshold=0.0)


def _domain(feature: FeatureConstraint, column: ColumnProfile, config: MonitoringConfig) -> Iterator[Violation]:
    if feature.domain is None or column.withheld or not column.valid_count:
        return
    allowed = set(feature.domain)
    if column.values is None:
        # more values than a profile counts: all of the domain may be there, so the share is not known, but not all are
        share = 0.0 if len(allowed) <= _DOMAIN_LIMIT else 1.0
    else:
        inside = sum(count for value, count in column.values.items() if _text(column, value) in allowed)
        share = inside / column.valid_count
    if share < config.domain_share:
        yield _violation(
            feature.name,
            "categorical_values_check",
            f"Value domain requirement is not met. Expected match: at least {config.domain_share:.4%}. Observed: "
            f"{f'{share:.4%}' if column.values is not None else 'more values than the domain has'}.",
            score=share if column.values is not None else None,
            threshold=config.domain_share,
        )


_CHECKS = (_data_type, _completes, _sign, _domain)


def _drift(name: str, baseline: Counts, current: Counts, config: MonitoringConfig) -> Sequence[Violation]:
    text = baseline.values.dtype == object
    if text != (current.values.dtype == object):
        return ()  # the data type check says it
    limit = config.categorical_limit if text else config.drift_limit
    if text and config.categorical_method == "ChiSquared":
        p_value = _regrouped_p(baseline, current)
        broken = p_value is not None and p_value < limit
        return [_drifted(name, p_value, limit, "p-value", "is below")] if broken and p_value is not None else ()
    distance = _greatest_gap(baseline, current, cumulative=not text)
    if config.drift_method == "Robust":
        n, m = baseline.total, current.total
        distance = max(0.0, distance - _ROBUST * math.sqrt((n + m) / (n * m)))
    return [_drifted(name, distance, limit, "distance", "exceeds")] if distance > limit else ()


def _drifted(name: str, score: float, limit: float, what: str, relation: str) -> Violation:
    text = f"Baseline drift {what}: {score:.6g} {relation} the threshold: {limit:g}."
    return _violation(name, "baseline_drift_check", text, score=score, threshold=limit)


def _greatest_gap(baseline: Counts, current: Counts, *, cumulative: bool) -> float:
    found = align(baseline, current)
    gap = found.reference / found.reference.sum() - found.current / found.current.sum()
    return float(np.abs(np.cumsum(gap) if cumulative else gap).max())


def _regrouped_p(baseline: Counts, current: Counts) -> float | None:
    """Deequ's chi-square p-value; the rarest categories go together until enough is expected of each.

    None where fewer than two are left. Categories that the baseline lacks are left out, as Deequ leaves them out.
    """
    found = align(baseline, current)
    pairs = [[e, o] for e, o in zip(found.reference.tolist(), found.current.tolist(), strict=True) if e]
    observed = sum(pair[1] for pair in pairs)
    scale = observed / sum(pair[0] for pair in pairs)
    while len(pairs) > 1:
        least, allowed = (_COCHRAN, 0) if len(pairs) == 2 else (_YATES, int(_YATES_SHARE * len(pairs)))
        if sum(pair[0] * scale < least for pair in pairs) <= allowed:
            expected, seen = np.array(pairs).T
            return chi_square_p(Aligned(values=np.arange(len(pairs)), reference=expected, current=seen))
        pairs.sort(key=lambda pair: pair[0])
        rarest = pairs.pop(0)
        pairs[0] = [pairs[0][0] + rarest[0], pairs[0][1] + rarest[1]]
    return None

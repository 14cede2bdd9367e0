"""SageMaker Model Monitor's three files: `statistics.json`, `constraints.json`, `constraint_violations.json`.

Out: from a profile and a contract, so that a team's other tools read them as before. In: a team's own constraints and
statistics, as the values that `constraints.py` checks. Read by a schema; unknown keys are let through, as Model
Monitor lets them. Personal columns get counts of rows and nulls, and neither extremes nor values.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mesh_catalog.contracts.contract import Contract
from mesh_catalog.errors import InputError, NotFoundError
from mesh_catalog.lake.profile import ColumnProfile, Profile
from mesh_catalog.lake.statistics import Counts
from mesh_catalog.monitoring.constraints import (
    Constraints,
    FeatureConstraint,
    InferredType,
    MonitoringConfig,
    Violation,
    distributions,
    inferred_type,
    suggest_constraints,
)

__all__ = [
    "constraints_document",
    "contract_constraints",
    "read_constraints",
    "read_statistics",
    "statistics_document",
    "violations_document",
]

_BUCKETS = 10
_SHOWN_VALUES = 100
_LARGEST = 256 * 1024 * 1024
_Switch = Literal["Enabled", "Disabled"]
_Found = TypeVar("_Found", bound=BaseModel)


def statistics_document(profile: Profile) -> dict[str, Any]:
    """`statistics.json` of the rows of a profile: ten buckets a number, and a sketch, as Model Monitor has them.

    An item of a KLL sketch's level n stands for 2^n rows, so a value that occurs 5 times is an item of levels 0 and 2:
    the sketch says what the profile says, and no less.
    """
    found = distributions(profile)
    features = [_statistics(name, column, found.get(name)) for name, column in profile.columns.items()]
    return {"version": 0.0, "dataset": {"item_count": profile.rows}, "features": features}


def _statistics(name: str, column: ColumnProfile, counts: Counts | None) -> dict[str, Any]:
    missing = column.null_count + column.nan_count
    common = {"num_present": column.count - missing, "num_missing": missing}
    kind = inferred_type(column)
    head = {"name": name, "inferred_type": kind}
    if kind == "Unknown":
        return head
    if kind == "String":
        return {**head, "string_statistics": {"common": common, **_string_statistics(counts)}}
    return {**head, "numerical_statistics": {"common": common, **_number_statistics(column, counts)}}


def _string_statistics(counts: Counts | None) -> dict[str, Any]:
    if counts is None:
        return {}
    order = sorted(zip(counts.values.tolist(), counts.counts.tolist(), strict=True), key=lambda one: (-one[1], one[0]))
    buckets = [{"value": value, "count": count} for value, count in order[:_SHOWN_VALUES]]
    return {"distinct_count": len(counts), "distribution": {"categorical": {"buckets": buckets}}}


def _number_statistics(column: ColumnProfile, counts: Counts | None) -> dict[str, Any]:
    if counts is None or not isinstance(column.minimum, int | float) or not isinstance(column.maximum, int | float):
        return {}
    low, high = float(column.minimum), float(column.maximum)
    edges = np.linspace(low, high, _BUCKETS + 1) if high > low else np.array([low, high])
    within = np.histogram(np.clip(counts.values.astype(float), low, high), bins=edges, weights=counts.counts)[0]
    buckets = [
        {"lower_bound": float(start), "upper_bound": float(end), "count": float(count)}
        for start, end, count in zip(edges[:-1], edges[1:], within, strict=True)
    ]
    return {
        "mean": column.mean,
        "sum": column.total,
        "std_dev": column.deviation,
        "min": low,
        "max": high,
        "distribution": {"kll": {"buckets": buckets, "sketch": _sketch(counts)}},
    }


def _sketch(counts: Counts) -> dict[str, Any]:
    levels = range(int(counts.counts.max()).bit_length())
    values = counts.values.astype(float)
    data = [values[(counts.counts >> level) & 1 == 1].tolist() for level in levels]
    return {"parameters": {"c": 0.64, "k": 2048.0}, "data": data}


def contract_constraints(profile: Profile, contract: Contract | None) -> Constraints:
    """What the rows keep, made as strict or as loose as the contract says: required, valid values, minimum."""
    found = suggest_constraints(profile)
    if contract is None:
        return found
    return Constraints(features=tuple(_promised(feature, contract) for feature in found.features), config=found.config)


def _promised(feature: FeatureConstraint, contract: Contract) -> FeatureConstraint:
    column = contract.column(feature.name)
    rules = [rule for rule in contract.rules if rule.column == feature.name and rule.threshold is None]
    if column is not None and (column.required or any(rule.kind == "required" for rule in rules)):
        feature = replace(feature, completeness=1.0)
    for rule in rules:
        if rule.kind == "valid_values" and feature.inferred_type == "String" and not (column and column.personal):
            feature = replace(feature, domain=tuple(map(str, rule.argument)))
        if rule.kind in ("minimum", "exclusive_minimum") and isinstance(rule.argument, int | float):
            feature = replace(feature, non_negative=feature.non_negative and rule.argument >= 0)
    return feature


def constraints_document(constraints: Constraints) -> dict[str, Any]:
    """`constraints.json`."""
    return {
        "version": 0.0,
        "features": [_feature_document(feature) for feature in constraints.features],
        "monitoring_config": _config_document(constraints.config),
    }


def _feature_document(feature: FeatureConstraint) -> dict[str, Any]:
    found: dict[str, Any] = {"name": feature.name, "inferred_type": feature.inferred_type}
    if feature.completeness is not None:
        found["completeness"] = feature.completeness
    if feature.inferred_type in ("Integral", "Fractional"):
        found["num_constraints"] = {"is_non_negative": feature.non_negative}
    if feature.domain is not None:
        found["string_constraints"] = {"domains": list(feature.domain)}
    if feature.config is not None:
        found["monitoringConfigOverrides"] = _config_document(feature.config)
    return found


def _config_document(config: MonitoringConfig) -> dict[str, Any]:
    switch = {True: "Enabled", False: "Disabled"}
    return {
        "evaluate_constraints": switch[config.evaluate],
        "emit_metrics": "Enabled",
        "datatype_check_threshold": config.datatype_share,
        "domain_content_threshold": config.domain_share,
        "distribution_constraints": {
            "perform_comparison": switch[config.compare],
            "comparison_threshold": config.drift_limit,
            "comparison_method": config.drift_method,
            "categorical_comparison_threshold": config.categorical_limit,
            "categorical_drift_method": config.categorical_method,
        },
    }


def violations_document(violations: Sequence[Violation]) -> dict[str, Any]:
    """`constraint_violations.json`."""
    return {
        "violations": [
            {"feature_name": one.column, "constraint_check_type": one.check, "description": one.description}
            for one in violations
        ]
    }


class _Model(BaseModel):
    model_config = ConfigDict(extra="ignore")


class _Distribution(_Model):
    perform_comparison: _Switch = "Enabled"
    comparison_threshold: float = Field(default=0.1, ge=0, allow_inf_nan=False)
    comparison_method: Literal["Simple", "Robust"] = "Robust"
    categorical_comparison_threshold: float = Field(default=0.1, ge=0, allow_inf_nan=False)
    categorical_drift_method: Literal["LInfinity", "ChiSquared"] = "LInfinity"


class _Config(_Model):
    evaluate_constraints: _Switch = "Enabled"
    datatype_check_threshold: float = Field(default=1.0, ge=0, le=1)
    domain_content_threshold: float = Field(default=1.0, ge=0, le=1)
    distribution_constraints: _Distribution = _Distribution()

    def value(self) -> MonitoringConfig:
        drift = self.distribution_constraints
        return MonitoringConfig(
            evaluate=self.evaluate_constraints == "Enabled",
            datatype_share=self.datatype_check_threshold,
            domain_share=self.domain_content_threshold,
            compare=drift.perform_comparison == "Enabled",
            drift_limit=drift.comparison_threshold,
            drift_method=drift.comparison_method,
            categorical_limit=drift.categorical_comparison_threshold,
            categorical_method=drift.categorical_drift_method,
        )


class _Numbers(_Model):
    is_non_negative: bool = False


class _Strings(_Model):
    domains: list[str] | None = Field(default=None, max_length=100_000)


class _Feature(_Model):
    name: str = Field(min_length=1, max_length=500)
    inferred_type: InferredType
    completeness: float | None = Field(default=None, ge=0, le=1)
    num_constraints: _Numbers | None = None
    string_constraints: _Strings | None = None
    overrides: dict[str, Any] | None = Field(default=None, alias="monitoringConfigOverrides")


class _Constraints(_Model):
    features: list[_Feature] = Field(max_length=100_000)
    monitoring_config: _Config = _Config()


def read_constraints(path: Path) -> Constraints:
    """A team's `constraints.json`.

    Raises:
        NotFoundError: There is no such file.
        InputError: It does not follow Model Monitor's schema; the message names the place.
    """
    found = _read(path, _Constraints)
    return Constraints(
        features=tuple(_feature(path, feature, found.monitoring_config) for feature in found.features),
        config=found.monitoring_config.value(),
    )


def _feature(path: Path, feature: _Feature, config: _Config) -> FeatureConstraint:
    domains = feature.string_constraints.domains if feature.string_constraints is not None else None
    own = None
    if feature.overrides:
        try:
            own = _Config.model_validate(_merged(config.model_dump(), feature.overrides)).value()
        except ValidationError as error:
            raise _invalid(path, error, f"{feature.name[:40]}.monitoringConfigOverrides") from error
    return FeatureConstraint(
        name=feature.name,
        inferred_type=feature.inferred_type,
        completeness=feature.completeness,
        non_negative=feature.num_constraints is not None and feature.num_constraints.is_non_negative,
        domain=tuple(domains) if domains is not None else None,
        config=own,
    )


def _merged(general: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    nested = {
        key: _merged(general[key], value)
        for key, value in own.items()
        if isinstance(value, Mapping) and isinstance(general.get(key), Mapping)
    }
    return {**general, **own, **nested}


class _Sketch(_Model):
    data: list[list[float]] = Field(default_factory=list, max_length=62)


class _Kll(_Model):
    sketch: _Sketch | None = None


class _Value(_Model):
    value: str
    count: float = Field(ge=0, allow_inf_nan=False)


class _Categories(_Model):
    buckets: list[_Value] = Field(default_factory=list)


class _NumberSpread(_Model):
    kll: _Kll | None = None


class _TextSpread(_Model):
    categorical: _Categories | None = None


class _NumberStatistics(_Model):
    distribution: _NumberSpread | None = None


class _TextStatistics(_Model):
    distribution: _TextSpread | None = None


class _FeatureStatistics(_Model):
    name: str = Field(min_length=1, max_length=500)
    numerical_statistics: _NumberStatistics | None = None
    string_statistics: _TextStatistics | None = None


class _Statistics(_Model):
    features: list[_FeatureStatistics] = Field(max_length=100_000)


def read_statistics(path: Path) -> dict[str, Counts]:
    """A team's `statistics.json`, as the baseline that `check_constraints` compares with.

    A number comes from its KLL sketch, where an item of level n stands for 2^n rows. Columns without a sketch or values
    are left out: ten buckets alone do not tell a distance.

    Raises:
        NotFoundError: There is no such file.
        InputError: It does not follow Model Monitor's schema; the message names the place.
    """
    found = {feature.name: _baseline(feature) for feature in _read(path, _Statistics).features}
    return {name: counts for name, counts in found.items() if counts is not None and len(counts)}


def _baseline(feature: _FeatureStatistics) -> Counts | None:
    texts, numbers = feature.string_statistics, feature.numerical_statistics
    if texts is not None and texts.distribution is not None and texts.distribution.categorical is not None:
        return Counts.of({one.value: round(one.count) for one in texts.distribution.categorical.buckets})
    if numbers is None or numbers.distribution is None or numbers.distribution.kll is None:
        return None
    sketch = numbers.distribution.kll.sketch
    if sketch is None:
        return None
    pairs = [(value, 2**level) for level, items in enumerate(sketch.data) for value in items]
    kept = [(value, count) for value, count in pairs if math.isfinite(value)]
    return Counts.summed(np.array([value for value, _ in kept], dtype=float), np.array([n for _, n in kept], dtype=int))


def _read(path: Path, schema: type[_Found]) -> _Found:
    if not path.is_file():
        raise NotFoundError(f"{path}: there is no such file. Name the file that Model Monitor's baseline job wrote.")
    if path.stat().st_size > _LARGEST:
        raise InputError(f"{path}: is over {_LARGEST // 2**20} MiB, so no file of Model Monitor's.")
    try:
        return schema.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        raise _invalid(path, error) from error
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: is not JSON. Name the file that Model Monitor's baseline job wrote.") from error


def _invalid(path: Path, error: ValidationError, prefix: str = "") -> InputError:
    first = error.errors(include_input=False)[0]
    place = ".".join(filter(None, [prefix, *map(str, first["loc"])]))
    return InputError(f"{path}: {place[:120]}: {first['msg'].rstrip('.')}. See Model Monitor's schema.")

"""model.yaml: a goal, a target, features, and how the model is split, trained, gated, watched and retrained."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from mesh_catalog.documents import read_document
from mesh_catalog.specs import (
    ALGORITHMS,
    EXPECTED_COST,
    METRICS,
    CostSpec,
    DomainSpec,
    FeatureRef,
    ModelKind,
    ModelSpec,
    SplitSpec,
    split_name,
)
from mesh_catalog.workspace.gate_section import read_approval, read_gate, read_touches
from mesh_catalog.workspace.monitor_section import MODEL_KEYS, read_monitor
from mesh_catalog.workspace.retrain_section import read_retrain, read_tune
from mesh_catalog.workspace.rollout_section import read_rollout
from mesh_catalog.workspace.section import Section

__all__ = ["read_model_file"]

_KEYS: Final = (
    "model",
    "goal",
    "decides",
    "purpose",
    "kind",
    "target",
    "features",
    "entity",
    "event_time",
    "split",
    "algorithm",
    "metric",
    "costs",
    "gate",
    "monitor",
    "retrain",
    "rollout",
    "tune",
    "approval",
    "touches",
    "seed",
)
_LEAST_COST: Final = 1e-9
_PARAMETER: Final = re.compile(r"[a-z][a-z0-9_]{0,62}")


def read_model_file(path: Path, domain: DomainSpec) -> ModelSpec:
    """Read a model.yaml.

    Raises:
        DocumentError: An unknown key, a missing one, or a value that is not allowed.
    """
    section = Section(read_document(path), _KEYS)
    name = f"{domain.name}.{path.parent.name}"
    if (written := section.text("model")) != name:
        raise section.error(f"model is '{written[:80]}', but its folder says '{name}'. Write {name}.", "model")
    kind = _kind(section)
    product, target = _target(section)
    costs = _costs(section, kind)
    metrics = (*METRICS[kind], EXPECTED_COST) if costs is not None else METRICS[kind]
    algorithm, parameters = _algorithm(section, ALGORITHMS[kind])
    return ModelSpec(
        name=name,
        domain=domain,
        folder=path.parent,
        goal=section.text("goal"),
        decides=section.optional_text("decides"),
        kind=kind,
        target_product=product,
        target=target,
        features=_features(section),
        entity=section.names("entity"),
        event_time=section.text("event_time"),
        split=_split(section),
        algorithm=algorithm,
        parameters=parameters,
        metric=section.choice("metric", metrics),
        costs=costs,
        seed=_whole(section, "seed"),
        gate=read_gate(section, metrics),
        monitor=read_monitor(section.section("monitor", MODEL_KEYS)),
        retrain=read_retrain(section),
        rollout=read_rollout(section),
        tune=read_tune(section),
        approval=read_approval(section),
        touches=read_touches(section),
        purposes=section.names("purpose"),
        path=path,
    )


def _kind(section: Section) -> ModelKind:
    if str(section.data.get("kind")).startswith("multi"):
        raise section.error(
            "a model tells two classes apart (kind: binary) or predicts a number (kind: regression). Of several classes"
            " write a binary model for each, its target a column that is 1 for it, else 0: the highest score decides.",
            "kind",
        )
    return section.choice("kind", tuple(METRICS))  # type: ignore[return-value]


def _target(section: Section) -> tuple[str, str]:
    text = section.text("target")
    product, _, column = text.rpartition(".")
    try:
        split_name(product)
    except ValueError as error:
        raise section.error(f"target '{text[:80]}' must be domain.product.column.", "target") from error
    return product, column


def _features(section: Section) -> tuple[FeatureRef, ...]:
    found = []
    for index, text in enumerate(section.names("features")):
        parts = text.split(".")
        try:
            if len(parts) not in (2, 3) or not all(parts):
                raise ValueError(text)
            split_name(".".join(parts[:2]))
        except ValueError as error:
            raise section.error(
                f"the feature '{text[:80]}' must be domain.product or domain.product.column.", "features", index
            ) from error
        found.append(FeatureRef(product=".".join(parts[:2]), column=parts[2] if len(parts) == 3 else None))
    if not found:
        raise section.error(
            "'features' is missing. Add at least one, domain.product or domain.product.column.", "features"
        )
    return tuple(found)


def _split(section: Section) -> SplitSpec:
    split = section.section("split", ("by", "test", "gap", "train"))
    split.choice("by", ("time",), default="time")
    test, train = split.duration("test"), split.duration("train")
    if not test:
        raise split.error("split needs the length of the test window, for example test: 7d.")
    if train is not None and not train:
        raise split.error("train must be longer than nothing.", "train")
    return SplitSpec(test=test, gap=split.duration("gap") or timedelta(0), train=train)


def _costs(section: Section, kind: ModelKind) -> CostSpec | None:
    if "costs" not in section:
        if section.data.get("metric") == EXPECTED_COST:
            raise section.error(
                f"{EXPECTED_COST} needs what wrong decisions cost: costs: {{false_negative: 120, false_positive: 3}}",
                "metric",
            )
        return None
    if kind != "binary":
        raise section.error("costs are of wrong decisions, which only a binary model makes. Remove them.", "costs")
    costs = section.section("costs", ("false_negative", "false_positive"))
    for key in ("false_negative", "false_positive"):
        if key not in costs:
            raise costs.error(f"'{key}' is missing: what one costs, in the same currency as the other. Add it.")
    missed, alarmed = (
        costs.number(key, least=_LEAST_COST, most=1 / _LEAST_COST, default=1)
        for key in ("false_negative", "false_positive")
    )
    return CostSpec(false_negative=missed, false_positive=alarmed)


def _algorithm(section: Section, known: Sequence[str]) -> tuple[str, dict[str, Any]]:
    value = section.data.get("algorithm")
    if isinstance(value, str):
        return section.choice("algorithm", known), {}
    if not isinstance(value, dict):
        raise section.error(
            "'algorithm' must be a name or a mapping, for example {name: xgboost, max_depth: 6}.", "algorithm"
        )
    inner = Section(section.document, tuple(value), place=("algorithm",), data=value)
    name = inner.choice("name", known)
    parameters = {key: one for key, one in value.items() if key != "name"}
    for key, one in parameters.items():
        if not _PARAMETER.fullmatch(key) or isinstance(one, bool) or not isinstance(one, int | float):
            raise inner.error(f"the parameter '{key[:40]}' must be a number.", key)
    return name, parameters


def _whole(section: Section, key: str) -> int:
    value = section.number(key, least=0, most=2**31 - 1, default=0)
    if value != int(value):
        raise section.error(f"'{key}' must be a whole number.", key)
    return int(value)

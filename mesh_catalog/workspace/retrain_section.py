"""The parts of model.yaml that say when a model is trained again: `retrain`, and what a search may try: `tune`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final, get_args

from mesh_catalog.errors import nearest
from mesh_catalog.specs import BudgetSpec, KpiTrigger, RetrainSpec, TriggerKind, TuneSpec, split_name
from mesh_catalog.workspace.section import PERCENT, Section

__all__ = ["read_retrain", "read_tune"]

_KEYS: Final = (
    "on",
    "debounce",
    "cooldown",
    "budget",
    "window",
    "since_rows",
    "every",
    "new_data",
    "kpi",
    "patience",
    "wins_back",
)
_WORDS: Final = tuple(kind for kind in get_args(TriggerKind) if kind != "hand")
_NEEDS: Final[Mapping[str, tuple[str, str]]] = {
    "schedule": ("every", "every: 30d"),
    "new_data": ("new_data", "new_data: {rows: 10000}"),
    "kpi": ("kpi", "kpi: {name: shop.conversion, falls: 10%}"),
}
"""Trigger → the key that it cannot do without, and how that is written."""
_DEBOUNCE: Final = re.compile(r"\s*(\d{1,3})\s+of\s+(\d{1,3})\s*")
_BUDGET: Final = re.compile(r"\s*(\d{1,4})\s+(?:per|a)\s+(day|week|month|year)\s*")
_PARAMETER: Final = re.compile(r"[a-z][a-z0-9_]{0,62}")
_WINDOWS: Final = ("as_split", "all", "since_drift")


def read_retrain(model: Section) -> RetrainSpec:
    """When a model is trained again.

    Raises:
        DocumentError: A trigger that is not known or lacks its key, or a value that is not allowed.
    """
    section = model.section("retrain", _KEYS)
    default = RetrainSpec()
    on = _on(section)
    needed, of = k_of_n(section, "debounce") or (1, 1)
    rows, versions = _new_data(section)
    cooldown, cooldown_share = _cooldown(section)
    every = section.duration("every")
    if every is not None and not every:
        raise section.error("every must be longer than nothing.", "every")
    return RetrainSpec(
        on=on or default.on,
        needed=needed,
        of=of,
        cooldown=cooldown,
        cooldown_share=cooldown_share,
        budget=_budget(section),
        window=_window(section),
        since_rows=_since_rows(section),
        every=every,
        new_rows=rows,
        new_versions=versions,
        kpi=_kpi(section) if "kpi" in section else None,
        patience=whole_number(section, "patience", least=1, most=100, default=default.patience),
        wins_back=ratio(section, "wins_back", most=1.0) or default.wins_back,
    )


def read_tune(model: Section) -> TuneSpec:
    """What a search may try; whether the algorithm has these parameters is seen when it is asked for."""
    section = model.section("tune", ("trials", "parameters"))
    written = section.data.get("parameters")
    ranges = section.section("parameters", tuple(written) if isinstance(written, dict) else ())
    found = {}
    for name, value in ranges.data.items():
        pair = isinstance(value, list) and len(value) == 2 and all(_is_number(one) for one in value)
        if not _PARAMETER.fullmatch(str(name)) or not pair or not value[0] < value[1]:
            raise ranges.error(f"'{str(name)[:40]}' must be a parameter's [from, to], for example [3, 8].", name)
        found[name] = (float(value[0]), float(value[1]))
    return TuneSpec(
        trials=whole_number(section, "trials", least=1, most=1000, default=TuneSpec().trials), parameters=found
    )


def k_of_n(section: Section, key: str) -> tuple[int, int] | None:
    """`2 of 3`; None where the key is absent."""
    if key not in section:
        return None
    text = str(section.data[key])
    match = _DEBOUNCE.fullmatch(text)
    needed, of = (int(match[1]), int(match[2])) if match else (0, 0)
    if not 1 <= needed <= of:
        raise section.error(f"{key} '{text[:40]}' must read like 2 of 3.", key)
    return needed, of


def ratio(section: Section, key: str, *, most: float = 10.0) -> float | None:
    """`10%` or `0.1`, above 0; None where the key is absent."""
    value = section.data.get(key)
    if value is None:
        return None
    match = PERCENT.fullmatch(value) if isinstance(value, str) else None
    found = float(match[1]) / 100 if match else value
    if not _is_number(found) or not 0 < found <= most:
        raise section.error(f"'{key}' must be a share such as 10% or 0.1.", key)
    return float(found)


def whole_number(section: Section, key: str, *, least: int, most: int, default: int) -> int:
    value = section.number(key, least=least, most=most, default=default)
    if value != int(value):
        raise section.error(f"'{key}' must be a whole number.", key)
    return int(value)


def _on(section: Section) -> tuple[TriggerKind, ...]:
    found: list[Any] = []
    for index, word in enumerate(section.names("on")):
        if word == "hand":
            raise section.error("'hand' is always heard: mesh retrain --force. Leave it out.", "on", index)
        if word not in _WORDS:
            raise section.error(f"retraining on '{word[:40]}' is not known.{nearest(word, _WORDS)}", "on", index)
        if word in _NEEDS and _NEEDS[word][0] not in section:
            key, example = _NEEDS[word]
            raise section.error(f"retraining on {word} needs '{key}', for example {example}.", "on", index)
        found.append(word)
    for word, (key, _) in _NEEDS.items():
        if key in section and word not in found:
            raise section.error(f"'{key}' is set, but 'on' does not name {word}. Add it, or remove '{key}'.", key)
    return tuple(found)


def _cooldown(section: Section) -> tuple[timedelta, float | None]:
    """`3d`, or `45%` of what the champion learned from."""
    value = section.data.get("cooldown")
    if isinstance(value, str) and PERCENT.fullmatch(value):
        return timedelta(0), ratio(section, "cooldown")
    try:
        return section.duration("cooldown") or timedelta(0), None
    except ValueError as error:
        raise section.error(
            f"cooldown '{str(value)[:40]}' must be a length such as 3d, or a share of what the champion learned from "
            "such as 45%.",
            "cooldown",
        ) from error


def _since_rows(section: Section) -> int:
    if "since_rows" in section and section.data.get("window") != "since_drift":
        raise section.error("'since_rows' is of window: since_drift. Write that, or remove 'since_rows'.", "since_rows")
    return whole_number(section, "since_rows", least=1, most=10**12, default=1) if "since_rows" in section else 0


def _budget(section: Section) -> BudgetSpec | None:
    if "budget" not in section:
        return None
    text = str(section.data["budget"])
    match = _BUDGET.fullmatch(text)
    if match is None or int(match[1]) < 1:
        raise section.error(f"budget '{text[:40]}' must read like 4 per month.", "budget")
    return BudgetSpec(trainings=int(match[1]), per=match[2])  # type: ignore[arg-type]


def _window(section: Section) -> Any:
    text = str(section.data.get("window") or "as_split")
    if text in _WINDOWS:
        return text
    try:
        found = section.duration("window")
    except ValueError as error:
        raise section.error(
            f"window '{text[:40]}' must be all, since_drift, as_split or a length such as 28d.", "window"
        ) from error
    if not found:
        raise section.error("window must be longer than nothing.", "window")
    return found


def _new_data(section: Section) -> tuple[int | None, int | None]:
    inner = section.section("new_data", ("rows", "versions"))
    if "new_data" in section and not inner.data:
        raise section.error("new_data needs rows or versions, for example new_data: {rows: 10000}.", "new_data")
    found = (
        whole_number(inner, key, least=1, most=10**12, default=1) if key in inner else None
        for key in ("rows", "versions")
    )
    rows, versions = found
    return rows, versions


def _kpi(section: Section) -> KpiTrigger:
    inner = section.section("kpi", ("name", "falls", "rises", "periods"))
    name = inner.text("name")
    try:
        split_name(name)
    except ValueError as error:
        raise inner.error(f"'{name[:80]}' is not a KPI's name. Write domain.kpi.", "name") from error
    falls, rises = ratio(inner, "falls"), ratio(inner, "rises")
    if falls is not None and rises is not None:
        raise inner.error("a KPI either falls or rises. Keep one of them.", "rises")
    return KpiTrigger(
        name=name,
        change=-falls if falls is not None else rises,
        periods=whole_number(inner, "periods", least=1, most=1000, default=KpiTrigger(name=name).periods),
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)

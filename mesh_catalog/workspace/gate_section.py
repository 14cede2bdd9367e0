"""The parts of model.yaml that say who may become champion: `gate`, `approval`, `touches`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal

from mesh_catalog.errors import listed
from mesh_catalog.specs import LESS_IS_BETTER, FairnessGate, GateSpec, SliceGate, StabilityGate
from mesh_catalog.workspace.retrain_section import k_of_n, ratio, whole_number
from mesh_catalog.workspace.section import Section

__all__ = ["read_approval", "read_gate", "read_limits", "read_touches"]

_KEYS: Final = ("beats_champion", "margin", "at_least", "at_most", "slices", "fairness", "latency", "stability")
_MOST: Final = 1e300
_TOUCHES: Final = ("health", "credit", "fraud", "rights")
_MEASURES: Final = ("selection_rate", "true_positive_rate", "false_positive_rate")


def read_gate(model: Section, metrics: Sequence[str]) -> GateSpec:
    """What a challenger must show.

    Args:
        metrics: Those that the model may be judged by.

    Raises:
        DocumentError: A key, a metric or a number that is not allowed.
    """
    gate = model.section("gate", _KEYS)
    default = GateSpec()
    stability = k_of_n(gate, "stability")
    if stability is not None and not 2 <= stability[1] <= 50:
        raise gate.error("stability needs 2 to 50 parts, for example 2 of 3.", "stability")
    return GateSpec(
        beats_champion=gate.number("beats_champion", least=0, most=1, default=default.beats_champion),
        margin=gate.number("margin", least=0, most=1000, default=default.margin),
        at_least=read_limits(gate, "at_least", metrics),
        at_most=read_limits(gate, "at_most", metrics),
        slices=_slices(gate) if "slices" in gate else None,
        fairness=_fairness(gate) if "fairness" in gate else None,
        latency=gate.number("latency", least=0.1, most=1000, default=1) if "latency" in gate else None,
        stability=StabilityGate(needed=stability[0], of=stability[1]) if stability else None,
    )


def read_approval(model: Section) -> Any:
    """person, automatic, or None where nothing is said."""
    return model.choice("approval", ("person", "automatic")) if "approval" in model else None


def read_touches(model: Section) -> tuple[Any, ...]:
    found = model.names("touches")
    for index, word in enumerate(found):
        if word not in _TOUCHES:
            raise model.error(f"touches '{word[:40]}' is not known. Allowed: {listed(_TOUCHES)}.", "touches", index)
    return found


def read_limits(parent: Section, key: Literal["at_least", "at_most"], metrics: Sequence[str]) -> dict[str, float]:
    """A number for each metric; all but errors and losses, which have the target's unit, are at most 1.

    Raises:
        DocumentError: A metric that is not known, or that is better the other way round.
    """
    section = parent.section(key, metrics)
    for name in section.data:
        if (name in LESS_IS_BETTER) == (key == "at_least"):
            less, other = ("less", "at_most") if key == "at_least" else ("more", "at_least")
            raise section.error(f"of '{name}' {less} is better. Write it under {other}.", name)
    return {
        name: section.number(
            name, least=-_MOST if name == "r2" else 0, most=_MOST if name in LESS_IS_BETTER else 1, default=0
        )
        for name in section.data
    }


def _slices(gate: Section) -> SliceGate:
    if isinstance(gate.data["slices"], list | str):
        return SliceGate(by=gate.names("slices"))
    inner = gate.section("slices", ("by", "drop", "rows"))
    by = inner.names("by")
    if not by:
        raise inner.error("slices needs 'by', for example slices: {by: [channel]}.")
    default = SliceGate(by=by)
    return SliceGate(
        by=by,
        drop=inner.number("drop", least=0, most=1000, default=default.drop),
        rows=whole_number(inner, "rows", least=1, most=10**9, default=default.rows),
    )


def _fairness(gate: Section) -> FairnessGate:
    inner = gate.section("fairness", ("by", "measure", "ratio", "rows"))
    by = inner.text("by")
    default = FairnessGate(by=by)
    return FairnessGate(
        by=by,
        measure=inner.choice("measure", _MEASURES, default=default.measure),  # type: ignore[arg-type]
        ratio=ratio(inner, "ratio", most=1.0) or default.ratio,
        rows=whole_number(inner, "rows", least=1, most=10**9, default=default.rows),
    )

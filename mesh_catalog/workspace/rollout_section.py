"""The part of model.yaml that says how a challenger takes over: `rollout`.

`steps` is a list such as `[shadow, 5%, 25%]`, or one of the plans that other systems know by name: `all_at_once`,
`canary 10%`, `linear 20%`, `rolling 20%`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final, get_args

from mesh_catalog.errors import listed, nearest
from mesh_catalog.specs import RolloutAlarm, RolloutAlarmName, RolloutSpec, split_name
from mesh_catalog.workspace.section import Section

__all__ = ["read_rollout"]

_KEYS: Final = ("steps", "bake_rows", "bake", "give_up_after", "alarms")
_SHARE: Final = re.compile(r"(\d{1,3}(?:\.\d{1,2})?)\s*%")
_PLAN: Final = re.compile(rf"(canary|linear|rolling)\s+{_SHARE.pattern}")
_PLAN_SHARES: Final = {"canary": (0.0001, 0.5), "linear": (0.1, 0.5), "rolling": (0.05, 0.5)}
_LIMITS: Final[Mapping[str, tuple[float, float]]] = {
    "ratio": (1e-9, 0.1),
    "errors": (0, 1),
    "latency": (1, 1000),
    "drift": (0.01, 1),
}
"""Alarm → the least and the most that its limit may be; the others' limits are their monitors'."""
_MOST_ALARMS, _MOST_STEPS = 10, 20


def read_rollout(model: Section) -> RolloutSpec | None:
    """The plan of a model's rollouts; None where it has none.

    Raises:
        DocumentError: A step, an alarm or a number that is not allowed.
    """
    if "rollout" not in model:
        return None
    section = model.section("rollout", _KEYS)
    default = RolloutSpec(steps=(1.0,))
    rows = section.number("bake_rows", least=1, most=1e12, default=default.bake_rows)
    if rows != int(rows):
        raise section.error("'bake_rows' must be a whole number.", "bake_rows")
    return RolloutSpec(
        steps=_steps(section),
        bake_rows=int(rows),
        bake=section.duration("bake") or timedelta(0),
        give_up_after=section.duration("give_up_after"),
        alarms=_alarms(section) if "alarms" in section else default.alarms,
    )


def _steps(section: Section) -> tuple[float, ...]:
    written = section.data.get("steps")
    if isinstance(written, str):
        return _plan(section, written)
    if not isinstance(written, list) or not written:
        raise section.error("'steps' must be a list, for example [shadow, 5%, 25%], or a plan: canary 10%.", "steps")
    if len(written) > _MOST_STEPS:
        raise section.error(f"{len(written)} steps are more than {_MOST_STEPS}. Take some out.", "steps")
    found: list[float] = []
    for index, one in enumerate(written):
        share = 0.0 if one == "shadow" else _share(str(one))
        if share is None:
            raise section.error(
                f"the step '{str(one)[:40]}' is neither shadow nor a share up to 100%, for example 5%.", "steps", index
            )
        if found and share <= found[-1]:
            raise section.error(
                f"the step '{str(one)[:40]}' gives the challenger no more than the one before. Let shares rise.",
                "steps",
                index,
            )
        found.append(share)
    return tuple(found)


def _plan(section: Section, text: str) -> tuple[float, ...]:
    if text.strip() == "all_at_once":
        return (1.0,)
    match = _PLAN.fullmatch(text.strip())
    share = _share(match[2] + "%") if match else None
    if match is None or share is None:
        raise section.error(
            f"steps '{text[:40]}' is not known. Write a list such as [shadow, 5%, 25%], or one of "
            "all_at_once, canary 10%, linear 20%, rolling 20%.",
            "steps",
        )
    least, most = _PLAN_SHARES[match[1]]
    if not least <= share <= most:
        raise section.error(f"a {match[1]} goes by shares from {least:.4g} to {most:.4g}; this is {share:g}.", "steps")
    if match[1] == "canary":
        return (share, 1.0)
    shares = [round(share * number, 6) for number in range(1, int(1 / share) + 1)]
    return tuple(shares) if shares[-1] == 1 else (*shares, 1.0)


def _share(text: str) -> float | None:
    match = _SHARE.fullmatch(text.strip())
    share = float(match[1]) / 100 if match else 0.0
    return share if 0 < share <= 1 else None


def _alarms(section: Section) -> tuple[RolloutAlarm, ...]:
    written = section.data["alarms"]
    if not isinstance(written, list) or not 1 <= len(written) <= _MOST_ALARMS:
        raise section.error(f"'alarms' must be a list of 1 to {_MOST_ALARMS}, for example [drift, errors].", "alarms")
    found = [_alarm(section, one, index) for index, one in enumerate(written)]
    for index, one in enumerate(found):
        if str(one) in map(str, found[:index]):
            raise section.error(f"the alarm '{one}' stands twice. Keep one.", "alarms", index)
    return tuple(found)


def _alarm(section: Section, written: Any, index: int) -> RolloutAlarm:
    known = get_args(RolloutAlarmName)
    pair = next(iter(written.items())) if isinstance(written, dict) and len(written) == 1 else (written, None)
    name, value = str(pair[0]), pair[1]
    if name not in known:
        raise section.error(f"the alarm '{name[:40]}' is not known.{nearest(name, known)}", "alarms", index)
    if name == "kpi":
        try:
            split_name(str(value))
        except ValueError:
            raise section.error(
                "the alarm 'kpi' must name one, for example {kpi: payments.approval_rate}.", "alarms", index
            ) from None
        return RolloutAlarm(name="kpi", kpi=str(value))
    if value is None:
        return RolloutAlarm(name=name)  # type: ignore[arg-type]
    if name not in _LIMITS:
        raise section.error(
            f"the alarm '{name}' takes no limit here: its monitor has one. Limits: {listed(_LIMITS)}.", "alarms", index
        )
    least, most = _LIMITS[name]
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not least <= value <= most:
        raise section.error(f"the limit of '{name}' must be a number from {least:g} to {most:g}.", "alarms", index)
    return RolloutAlarm(name=name, limit=float(value))  # type: ignore[arg-type]

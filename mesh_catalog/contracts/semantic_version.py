"""Versions of contracts, by semantic versioning: breaking is a major step, additive a minor one, other words a patch.

Versions without numbers have no steps: any other version counts as enough, and the same one never.
"""

from __future__ import annotations

import re
from typing import Final, Literal

__all__ = ["Change", "Step", "is_enough", "needed_step", "next_version", "raises_major", "version_step"]

Change = Literal["breaking", "additive", "documentation"]
Step = Literal["major", "minor", "patch", "none", "back", "other"]
"""How a version follows another. none: it is the same. back: it is lower. other: one of them has no numbers."""
_NEEDED: Final[dict[Change, Step]] = {"breaking": "major", "additive": "minor", "documentation": "patch"}
_ORDER: Final[tuple[Step, ...]] = ("none", "patch", "minor", "major", "other")
_NUMBERS: Final = re.compile(r"\s*v?(\d{1,9})(?:\.(\d{1,9})(?:\.(\d{1,9})(?:[-+][\w.+-]*)?)?)?\s*")


def version_step(old: str, new: str) -> Step:
    """The step from one version to another: `1.4.0` to `2.0.0` is major."""
    before, after = _numbers(old), _numbers(new)
    if before is None or after is None:
        return "none" if old == new else "other"
    if before == after:
        return "none"
    if after < before:
        return "back"
    return "major" if after[0] > before[0] else "minor" if after[1] > before[1] else "patch"


def needed_step(change: Change) -> Step:
    """The least step that a change needs."""
    return _NEEDED[change]


def is_enough(old: str, new: str, change: Change) -> bool:
    """Whether a version is high enough for a change."""
    step = version_step(old, new)
    return step != "back" and _ORDER.index(step) >= _ORDER.index(needed_step(change))


def next_version(old: str, change: Change) -> str | None:
    """The least version that is enough; None where the old one has no numbers."""
    numbers = _numbers(old)
    if numbers is None:
        return None
    major, minor, patch = numbers
    fitting = {"breaking": (major + 1, 0, 0), "additive": (major, minor + 1, 0)}
    return ".".join(map(str, fitting.get(change, (major, minor, patch + 1))))


def raises_major(old: str, new: str) -> bool:
    """Whether a version is of a higher major number; where versions have no numbers, whether it is another one."""
    return is_enough(old, new, "breaking")


def _numbers(version: str) -> tuple[int, int, int] | None:
    match = _NUMBERS.fullmatch(version)
    return (int(match[1]), int(match[2] or 0), int(match[3] or 0)) if match else None

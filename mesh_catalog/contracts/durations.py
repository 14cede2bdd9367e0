"""Lengths of time as people write them."""

from __future__ import annotations

import re
from datetime import timedelta

__all__ = ["parse_duration"]

_DURATION = re.compile(r"(\d{1,6})\s*(min|h|d|w)")
_UNITS = {"min": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def parse_duration(text: str) -> timedelta:
    """`30min`, `12h`, `7d` or `4w`.

    Raises:
        ValueError: It is none of these.
    """
    match = _DURATION.fullmatch(text.strip())
    if not match:
        raise ValueError(f"'{text[:40]}' is not a length of time. Write for example 30min, 12h, 7d or 4w.")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})

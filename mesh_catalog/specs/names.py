"""Names and intervals: the small grammars that everything declared shares."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

__all__ = ["Interval", "folded_name", "is_name", "split_name"]

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")


def is_name(text: str) -> bool:
    """Whether `text` can name a domain, a product, a column of SQL: lower-case letters, digits and `_`."""
    return _NAME.fullmatch(text) is not None


def split_name(text: str) -> tuple[str, str]:
    """`payments.transactions` as ("payments", "transactions").

    Raises:
        ValueError: It is not of the form `domain.product`.
    """
    domain, dot, product = text.partition(".")
    if not (dot and is_name(domain) and is_name(product)):
        raise ValueError(
            f"'{text[:80]}' is not a product's name. Write domain.product in lower-case letters, digits and _."
        )
    return domain, product


def folded_name(text: str) -> str:
    """A KPI's name as people compare it: case, spaces, `_` and `-` do not count."""
    return re.sub(r"[\s_\-]+", "", text.casefold())


@dataclass(frozen=True)
class Interval:
    """Event times from `start` up to, and without, `end`; both aware, kept in UTC.

    Raises:
        ValueError: A time without a zone, or an end that is not after its start.
    """

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise ValueError("An interval needs times with a zone, for example 2026-01-01T00:00:00Z.")
        if self.end <= self.start:
            raise ValueError(
                f"The interval ends at {self.end.isoformat()}, before it begins: {self.start.isoformat()}."
            )
        for name in ("start", "end"):
            object.__setattr__(self, name, getattr(self, name).astimezone(UTC))

    def __str__(self) -> str:
        return f"{self.start:%Y-%m-%d %H:%M} to {self.end:%Y-%m-%d %H:%M} UTC"

"""A span of event time, as it is written: `2026-02-12..2026-02-18`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

__all__ = ["Span"]


@dataclass(frozen=True, kw_only=True)
class Span:
    """Event times from one moment to another, both included."""

    begins: datetime
    ends: datetime
    text: str
    """As it was written."""

    @classmethod
    def parse(cls, text: str) -> Span:
        """`2026-02-12..2026-02-18`, whole days; or moments in ISO 8601, in UTC where they name no zone.

        Raises:
            ValueError: It cannot be read, or ends before it begins.
        """
        first, between, last = text.partition("..")
        try:
            begins, ends = _moment(first), _moment(last)
        except ValueError as error:
            raise ValueError(
                f"'{text[:80]}' cannot be read. Write FROM..TO, for example 2026-02-12..2026-02-18"
            ) from error
        if len(last.strip()) == len("2026-02-18"):
            ends += timedelta(days=1, microseconds=-1)
        if not between or ends < begins:
            raise ValueError(f"'{text[:80]}' ends before it begins. Write FROM..TO, the earlier one first.")
        return cls(begins=begins, ends=ends, text=text.strip())


def _moment(text: str) -> datetime:
    found = datetime.fromisoformat(text.strip())
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)

"""Which versions a window is made of: the newest ones, or those whose rows lie in a span of time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from mesh_catalog.catalog.runs import VersionRecord
from mesh_catalog.errors import InputError, NotFoundError

__all__ = ["Span", "chosen_versions", "newest_versions"]

_SHOWN = 5


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
            InputError: It cannot be read, or ends before it begins.
        """
        first, between, last = text.partition("..")
        try:
            begins, ends = _moment(first), _moment(last)
        except ValueError as error:
            raise InputError(
                f"window '{text[:80]}' cannot be read. Write FROM..TO, for example 2026-02-12..2026-02-18"
            ) from error
        if len(last.strip()) == len("2026-02-18"):
            ends += timedelta(days=1, microseconds=-1)
        if not between or ends < begins:
            raise InputError(f"window '{text[:80]}' ends before it begins. Write FROM..TO, the earlier one first.")
        return cls(begins=begins, ends=ends, text=text.strip())

    def holds(self, record: VersionRecord) -> bool:
        """Whether all rows of a version lie within."""
        known = record.event_from is not None and record.event_to is not None
        return known and self.begins <= record.event_from and record.event_to <= self.ends  # type: ignore[operator]


def newest_versions(records: Sequence[VersionRecord], length: timedelta) -> list[VersionRecord]:
    """Those whose rows lie within a length of time of the newest one, oldest first."""
    kept = [records[-1]]
    newest = max((record.event_to for record in records if record.event_to is not None), default=None)
    for record in reversed(records[:-1]):
        if newest is None or record.event_from is None or record.event_from < newest - length:
            break
        kept.append(record)
    return kept[::-1]


def chosen_versions(records: Sequence[VersionRecord], span: Span) -> list[VersionRecord]:
    """Those whose rows all lie within the span, oldest first.

    Raises:
        NotFoundError: There is none.
        InputError: One between them holds rows from elsewhere.
    """
    kept = [record for record in records if span.holds(record)]
    if not kept:
        told = ", ".join(map(_shown, records[: -_SHOWN - 1 : -1]))
        raise NotFoundError(
            f"{records[-1].product}: no version has all its rows within {span.text}. The newest are {told}. "
            "Name a window that holds one of them whole."
        )
    for record in records:
        if kept[0].version < record.version < kept[-1].version and record.event_from and record not in kept:
            raise InputError(
                f"{record.product}: {_shown(record)} came between the versions within {span.text}, and has rows from "
                "elsewhere. Name a window that holds it too, or leaves out what came before it."
            )
    return kept


def _moment(text: str) -> datetime:
    found = datetime.fromisoformat(text.strip())
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


def _shown(record: VersionRecord) -> str:
    if record.event_from is None or record.event_to is None:
        return f"v{record.version} (no event time)"
    return f"v{record.version} ({record.event_from:%Y-%m-%d %H:%M} to {record.event_to:%Y-%m-%d %H:%M})"

"""Which versions a window is made of: the newest ones, or those whose rows lie in a span of time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from mesh_catalog.catalog.runs import VersionRecord
from mesh_catalog.errors import InputError, NotFoundError
from mesh_catalog.specs import Span

__all__ = ["chosen_versions", "newest_versions"]

_SHOWN = 5


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
    kept = [record for record in records if _holds(span, record)]
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


def _holds(span: Span, record: VersionRecord) -> bool:
    """Whether all rows of a version lie within."""
    begins, ends = record.event_from, record.event_to
    return begins is not None and ends is not None and span.begins <= begins and ends <= span.ends


def _shown(record: VersionRecord) -> str:
    if record.event_from is None or record.event_to is None:
        return f"v{record.version} (no event time)"
    return f"v{record.version} ({record.event_from:%Y-%m-%d %H:%M} to {record.event_to:%Y-%m-%d %H:%M})"

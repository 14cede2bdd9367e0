"""A contract suggested from summaries of a file's columns: types, keys, ranges, closed sets, the event time, people.

Pure: no files, no clock. Everything inferred is marked as suggested; nothing of a suspected column but its type, its
nulls and whether it is unique is kept, so that no value of a person reaches what is written or printed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from mesh_catalog.contracts.classification import Suspicion, suspect_name, words_of
from mesh_catalog.contracts.naming import column_names

__all__ = ["ColumnSummary", "Inference", "InferredColumn", "Kind", "infer_columns"]

Kind = Literal["integer", "number", "boolean", "date", "timestamp", "string", "other"]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_VALUES_LIMIT: Final = 10
_ROWS_FOR_VALUES: Final = 100
_RARE_SHARE: Final = 0.01
"""A whole number that so few rows have belongs to an open range (0, 1, 2, … children), not to a closed set."""
_ROWS_FOR_UNNAMED_KEY: Final = 20
_KEY_WORDS: Final = _words("id uuid guid key code no nr number num identifier instant index")
_CALENDAR: Final = _words("year yr month mnth mon day weekday hour hr minute min second week quarter date time season")
_ANSWERS: Final = _words("yes no y n true false t f 0 1 -1")
_TIME_WORDS: Final = ("timestamp", "datetime", "event", "time", "created", "occurred", "date", "at", "on")


@dataclass(frozen=True, kw_only=True)
class ColumnSummary:
    """What reading a file found of one column."""

    name: str
    """As the file writes it."""
    kind: Kind
    spark_type: str | None = None
    """Where the file itself knows it (Parquet), and it is not the kind's own."""
    rows: int
    null_count: int
    """Empty, blank, or a word that stands for a missing value."""
    blank_count: int = 0
    """Of them: made of white space only."""
    missing_words: tuple[str, ...] = ()
    """Words like NA that stand for a missing value in a column of numbers or times."""
    minimum: float | str | None = None
    maximum: float | str | None = None
    values: Mapping[Any, int] | None = None
    """Count of each value, where there are at most 10."""
    unique: bool | None = None
    """None where there were too many rows to know."""
    format: str | None = None
    """Spark's pattern of dates and times, where they are not ISO."""
    ambiguous: bool = False
    """Dates that could be of two orders, such as 3/4/2026; kept as text."""
    suspicion: Suspicion | None = None
    """What the values say of people."""


@dataclass(frozen=True, kw_only=True)
class InferredColumn:
    """One column of the suggested contract."""

    name: str
    source: ColumnSummary
    required: bool
    key: bool = False
    minimum: int | None = None
    values: tuple[Any, ...] | None = None
    suspicion: Suspicion | None = None

    @property
    def suggested(self) -> tuple[str, ...]:
        """What was inferred, by the contract's words."""
        facts = {
            "type": True,
            "required": self.required,
            "unique": self.key,
            "primaryKey": self.key,
            "minimum": self.minimum is not None,
            "validValues": self.values is not None,
            "classification": self.suspicion is not None,
        }
        return tuple(word for word, there in facts.items() if there)


@dataclass(frozen=True, kw_only=True)
class Inference:
    """The suggested contract of one file."""

    rows: int
    columns: tuple[InferredColumn, ...]
    event_time: InferredColumn | None = None
    notes: tuple[str, ...] = field(default=())
    """What a person should know of how the file was read; no values of people."""

    @property
    def key(self) -> InferredColumn | None:
        return next((column for column in self.columns if column.key), None)


def infer_columns(summaries: Sequence[ColumnSummary], *, product: str) -> Inference:
    """Suggest a contract.

    Args:
        summaries: The file's columns in order.
        product: The product's own name, without its domain: `transactions` makes `transaction_id` the likelier key.
    """
    names = column_names([summary.name for summary in summaries])
    suspicions = [None if _yes_or_no(one) else suspect_name(one.name) or one.suspicion for one in summaries]
    key = _key(summaries, names, suspicions, product)
    columns = tuple(
        _column(name, summary, suspicion, key=index == key)
        for index, (name, summary, suspicion) in enumerate(zip(names, summaries, suspicions, strict=True))
    )
    return Inference(
        rows=summaries[0].rows if summaries else 0,
        columns=columns,
        event_time=_event_time(columns),
        notes=tuple(note for column in columns for note in _notes(column)),
    )


def _column(name: str, summary: ColumnSummary, suspicion: Suspicion | None, *, key: bool) -> InferredColumn:
    plain = suspicion is None and not key
    values = _closed_values(name, summary) if plain else None
    return InferredColumn(
        name=name,
        source=summary if suspicion is None else replace(summary, minimum=None, maximum=None, values=None),
        required=summary.rows > 0 and summary.null_count == 0,
        key=key,
        minimum=_minimum(summary) if plain and not values else None,
        values=values,
        suspicion=suspicion,
    )


def _minimum(summary: ColumnSummary) -> int | None:
    if summary.kind not in ("integer", "number") or not isinstance(summary.minimum, int | float):
        return None
    return 0 if summary.minimum >= 0 else None


def _yes_or_no(summary: ColumnSummary) -> bool:
    """`phone_service: yes` tells nobody's number."""
    return summary.kind == "boolean" or (
        bool(summary.values) and all(str(value).strip().lower() in _ANSWERS for value in summary.values or ())
    )


def _flag(summary: ColumnSummary) -> bool:
    return summary.values is not None and set(summary.values) == {0, 1}


def _closed_values(name: str, summary: ColumnSummary) -> tuple[Any, ...] | None:
    values = summary.values
    if not values or not 2 <= len(values) <= _VALUES_LIMIT or summary.rows < _ROWS_FOR_VALUES:
        return None
    if set(name.split("_")) & _CALENDAR:
        return None
    if summary.kind == "integer":
        common = min(values.values()) >= _RARE_SHARE * sum(values.values())
        return tuple(sorted(values)) if _flag(summary) or common else None
    if summary.kind == "string" and all(len(value) <= 40 and value == value.strip() for value in values):
        return tuple(sorted(values))
    return None


def _key(
    summaries: Sequence[ColumnSummary], names: Sequence[str], suspicions: Sequence[Suspicion | None], product: str
) -> int | None:
    """The best single column that tells rows apart, if there is one that looks meant to."""
    best: tuple[int, int] | None = None
    for index, summary in enumerate(summaries):
        if not summary.unique or summary.null_count or summary.rows < 2 or summary.kind not in ("integer", "string"):
            continue
        score = _key_score(names[index], product, first=index == 0, rows=summary.rows)
        text = suspicions[index] is not None and "identifier" not in suspicions[index].reason  # type: ignore[union-attr]
        if score and not text and (best is None or score > best[0]):
            best = score, index
    return best[1] if best else None


def _key_score(name: str, product: str, *, first: bool, rows: int) -> int:
    stem = re.sub(r"s$", "", product.rpartition("_")[2])
    words = name.split("_")
    if name == "id" or name in (f"{stem}_id", f"{product}_id"):
        return 4
    if words[-1] in _KEY_WORDS or words[0] in _KEY_WORDS:
        return 3 if first else 2
    return 1 if first and rows >= _ROWS_FOR_UNNAMED_KEY else 0


def _event_time(columns: Sequence[InferredColumn]) -> InferredColumn | None:
    """The column that most likely says when a row happened: never null, not about a person."""
    fit = [
        column
        for column in columns
        if column.source.kind in ("date", "timestamp") and column.required and column.suspicion is None
    ]
    return min(fit, key=_time_rank, default=None)


def _time_rank(column: InferredColumn) -> tuple[int, int]:
    words = words_of(column.name)
    named = next((rank for rank, word in enumerate(_TIME_WORDS) if word in words or column.name.endswith(word)), 99)
    return (0 if column.source.kind == "timestamp" else 1), named


def _notes(column: InferredColumn) -> list[str]:
    source = column.source
    notes = []
    if source.kind not in ("string", "other") and (source.blank_count or source.missing_words):
        words = [*source.missing_words, *(["blank"] if source.blank_count else [])]
        notes.append(
            f"{column.name}: {source.kind} but for {source.null_count:,} values ({', '.join(words)}), read as null"
        )
    if source.ambiguous:
        notes.append(f"{column.name}: dates whose day and month cannot be told apart, kept as text")
    if source.unique is None and source.rows:
        notes.append(f"{column.name}: too many rows to know whether it is unique")
    return notes

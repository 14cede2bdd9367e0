"""Summaries of a file's columns, gathered batch by batch: types, nulls, ranges, few values, uniqueness. Bounded memory.

Types, nulls, ranges and values are exact over all rows. Uniqueness is exact up to KEPT_BYTES of a column's values and
unknown above. Patterns of people's data are looked for in a sample of each batch, e-mail addresses in every value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from mesh_catalog.contracts.classification import Suspicion, ValueEvidence
from mesh_catalog.contracts.infer import ColumnSummary, Kind

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["KEPT_BYTES", "TextColumn", "TextTraits", "TypedColumn"]

KEPT_BYTES: Final = 128 * 1024 * 1024
"""Values of one column kept to know whether it is unique."""
_FEW: Final = 10
_SAMPLE_A_BATCH: Final = 1_000
_SAMPLE_LIMIT: Final = 20_000
_MISSING: Final = r"^(NA|N/A|n/a|na|NULL|Null|null|NONE|None|none|NaN|nan|#N/A|\\N|\?|-|\.)$"
_SOMETHING: Final = r"(?s)."
_NOTHING: Final = r"^$"
_EMAIL: Final = r"[^\s@,;<>]+@[^\s@,;<>]+\.[A-Za-z]{2,}"
_INTEGER: Final = r"^[+-]?(0|[1-9]\d{0,17})$"
_NUMBER: Final = r"^[+-]?((0|[1-9]\d{0,14})(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?$"
"""No more than 15 digits before the point: a longer number is an identifier, and a double would change it."""
_DAY: Final = r"^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])"
_TIME: Final = r"([01]\d|2[0-3]):[0-5]\d"
_ZONE: Final = r"(Z|[+-]\d{2}:?\d{2})?"
_CARD_LIKE: Final = 10**12
"""Whole numbers from 13 digits on may be numbers of cards."""


class _Form(NamedTuple):
    """How the values of a type are written."""

    kind: Kind
    pattern: str
    format: str | None
    """Spark's pattern, where the form is not ISO."""


_FORMS: Final = (
    _Form("boolean", r"(?i)^(true|false)$", None),
    _Form("integer", _INTEGER, None),
    _Form("number", _NUMBER, None),
    _Form("date", _DAY + "$", None),
    _Form("timestamp", _DAY + rf"[ T]{_TIME}(:[0-5]\d(\.\d{{1,9}})?)?{_ZONE}$", None),
    _Form("date", r"^(0?[1-9]|[12]\d|3[01])\.(0?[1-9]|1[0-2])\.\d{4}$", "d.M.yyyy"),
    _Form("timestamp", rf"^(0?[1-9]|[12]\d|3[01])\.(0?[1-9]|1[0-2])\.\d{{4}} {_TIME}$", "d.M.yyyy HH:mm"),
    _Form("date", r"^\d{4}/(0?[1-9]|1[0-2])/(0?[1-9]|[12]\d|3[01])$", "yyyy/M/d"),
    _Form("date", r"^(0?[1-9]|1[0-2])/(0?[1-9]|[12]\d|3[01])/\d{4}$", "M/d/yyyy"),
    _Form("timestamp", r"^(0?[1-9]|1[0-2])/(0?[1-9]|[12]\d|3[01])/\d{4} ([01]?\d|2[0-3]):[0-5]\d$", "M/d/yyyy H:mm"),
    _Form("date", r"^(0?[1-9]|[12]\d|3[01])/(0?[1-9]|1[0-2])/\d{4}$", "d/M/yyyy"),
    _Form("timestamp", r"^(0?[1-9]|[12]\d|3[01])/(0?[1-9]|1[0-2])/\d{4} ([01]?\d|2[0-3]):[0-5]\d$", "d/M/yyyy H:mm"),
)
"""Forms of values, the narrower first; integers with a leading zero are none of them, and stay strings."""


@dataclass
class _Uniqueness:
    """Whether every value so far is another; exact, or None once too much would have to be kept."""

    chunks: list[Any] = field(default_factory=list)
    kept_bytes: int = 0
    answer: bool | None = True

    def add(self, values: pa.Array) -> None:
        import pyarrow.compute as pc

        if self.answer is not True:
            return
        if pc.count_distinct(values).as_py() != len(values) or (
            self.chunks and pc.any(pc.is_in(values, value_set=self.chunks[0])).as_py()
        ):
            self._settle(False)
            return
        self.kept_bytes += values.nbytes
        self.chunks.append(values)
        if self.kept_bytes > KEPT_BYTES:
            self._settle(None)

    def _settle(self, answer: bool | None) -> None:
        self.answer, self.chunks = answer, []

    def result(self) -> bool | None:
        import pyarrow as pa
        import pyarrow.compute as pc

        if self.answer is True and len(self.chunks) > 1:
            together = pa.chunked_array(self.chunks)
            self._settle(pc.count_distinct(together).as_py() == len(together))
        return self.answer


@dataclass
class _Few:
    """Counts of values while there are few."""

    counts: dict[Any, int] | None = field(default_factory=dict)

    def add(self, values: pa.Array) -> None:
        import pyarrow.compute as pc

        if self.counts is None:
            return
        if pc.count_distinct(values.slice(0, 1_000)).as_py() > _FEW:
            self.counts = None
            return
        for pair in pc.value_counts(values):
            key = pair["values"].as_py()
            self.counts[key] = self.counts.get(key, 0) + pair["counts"].as_py()
            if len(self.counts) > _FEW:
                self.counts = None
                return


@dataclass
class _Sample:
    """Evidence about people from a sample of the distinct texts."""

    evidence: ValueEvidence = field(default_factory=ValueEvidence)
    emails: int = 0
    looked_at: int = 0

    def add(self, texts: pa.Array) -> None:
        import pyarrow.compute as pc

        if not self.emails:
            self.emails = pc.sum(pc.match_substring_regex(texts, _EMAIL)).as_py() or 0
        if self.evidence.sampled < _SAMPLE_LIMIT:
            taken = texts.slice(0, _SAMPLE_A_BATCH)
            self.looked_at += len(taken)
            self.evidence.add(pc.unique(taken).to_pylist())

    def suspicion(self) -> Suspicion | None:
        if self.emails:
            return Suspicion(classification="personal?", reason="holds an e-mail address")
        share = self.evidence.sampled / self.looked_at if self.looked_at else 0.0
        return self.evidence.suspect(distinct_share=share)


@dataclass
class _Range:
    """The least and the greatest value."""

    low: Any = None
    high: Any = None

    def add(self, low: Any, high: Any) -> None:
        if low is None:
            return
        self.low = low if self.low is None else min(self.low, low)
        self.high = high if self.high is None else max(self.high, high)


@dataclass
class TextTraits:
    """What of a column of a CSV decides how Spark must read the file."""

    quotes: bool = False
    """A value holds a quote or a backslash."""
    line_breaks: bool = False
    leading: bool = False
    """A value begins with white space."""
    trailing: bool = False


class TextColumn:
    """A column of text: of a CSV, or of a JSON whose values are strings (`quoted`: numbers in quotes stay strings)."""

    def __init__(self, name: str, *, quoted: bool = False) -> None:
        self.name = name
        self.rows = 0
        self.traits = TextTraits()
        self._filled = 0
        self._blanks = 0
        self._missing: dict[str, int] = {}
        self._forms = [form for form in _FORMS if not quoted or form.kind in ("date", "timestamp")]
        self._seen = False
        self._range = _Range()
        self._unique = _Uniqueness()
        self._few = _Few()
        self._sample = _Sample()

    def skip(self, rows: int) -> None:
        """Rows in which the column was not there."""
        self.rows += rows

    def add(self, column: pa.Array, *, absent: int = 0) -> None:
        """One batch of texts, and how many values are absent beside its own nulls."""
        import pyarrow.compute as pc

        self.rows += len(column) + absent
        present = column.drop_null()
        trimmed = pc.utf8_trim_whitespace(present)
        # Matched, not compared: Arrow loads pandas to compare with a text of Python's.
        values = trimmed.filter(pc.match_substring_regex(trimmed, _SOMETHING))
        empty = pc.sum(pc.match_substring_regex(present, _NOTHING)).as_py() or 0
        self._blanks += len(present) - len(values) - empty
        self._filled += len(values)
        if not len(values):
            return
        self._note_traits(present, values)
        typed = self._narrow(values)
        self._unique.add(values)
        self._few.add(values)
        if typed is not None:
            self._add_range(typed)
        long_numbers = isinstance(self._range.high, float) and self._range.high >= _CARD_LIKE
        if typed is None or long_numbers:
            self._sample.add(values)

    def _note_traits(self, present: pa.Array, values: pa.Array) -> None:
        import pyarrow.compute as pc

        def holds(texts: pa.Array, pattern: str) -> bool:
            return bool(pc.any(pc.match_substring_regex(texts, pattern)).as_py())

        traits = self.traits
        traits.quotes = traits.quotes or holds(values, r'["\\]')
        traits.line_breaks = traits.line_breaks or holds(values, r"[\r\n]")
        traits.leading = traits.leading or holds(present, r"^\s+\S")
        traits.trailing = traits.trailing or holds(present, r"\S\s+$")

    def _narrow(self, values: pa.Array) -> pa.Array | None:
        """Drop the forms that these values do not have; the values of the first that is left, without missing words."""
        left: list[_Form] = []
        typed, words = None, {}
        for form in self._forms:
            found, rest = _matching(values, form.pattern)
            if rest is not None:
                left.append(form)
                if typed is None:
                    typed, words = found, rest
        self._forms, self._seen = left, True
        for word, count in words.items():
            self._missing[word] = self._missing.get(word, 0) + count
        return typed

    def _add_range(self, values: pa.Array) -> None:
        import pyarrow.compute as pc

        form = self._forms[0]
        if form.format is not None or form.kind == "boolean" or not len(values):
            return
        if form.kind in ("integer", "number"):
            values = values.cast("float64")
        bounds = pc.min_max(values).as_py()
        if self._range.low is None or isinstance(bounds["min"], type(self._range.low)):
            self._range.add(bounds["min"], bounds["max"])

    def summary(self) -> ColumnSummary:
        """What was found."""
        form = self._form()
        kind: Kind = form.kind if form else "string"
        missing = self._missing if form else {}
        return ColumnSummary(
            name=self.name,
            kind=kind,
            rows=self.rows,
            null_count=self.rows - self._filled + sum(missing.values()),
            blank_count=self._blanks,
            missing_words=tuple(sorted(missing)),
            minimum=self._range.low if form else None,
            maximum=self._range.high if form else None,
            values=self._values(kind, missing),
            unique=bool(self._filled) and self._unique.result(),
            format=form.format if form else None,
            suspicion=self._sample.suspicion(),
            ambiguous=self._ambiguous(),
        )

    def _form(self) -> _Form | None:
        """The form of every value; none where the values could be of two that differ, as 3/4/2026."""
        if not self._seen or self._filled == sum(self._missing.values()) or self._ambiguous():
            return None
        return self._forms[0] if self._forms else None

    def _ambiguous(self) -> bool:
        return (
            self._seen
            and len({form.format for form in self._forms if form.format}) > 1
            and self._forms[0].format is not None
        )

    def _values(self, kind: Kind, missing: Mapping[str, int]) -> dict[Any, int] | None:
        if self._few.counts is None:
            return None
        cast: Callable[[str], Any] = int if kind == "integer" else str
        found: dict[Any, int] = {}
        for text, count in self._few.counts.items():
            if text not in missing:
                found[cast(text)] = found.get(cast(text), 0) + count
        return found


def _matching(values: pa.Array, pattern: str) -> tuple[pa.Array, dict[str, int] | None]:
    """The values that have a form, and the missing words among the others; None where an other is no such word."""
    import pyarrow.compute as pc

    match = pc.match_substring_regex(values, pattern)
    if pc.all(match).as_py():
        return values, {}
    others = values.filter(pc.invert(match))
    if pc.all(pc.match_substring_regex(others, _MISSING)).as_py():
        return values.filter(match), {
            pair["values"].as_py(): pair["counts"].as_py() for pair in pc.value_counts(others)
        }
    return values, None


class TypedColumn:
    """A column whose type the file knows: of Parquet, or of a JSON whose values are no strings."""

    def __init__(self, name: str, kind: Kind, *, spark_type: str | None = None) -> None:
        self.name = name
        self.kind: Kind = kind
        self.spark_type = spark_type
        self.rows = 0
        self._filled = 0
        self._range = _Range()
        self._unique = _Uniqueness()
        self._few = _Few()
        self._sample = _Sample()

    def skip(self, rows: int) -> None:
        """Rows in which the column was not there."""
        self.rows += rows

    def add(self, column: pa.Array, *, absent: int = 0) -> None:
        """One batch of values, and how many are absent beside its own nulls."""
        import pyarrow as pa
        import pyarrow.compute as pc

        self.rows += len(column) + absent
        if pa.types.is_dictionary(column.type):
            column = column.dictionary_decode()
        values = column.drop_null()
        self._filled += len(values)
        if not len(values) or self.kind in ("other", "boolean"):
            return
        if self.kind == "string":
            values = values.cast(pa.string())
        if self.kind in ("integer", "string"):
            self._unique.add(values)
            self._few.add(values)
        if self.kind == "string" or (self.kind == "integer" and pc.max(values).as_py() >= _CARD_LIKE):
            self._sample.add(values.cast(pa.string()))
        if self.kind != "string":
            self._add_range(values)

    def _add_range(self, values: pa.Array) -> None:
        import pyarrow as pa
        import pyarrow.compute as pc

        if self.kind in ("integer", "number"):
            values = values.cast(pa.float64(), safe=False)
            values = values.filter(pc.is_finite(values))
        elif self.kind == "timestamp":
            values = values.cast(pa.timestamp("us"), safe=False)
        bounds = pc.min_max(values).as_py()
        low, high = bounds["min"], bounds["max"]
        if self.kind in ("date", "timestamp"):
            low, high = (bound.isoformat(*([" "] if self.kind == "timestamp" else [])) for bound in (low, high))
        self._range.add(low, high)

    def summary(self) -> ColumnSummary:
        """What was found."""
        known = self.kind in ("integer", "string")
        nested = Suspicion(classification="personal?", reason="is nested or binary, which may hold anything")
        return ColumnSummary(
            name=self.name,
            kind=self.kind,
            spark_type=self.spark_type,
            rows=self.rows,
            null_count=self.rows - self._filled,
            minimum=self._range.low,
            maximum=self._range.high,
            values=self._few.counts if known else None,
            unique=known and bool(self._filled) and self._unique.result(),
            suspicion=nested if self.kind == "other" else self._sample.suspicion(),
        )

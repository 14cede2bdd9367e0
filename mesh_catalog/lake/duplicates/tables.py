"""Pairs of tables that hold the same rows: found by what they have in common, then compared column by column.

All pairs are never looked at. Two tables are compared where one is made from the other, where they are made from the
same, or where they share rare traits: names of columns, extremes, sums, values (of each column the few that hash
lowest, which a filtered part mostly still has).
"""

from __future__ import annotations

import hashlib
import heapq
import math
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations
from typing import TYPE_CHECKING, Final

from mesh_catalog.lake.duplicates.columns import ColumnCounts, ColumnMatch, compare_columns

if TYPE_CHECKING:
    from mesh_catalog.lake.duplicates.shapes import Shape
    from mesh_catalog.lake.profile import ColumnProfile, Profile

__all__ = ["TableFacts", "TablePair", "find_pairs"]

_SHARED_BY_MOST: Final = 64
"""A trait that more tables have tells nothing, and would make all of them each other's candidates."""
_ENOUGH_TRAITS: Final = 6.0
_LOWEST: Final = 4
_COVERAGE: Final = 0.75
"""Share of columns, of both tables, that must be in the other."""
_HALF_SURE_BITS: Final = 8.0
_COMPUTED: Final = 0.1
"""Share of columns, beside one, that a copy may compute: with more it is a product of its own."""
_SQL_BITS: Final = 40.0
_SCORE: Final = 0.7


@dataclass(frozen=True, kw_only=True)
class TableFacts:
    """What is known of a table without a look at its rows."""

    name: str
    columns: Mapping[str, str]
    """Column → Spark type, as the contract says."""
    profile: Profile | None = None
    shape: Shape | None = None
    """Of build.sql."""
    reads: frozenset[str] = frozenset()
    """The products that it is made from."""

    @cached_property
    def counts(self) -> Mapping[str, ColumnCounts]:
        found = self.profile.columns if self.profile else {}
        return {name: ColumnCounts(column) for name, column in found.items()}


@dataclass(frozen=True, kw_only=True)
class TablePair:
    """Two tables that hold the same rows, or one some of the other's."""

    original: str
    copy: str
    """The one with fewer rows, or that is made from the other."""
    kind: str
    """`copy`, `subset`: fewer rows, `transform`: the same is computed twice."""
    score: float
    """0 to 1."""
    evidence: tuple[str, ...]
    columns: Mapping[str, str] = field(default_factory=dict)
    """Column of the copy → column of the original."""


def find_pairs(tables: Sequence[TableFacts]) -> list[TablePair]:
    """The pairs that are near-equal, the surest first."""
    by_name = {one.name: one for one in tables}
    found = []
    for first, second in sorted(_candidates(tables)):
        pair = compare_tables(by_name[first], by_name[second])
        if pair is not None and pair.score >= _SCORE:
            found.append(pair)
    return sorted(found, key=lambda pair: (-pair.score, pair.original, pair.copy))


# Candidates --------------------------------------------------------------------------------------------------------


def _candidates(tables: Sequence[TableFacts]) -> set[tuple[str, str]]:
    names = {one.name for one in tables}
    found: set[tuple[str, str]] = set()
    siblings: dict[tuple[str, ...], list[str]] = defaultdict(list)
    holders: dict[str, list[str]] = defaultdict(list)
    for table in tables:
        found |= {_pair(table.name, read) for read in table.reads & names if read != table.name}
        if table.reads:
            siblings[tuple(sorted(table.reads))].append(table.name)
        for trait in set(_traits(table)):
            holders[trait].append(table.name)
    for group in siblings.values():
        if len(group) <= _SHARED_BY_MOST:
            found |= {_pair(*two) for two in combinations(group, 2)}
    weights: dict[tuple[str, str], float] = defaultdict(float)
    for group in holders.values():
        if 1 < len(group) <= _SHARED_BY_MOST:
            weight = math.log2(_SHARED_BY_MOST * 2 / len(group))
            for two in combinations(group, 2):
                weights[_pair(*two)] += weight
    return found | {two for two, weight in weights.items() if weight >= _ENOUGH_TRAITS}


def _pair(first: str, second: str) -> tuple[str, str]:
    return (first, second) if first < second else (second, first)


def _traits(table: TableFacts) -> Iterator[str]:
    for name, kind in table.columns.items():
        yield f"name {name.lower()} {kind}"
    for column in table.profile.columns.values() if table.profile else ():
        yield from _column_traits(column)


def _column_traits(column: ColumnProfile) -> Iterator[str]:
    if column.withheld or not column.valid_count:
        return
    for extreme in (column.minimum, column.maximum):
        if extreme is not None:
            yield f"extreme {column.kind} {extreme}"
    if column.kind in ("integer", "float"):
        yield f"total {column.kind} {column.total!r}"
    if column.kind == "string" and column.values is None and column.distinct_sketch:
        yield f"sketch {hashlib.sha256(column.distinct_sketch.encode()).hexdigest()[:16]}"
    for key in _lowest(column.values or column.bins or ()):
        yield f"value {column.kind} {key}"


def _lowest(keys: Iterable[str | int]) -> list[str | int]:
    """The few keys that hash lowest: a part of the rows has most of them too (bottom-k MinHash)."""
    return heapq.nsmallest(
        _LOWEST, keys, key=lambda key: zlib.crc32(b"%d" % key if isinstance(key, int) else key.encode())
    )


# Comparison --------------------------------------------------------------------------------------------------------


def compare_tables(first: TableFacts, second: TableFacts) -> TablePair | None:
    """How near two tables are; None where they are not."""
    sizes = len(first.columns), len(second.columns)
    if min(sizes) < _COVERAGE * max(sizes):
        return None
    told = _compare_shapes(first, second)
    if told is not None and told.derived:
        return None
    copy, original = _ordered(first, second)
    if told is not None and told.bits:
        copy, original = told.copy or copy, told.original or original
    matched, bits, known = _match(copy, original)
    if told is not None and told.bits:
        if known and not matched:  # the same words, but other rows
            return None
        matched = dict(told.columns) | {name: other for name, other in matched.items() if name not in told.columns}
        bits += told.bits
    widest = max(len(copy.columns), len(original.columns))
    coverage = len(matched) / widest if widest else 0.0
    if coverage < _COVERAGE:
        return None
    score = (0.5 + coverage / 2) * (1.0 - 2.0 ** (-bits / _HALF_SURE_BITS))
    rows = (_rows(copy), _rows(original))
    fewer = None not in rows and rows[0] != rows[1]
    renamed = sum(1 for name, other in matched.items() if name != other)
    evidence = [f"{len(matched)} of {widest} columns hold the same" + (f", {renamed} renamed" if renamed else "")]
    evidence += [told.sentence] if told is not None and told.bits else []
    if None not in rows:
        evidence.append(f"{rows[0]:,} of {rows[1]:,} rows" if fewer else f"{rows[0]:,} rows each")
    kind = "subset" if fewer or (told and told.filtered) else "copy"
    if kind == "copy" and told is not None and told.bits and not told.copies:
        kind = "transform"
    return TablePair(
        original=original.name,
        copy=copy.name,
        kind=kind,
        score=round(score, 3),
        evidence=tuple(evidence),
        columns=matched,
    )


def _rows(table: TableFacts) -> int | None:
    return table.profile.rows if table.profile else None


def _ordered(first: TableFacts, second: TableFacts) -> tuple[TableFacts, TableFacts]:
    """The copy and the original: fewer rows, or made from the other, or later by name."""
    rows = (_rows(first) or 0, _rows(second) or 0)
    if rows[0] != rows[1]:
        return (first, second) if rows[0] < rows[1] else (second, first)
    if first.name in second.reads:
        return second, first
    if second.name in first.reads or first.name > second.name:
        return first, second
    return second, first


def _match(copy: TableFacts, original: TableFacts) -> tuple[dict[str, str], float, bool]:
    """Column of the copy → column of the original, one to one; the bits that speak for it; whether values are known.

    Columns of which the profiles say nothing are matched last, those of one name first: they fill what is left, and are
    no evidence.
    """
    if copy.profile is None or original.profile is None:
        return {}, 0.0, False
    against = _contradicting(copy, original)
    offers: list[tuple[bool, str, str, ColumnMatch]] = []
    for name, column in copy.counts.items():
        for other, known in original.counts.items():
            if name in against or other in against:
                continue
            same = name.lower() == other.lower()
            match = compare_columns(column, known)
            if match is not None:
                offers.append((same, name, other, match))
    offers.sort(key=lambda offer: (not offer[3].known, not offer[0], -offer[3].bits, offer[1], offer[2]))
    matched: dict[str, str] = {}
    taken: set[str] = set()
    bits = 0.0
    for _, name, other, match in offers:
        if name in matched or other in taken:
            continue
        matched[name] = other
        taken.add(other)
        bits += match.bits
    return matched, bits, True


def _contradicting(copy: TableFacts, original: TableFacts) -> set[str]:
    """Names that both have, for other values: such a column is not taken for one of another name either."""
    both = copy.counts.keys() & original.counts.keys()
    return {name for name in both if compare_columns(copy.counts[name], original.counts[name]) is None}


@dataclass(frozen=True, kw_only=True)
class _Told:
    """What two transforms say of each other."""

    bits: float = 0.0
    derived: bool = False
    """One makes something else of the other, or both of what they read."""
    copies: bool = False
    """One reads the other, and only picks rows and columns of it."""
    filtered: bool = False
    sentence: str = ""
    copy: TableFacts | None = None
    original: TableFacts | None = None
    columns: Mapping[str, str] = field(default_factory=dict)


def _compare_shapes(first: TableFacts, second: TableFacts) -> _Told | None:
    for copy, original in ((first, second), (second, first)):
        if copy.shape is not None and original.name in copy.shape.sources:
            return _made_from(copy, original, copy.shape)
    if first.shape is None or second.shape is None or first.shape.sources != second.shape.sources:
        return None
    return _made_alike(first, second, first.shape, second.shape)


def _made_from(copy: TableFacts, original: TableFacts, shape: Shape) -> _Told:
    copied = {name: text.rpartition(".")[2] for name, text in shape.copied.items()}
    if not shape.plain or len(shape.computed) > _COMPUTED * len(shape.outputs) + 1:
        return _Told(derived=True)
    filtered = bool(shape.filters)
    return _Told(
        bits=_SQL_BITS,
        copies=True,
        filtered=filtered,
        sentence=f"build.sql {'picks rows' if filtered else 'copies'} from {original.name}",
        copy=copy,
        original=original,
        columns=_spelled(copied, copy, original),
    )


def _overlap(one: frozenset[str], other: frozenset[str]) -> float:
    return len(one & other) / len(one | other) if one or other else 1.0


def _spelled(columns: Mapping[str, str], copy: TableFacts, original: TableFacts) -> dict[str, str]:
    names = {name.lower(): name for name in copy.columns}
    others = {name.lower(): name for name in original.columns}
    return {names[name]: others[other] for name, other in columns.items() if name in names and other in others}


def _made_alike(first: TableFacts, second: TableFacts, one: Shape, other: Shape) -> _Told | None:
    if one.groups != other.groups or one.plain != other.plain:
        return None
    if _overlap(one.computed, other.computed) < _COVERAGE:
        return _Told(derived=True)
    if not (one.filters <= other.filters or other.filters <= one.filters):
        return None
    by_text = {text: name for name, text in other.outputs.items()}
    shared = {name: by_text[text] for name, text in one.outputs.items() if text in by_text}
    if len(shared) < _COVERAGE * max(len(one.outputs), len(other.outputs)):
        return None
    filtered = one.filters != other.filters
    copy, original = (first, second) if one.filters > other.filters or first.name > second.name else (second, first)
    if other.filters > one.filters:
        copy, original = second, first
    columns = shared if copy is first else {later: earlier for earlier, later in shared.items()}
    return _Told(
        bits=_SQL_BITS,
        filtered=filtered,
        sentence="both transforms compute the same" + (", one with more filters" if filtered else ""),
        copy=copy,
        original=original,
        columns=_spelled(columns, copy, original),
    )

"""What is counted of one column, an Arrow array after another: the numbers that its profile is made of.

Vectorised (numpy over Arrow's own memory), and bounded: nothing is kept of a value but its bin, its place in a sketch,
and its count as long as few values occur. A tally pickles, so that it can be made where the rows are.
"""

from __future__ import annotations

from collections import deque
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from mesh_catalog.lake.profile import BIN_OFFSET, GAMMA_LN, VALUE_LIMIT, ColumnProfile, Kind

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

__all__ = ["Tally", "bin_places", "tally_of"]

_SKETCH_LOG_SIZE = 12
_SPAN_LIMIT = 1 << 20
"""Integers this close together are counted in an array; others are sorted."""
_SAMPLE = 8_192


class Tally(Protocol):
    """Counts a column, array by array."""

    def add(self, column: pa.Array) -> None: ...

    def profile(self) -> ColumnProfile: ...


def tally_of(kind: Kind, *, withheld: bool) -> Tally:
    """The tally of a column of this kind; of a withheld (personal) one only rows and nulls are counted."""
    if withheld or kind == "other":
        return _Nulls(kind, withheld=withheld)
    return {"integer": _Integers, "float": _Floats, "string": _Texts, "boolean": _Booleans, "datetime": _Times}[kind]()


def bin_places(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """The index of each finite number's logarithmic bin (profile.py)."""
    with np.errstate(divide="ignore"):
        sizes = np.log(np.abs(values))
    zeros = np.isneginf(sizes)
    sizes /= GAMMA_LN
    np.ceil(sizes, out=sizes)
    sizes += BIN_OFFSET
    sizes[zeros] = 0
    places = sizes.astype(np.int64)
    np.negative(places, out=places, where=values < 0)
    return places


def _count_integers(values: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    if not len(values):
        return values, np.zeros(0, np.int64)
    low, high = int(values.min()), int(values.max())
    if high - low >= max(_SPAN_LIMIT, len(values)):
        return np.unique(values, return_counts=True)
    counts = np.bincount(values - low)
    found = np.flatnonzero(counts)
    return found + low, counts[found]


class _Nulls:
    """Rows and nulls of a column, and nothing else."""

    def __init__(self, kind: Kind, *, withheld: bool = False) -> None:
        self._kind = kind
        self._withheld = withheld
        self.rows = self.nulls = 0

    def add(self, column: pa.Array) -> None:
        self.rows += len(column)
        self.nulls += column.null_count
        if not self._withheld and column.null_count < len(column):
            self._add_values(column.drop_null() if column.null_count else column)

    def _add_values(self, values: pa.Array) -> None:
        """Count values that are not null; there is at least one."""

    def profile(self) -> ColumnProfile:
        return ColumnProfile(
            kind=self._kind, count=self.rows, null_count=self.nulls, withheld=self._withheld, **self._found()
        )

    def _found(self) -> dict[str, Any]:
        return {}


class _Numbers(_Nulls):
    """Extremes, sums and bins of finite numbers."""

    def __init__(self, kind: Kind) -> None:
        super().__init__(kind)
        self._minimum = self._maximum = None
        self._total = self._squares = 0.0
        self._bins: dict[int, int] = {}

    def _add_numbers(self, values: NDArray[Any]) -> None:
        low, high = values.min().item(), values.max().item()
        self._minimum = low if self._minimum is None else min(self._minimum, low)
        self._maximum = high if self._maximum is None else max(self._maximum, high)
        numbers = values.astype(np.float64, copy=False)
        with np.errstate(over="ignore"):  # a sum that no double holds is infinite
            self._total += float(numbers.sum())
            self._squares += float(np.square(numbers).sum())
        _add_counts(self._bins, *_count_integers(bin_places(numbers)))

    def _found(self) -> dict[str, Any]:
        return {
            "minimum": self._minimum,
            "maximum": self._maximum,
            "total": self._total,
            "squares": self._squares,
            "bins": self._bins,
        }


class _Floats(_Numbers):
    def __init__(self) -> None:
        super().__init__("float")
        self._nans = self._infinities = 0

    def _add_values(self, values: pa.Array) -> None:
        import pyarrow as pa

        numbers = values.cast(pa.float64()).to_numpy(zero_copy_only=False)
        finite = np.isfinite(numbers)
        kept = int(np.count_nonzero(finite))
        if kept < len(numbers):
            nans = int(np.count_nonzero(np.isnan(numbers)))
            self._nans += nans
            self._infinities += len(numbers) - kept - nans
            numbers = numbers[finite]
        if kept:
            self._add_numbers(numbers)

    def _found(self) -> dict[str, Any]:
        return {**super()._found(), "nan_count": self._nans, "infinite_count": self._infinities}


class _Integers(_Numbers):
    def __init__(self) -> None:
        super().__init__("integer")
        self._values = _Values()

    def _add_values(self, values: pa.Array) -> None:
        import pyarrow as pa

        numbers = values.cast(pa.int64()).to_numpy(zero_copy_only=False)
        self._add_numbers(numbers)
        if self._values.known is not None and not self._values.exceeds(np.unique(numbers[:_SAMPLE])):
            found, counts = _count_integers(numbers)
            self._values.add(found, counts)

    def _found(self) -> dict[str, Any]:
        return {**super()._found(), "values": self._values.known}


class _Texts(_Nulls):
    """Exact counts of few strings, and a sketch of how many there are."""

    def __init__(self) -> None:
        from datasketches import hll_sketch

        super().__init__("string")
        self._values = _Values()
        self._distinct = hll_sketch(_SKETCH_LOG_SIZE)

    def _add_values(self, values: pa.Array) -> None:
        found = values.value_counts()
        texts = found.field(0)
        if hasattr(texts, "dictionary_decode"):
            texts = texts.dictionary_decode()
        distinct = texts.to_pylist()
        deque(map(self._distinct.update, distinct), maxlen=0)
        if self._values.known is not None and not self._values.exceeds(distinct):
            self._values.add(distinct, found.field(1).to_numpy())

    def _found(self) -> dict[str, Any]:
        return {"values": self._values.known, "distinct_sketch": self._distinct.serialize_compact().hex()}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_distinct": self._distinct.serialize_compact()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        from datasketches import hll_sketch

        self.__dict__ = {**state, "_distinct": hll_sketch.deserialize(state["_distinct"])}


class _Booleans(_Nulls):
    def __init__(self) -> None:
        super().__init__("boolean")
        self._true = 0

    def _add_values(self, values: pa.Array) -> None:
        self._true += values.true_count

    def _found(self) -> dict[str, Any]:
        counts = ((0, self.rows - self.nulls - self._true), (1, self._true))
        return {"values": {value: count for value, count in counts if count}}


class _Times(_Nulls):
    """The first and the last date or time, as ISO text; times in UTC."""

    def __init__(self) -> None:
        super().__init__("datetime")
        self._range: tuple[Any, Any] | None = None

    def _add_values(self, values: pa.Array) -> None:
        import pyarrow.compute as pc

        found = pc.min_max(values)
        low, high = found["min"].as_py(), found["max"].as_py()
        self._range = (low, high) if self._range is None else (min(self._range[0], low), max(self._range[1], high))

    def _found(self) -> dict[str, Any]:
        low, high = self._range or (None, None)
        return {"minimum": _iso(low), "maximum": _iso(high)}


class _Values:
    """Exact counts, until more values occur than a profile keeps."""

    def __init__(self) -> None:
        self.known: dict[Any, int] | None = {}

    def exceeds(self, distinct: Any) -> bool:
        """Forget the counts where these alone are too many."""
        if len(distinct) > VALUE_LIMIT:
            self.known = None
        return self.known is None

    def add(self, values: Any, counts: NDArray[np.int64]) -> None:
        if not self.exceeds(values) and self.known is not None:
            _add_counts(self.known, values, counts)
            self.exceeds(self.known)


def _add_counts(known: dict[Any, int], values: Any, counts: NDArray[np.int64]) -> None:
    keys = values.tolist() if isinstance(values, np.ndarray) else values
    for value, count in zip(keys, counts.tolist(), strict=True):
        known[value] = known.get(value, 0) + count


def _iso(value: Any) -> str | None:
    if isinstance(value, datetime):
        return value.replace(tzinfo=value.tzinfo or UTC).astimezone(UTC).isoformat()
    return None if value is None else str(value.isoformat())

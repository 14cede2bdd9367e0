"""Columns to compare: random ones over every branch that drift's decision may take, and a wide table of usual ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import parquet

__all__ = ["MAKERS", "wide_frame", "write_random", "write_wide"]

WORDS = (  # noqa: SIM905
    "card payment late order parcel refund broken happy slow fast lost money account help thanks wrong item delivery "
    "price never again good service phone answer waited week day returned charged twice cancel"
).split()
Rows = NDArray[Any]
Maker = Callable[[np.random.Generator, int, float], Rows]


def _some_null(rng: np.random.Generator, values: Rows) -> Rows:
    found = values.astype(object)
    found[1:][rng.random(len(values) - 1) < 0.15] = None
    return found


def _infinite(rng: np.random.Generator, values: Rows) -> Rows:
    for odd in (np.inf, -np.inf, np.nan):
        values[1:][rng.random(len(values) - 1) < 0.05] = odd
    return values


def _words(rng: np.random.Generator, n: int, words: int, tilt: float) -> Rows:
    share = np.linspace(1, 1 + tilt, words)
    return rng.choice(np.array([f"w{i}" for i in range(words)], dtype=object), n, p=share / share.sum())


def _texts(rng: np.random.Generator, n: int, tilt: float) -> Rows:
    share = np.linspace(1, 1 + tilt, len(WORDS))
    lengths = rng.integers(4, 9, n)
    picked = [rng.choice(WORDS, length, p=share / share.sum()) for length in lengths]
    return np.array([f"{' '.join(words)} {number}" for number, words in enumerate(picked)], dtype=object)


MAKERS: dict[str, Maker] = {
    "normal": lambda r, n, s: r.normal(0.2 * s, 1, n),
    "far": lambda r, n, s: r.normal(1000 + 0.2 * s, 1, n),
    "very_far": lambda r, n, s: r.normal(1e9 + 0.2 * s, 1, n),
    "lognormal": lambda r, n, s: np.exp(r.normal(0.2 * s, 1.5, n)),
    "pareto": lambda r, n, s: r.pareto(1.2 - 0.2 * s, n),
    "cauchy": lambda r, n, s: r.standard_cauchy(n) + s,
    "tiny": lambda r, n, s: r.normal(1e-5 * s, 1e-5, n),
    "two_floats": lambda r, n, s: r.choice([0.25, -1.5], n, p=[0.5 - 0.1 * s, 0.5 + 0.1 * s]),
    "five_floats": lambda r, n, s: r.choice([0.1, 0.2, 0.3, 0.4, 0.5], n),
    "six_floats": lambda r, n, s: r.choice(6, n, p=[0.2, 0.2, 0.2, 0.2, 0.1 + 0.1 * s, 0.1 - 0.1 * s]) / 7,
    "constant_float": lambda r, n, s: np.full(n, 2.5 + 0.05 * (s > 0.5)),
    "zeros": lambda r, n, s: np.where(r.random(n) < 0.5, 0.0, -0.0),
    "mostly_zero": lambda r, n, s: np.where(r.random(n) < 0.9, 0.0, r.exponential(1 + s, n)),
    "infinite": lambda r, n, s: _infinite(r, r.normal(0.2 * s, 1, n)),
    "null_float": lambda r, n, s: _some_null(r, r.normal(0.1 * s, 1, n)),
    "many_integers": lambda r, n, s: r.integers(-5000, 5000 + int(1500 * s), n),
    "some_integers": lambda r, n, s: r.poisson(20 + s, n),
    "eleven": lambda r, n, s: r.integers(0, 11, n),
    "ten": lambda r, n, s: r.integers(0, 10 - (s > 0.5), n),
    "three": lambda r, n, s: r.choice(3, n, p=[0.3, 0.3 + 0.1 * s, 0.4 - 0.1 * s]),
    "flag": lambda r, n, s: (r.random(n) < 0.3 + 0.1 * s).astype(int),
    "constant": lambda r, n, s: np.full(n, 7),
    "other_constant": lambda r, n, s: np.full(n, 7 + (s > 0.5)),
    "null_integer": lambda r, n, s: _some_null(r, r.integers(0, 4 + (s > 0.5), n)),
    "huge_integers": lambda r, n, s: r.integers(2**50, 2**50 + int(10**6 * (1 + s)), n),
    "truth": lambda r, n, s: r.random(n) < 0.5 + 0.1 * s,
    "null_truth": lambda r, n, s: _some_null(r, r.random(n) < 0.5 + 0.1 * s),
    "four_words": lambda r, n, s: _words(r, n, 4, s),
    "new_word": lambda r, n, s: _words(r, n, 3 + (s > 0.5), 0),
    "thirty_words": lambda r, n, s: _words(r, n, 30, 0.6 * s),
    "null_words": lambda r, n, s: _some_null(r, _words(r, n, 5, 0.4 * s)),
    "one_word": lambda r, n, s: _words(r, n, 1, 0),
    "two_words": lambda r, n, s: _words(r, n, 2, 0.6 * s),
    "many_words": lambda r, n, s: _words(r, n, max(2, n // 4), s),
    "text": lambda r, n, s: _texts(r, n, 2 * s),
    "null_text": lambda r, n, s: _some_null(r, _texts(r, n, 2 * s)),
    "no_value": lambda r, n, s: np.full(n, np.nan),
    "lost": lambda r, n, s: np.full(n, np.nan) if s > 0.5 else r.normal(size=n),
}


def write_random(paths: tuple[Path, Path], seed: int, sizes: tuple[int, int]) -> None:
    """Two Parquet files of these numbers of rows: each maker's column without drift and with some."""
    rng = np.random.default_rng([seed, *sizes])
    sides: list[dict[str, Any]] = [{}, {}]
    for name, make in MAKERS.items():
        for copy, shift in enumerate((0.0, rng.random())):
            for side, rows in enumerate(sizes):
                values = make(rng, rows, shift * side)
                sides[side][f"{name}_{copy}"] = pa.array(values.tolist(), from_pandas=True)
    for columns, path in zip(sides, paths, strict=True):
        kinds = [
            (name, column.cast(pa.float64()) if pa.types.is_null(column.type) else column)
            for name, column in columns.items()
        ]
        parquet.write_table(pa.table(dict(kinds)), path)


def write_wide(folder: Path, rows: int) -> tuple[Path, Path]:
    """Two Parquet files of 20 numerical and 5 categorical columns, a million rows at a time."""
    found = []
    for side, name in enumerate(("reference", "current")):
        rng, path = np.random.default_rng(side), folder / f"{name}-{rows}.parquet"
        writer: parquet.ParquetWriter | None = None
        for start in range(0, rows, 1_000_000):
            table = pa.table(_wide_columns(rng, min(1_000_000, rows - start), side))
            writer = writer or parquet.ParquetWriter(path, table.schema)
            writer.write_table(table)
        if writer is not None:
            writer.close()
        found.append(path)
    return found[0], found[1]


def _wide_columns(rng: np.random.Generator, rows: int, side: int) -> dict[str, Any]:
    columns: dict[str, Any] = {}
    for number in range(20):
        shift = 0.3 * side * (number % 4 == 0)
        columns[f"n{number:02d}"] = _numbers(rng, number % 5, shift, rows)
    for number, words in enumerate((2, 5, 12, 50, 500)):
        share = np.ones(words)
        share[0] += side * (number == 2)
        places = rng.choice(words, rows, p=share / share.sum())
        columns[f"c{number}"] = pa.array([f"v{word}" for word in range(words)]).take(pa.array(places))
    return columns


def _numbers(rng: np.random.Generator, kind: int, shift: float, rows: int) -> Rows:
    if kind == 0:
        return rng.normal(shift, 1, rows)
    if kind == 1:
        return np.exp(rng.normal(shift, 1.2, rows))
    if kind == 2:
        return rng.gamma(2 + shift, 1, rows)
    return rng.integers(0, 100_000, rows) if kind == 3 else rng.pareto(2.5, rows)


def wide_frame(side: int, rows: int) -> pd.DataFrame:
    """One side of the wide table, for pandas."""
    columns = _wide_columns(np.random.default_rng(side), rows, side)
    return pd.DataFrame({n: one.to_pandas() if isinstance(one, pa.Array) else one for n, one in columns.items()})

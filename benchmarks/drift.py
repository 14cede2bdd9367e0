"""Drift: whether every decision is Evidently's, and what it costs beside Evidently on pandas.

    python -m benchmarks.drift                        all parts, an hour on two cores
    python -m benchmarks.drift --part columns --part files --json

Parts:

- columns: random columns over every branch and pair of sizes (few and many values, heavy tails, new categories,
  constants, nulls, infinities, booleans, strings, text), written to Parquet, compared by `open_file` and by Evidently's
  `DataDriftPreset` on what pandas reads; method, decision and share must be the same.
- shared: the halves of every CSV of $MESH_SHARED/data, the same way; files over --most-rows are cut there for both.
- profiles: `mesh drift product@0 product@1` of 25 columns from stored profiles, a process of its own; once more with
  Evidently's page.
- files: `mesh drift` on two Parquet files of --rows x 25 (20 numerical), and Evidently on pandas reading the same;
  whole processes, wall time, processor time and largest resident memory.
- large: the same at --large-rows, with no more than 4 GiB of private memory for either.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import parquet

os.environ.setdefault("DO_NOT_TRACK", "1")

from mesh_catalog.monitoring.drift import compare_sides
from mesh_catalog.monitoring.files import open_file

PARTS = ("columns", "shared", "profiles", "files", "large")
SIZES = [(30, 50), (40, 700), (1000, 900), (1001, 300), (3000, 2500), (900, 9000), (11_000, 10_500)]
MEMORY = 4 * 2**30
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


@dataclass(frozen=True, kw_only=True)
class Said:
    method: str
    score: float
    drifted: bool


@dataclass(kw_only=True)
class Tally:
    columns: int = 0
    decided: int = 0
    """Columns that Evidently decides; of the others ours must have a reason."""
    equal: int = 0
    shares: int = 0
    equal_shares: int = 0
    worst: float = 0.0
    """Largest relative difference of a score, of those from bins too."""
    different: list[str] | None = None

    def told(self) -> dict[str, Any]:
        return {**self.__dict__, "different": (self.different or [])[:20]}


def ask_evidently(reference: pd.DataFrame, current: pd.DataFrame, types: dict[str, str]) -> dict[str, Said]:
    """Evidently's default verdict on columns of these types."""
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    lists = {
        f"{type_}_columns": [name for name, found in types.items() if found == type_]
        for type_ in ("numerical", "categorical", "text", "datetime", "unknown", "list")
    }
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        frames = [Dataset.from_pandas(one[list(types)], DataDefinition(**lists)) for one in (current, reference)]
        found = Report([DataDriftPreset()], include_tests=True).run(*frames).dict()
    failed = {test["metric_config"]["metric_id"]: test["status"].value == "FAIL" for test in found["tests"]}
    return {
        metric["config"]["column"]: Said(
            method=metric["config"]["method"], score=float(metric["value"]), drifted=failed[metric["id"]]
        )
        for metric in found["metrics"]
        if "column" in metric["config"]
    }


def evidently_types(reference: pd.DataFrame, current: pd.DataFrame) -> dict[str, str]:
    """The type that Evidently infers of each column that it compares; booleans with nulls, which it drops, too."""
    from evidently.core.datasets import infer_column_type

    names = {"num": "numerical", "cat": "categorical", "text": "text"}
    found: dict[str, str] = {}
    for name in current:
        clean = [_cleaned(side[name]) for side in (reference, current)]
        if not all(map(len, clean)) or {one.dtype.kind == "O" for one in clean} == {True, False}:
            continue  # its whole report would fail
        if pd.api.types.infer_dtype(clean[1]) == "boolean":
            found[str(name)] = "categorical"
        elif (type_ := names.get(infer_column_type(current[name]).value)) is not None:
            found[str(name)] = type_
    return found


def _cleaned(column: pd.Series[Any]) -> pd.Series[Any]:
    return column.replace([-np.inf, np.inf], np.nan).dropna()


def compare_paths(paths: tuple[Path, Path], tally: Tally, label: str) -> None:
    """Our verdict on two files beside Evidently's on what pandas reads of them."""
    read = pd.read_csv if paths[0].suffix == ".csv" else pd.read_parquet
    frames = [read(path) for path in paths]
    types = evidently_types(frames[0], frames[1])
    said: dict[str, Said] = {}
    for name, type_ in list(types.items()):
        if type_ == "text":  # by itself: where its texts are too few, Evidently's whole report fails
            del types[name]
            try:
                said |= ask_evidently(frames[0], frames[1], {name: type_})
            except ValueError:
                continue
    said |= ask_evidently(frames[0], frames[1], types) if types else {}
    with open_file(paths[0]) as reference, open_file(paths[1]) as current:
        result = compare_sides(reference, current).result
    different = tally.different = tally.different or []
    for column in result.columns:
        tally.columns += 1
        expected = said.get(column.column)
        if expected is None:
            agree = column.reason is not None
        else:
            tally.decided += 1
            agree = (column.method, column.drifted) == (expected.method, expected.drifted)
            if column.score is not None and expected.score:
                tally.worst = max(tally.worst, abs(column.score - expected.score) / max(expected.score, 1e-3))
        tally.equal += agree
        if not agree:
            different.append(f"{label} {column.column}: {column.to_dict()} and {expected}")
    if said:
        tally.shares += 1
        share = sum(one.drifted for one in said.values()) / len(said)
        tally.equal_shares += bool(np.isclose(share, result.share)) and (share >= 0.5) == result.drifted


def part_columns(folder: Path, seeds: Sequence[int], note: Callable[[str], None]) -> dict[str, Any]:
    tally, started = Tally(), time.perf_counter()
    for seed in seeds:
        for sizes in SIZES:
            rng = np.random.default_rng([seed, *sizes])
            sides: list[dict[str, Any]] = [{}, {}]
            for name, make in MAKERS.items():
                for copy, shift in enumerate((0.0, rng.random())):
                    for side, rows in enumerate(sizes):
                        values = make(rng, rows, shift * side)
                        sides[side][f"{name}_{copy}"] = pa.array(values.tolist(), from_pandas=True)
            paths = folder / "reference.parquet", folder / "current.parquet"
            for columns, path in zip(sides, paths, strict=True):
                kinds = [
                    (name, column.cast(pa.float64()) if pa.types.is_null(column.type) else column)
                    for name, column in columns.items()
                ]
                parquet.write_table(pa.table(dict(kinds)), path)
            compare_paths(paths, tally, f"seed {seed} sizes {sizes}")
            note(f"seed {seed}, {sizes[0]:,} and {sizes[1]:,} rows: {tally.equal} of {tally.columns} columns equal")
    return {**tally.told(), "seconds": round(time.perf_counter() - started, 1)}


def part_shared(folder: Path, data: Path, most_rows: int, note: Callable[[str], None]) -> dict[str, Any]:
    tally, files = Tally(), {}
    for path in sorted(data.rglob("*")):
        name = path.name.lower()
        if not path.is_file() or not any(name.endswith(end) for end in (".csv", ".csv.gz", ".tsv", ".tsv.gz")):
            continue
        separator = "\t" if ".tsv" in name else ","
        try:
            frame = pd.read_csv(path, sep=separator, nrows=most_rows, low_memory=False)
        except (ValueError, UnicodeDecodeError) as error:
            files[path.name] = f"not read: {type(error).__name__}"
            continue
        half = len(frame) // 2
        halves = folder / "reference.csv", folder / "current.csv"
        for part, target in zip((frame.iloc[:half], frame.iloc[half:]), halves, strict=True):
            part.to_csv(target, index=False)
        before = tally.equal, tally.columns
        compare_paths(halves, tally, path.name)
        files[path.name] = f"{tally.equal - before[0]} of {tally.columns - before[1]} columns, {len(frame):,} rows"
        note(f"{path.name}: {files[path.name]}")
    return {**tally.told(), "files": files}


@dataclass(frozen=True, kw_only=True)
class Spent:
    """What a whole process took."""

    seconds: float
    processor_seconds: float
    mebibytes: float
    exit_code: int
    said: str

    def told(self) -> dict[str, Any]:
        return {key: round(value, 2) if isinstance(value, float) else value for key, value in self.__dict__.items()}


def run(command: Sequence[str], *, limit: int | None = None, folder: Path | None = None) -> Spent:
    """Run a command, with a limit on its private memory in bytes."""

    def limited() -> None:
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))

    with tempfile.TemporaryFile("w+") as out:
        started = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=out, preexec_fn=limited, cwd=folder)
        _pid, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        last = (out.read().strip().splitlines() or [""])[-1]
    return Spent(
        seconds=seconds,
        processor_seconds=used.ru_utime + used.ru_stime,
        mebibytes=used.ru_maxrss / 1024,
        exit_code=process.returncode,
        said=last[:200] if process.returncode else "",
    )


OURS = "from mesh_catalog.cli.main import main; main()"
THEIRS = """
import sys, warnings
warnings.simplefilter("ignore")
import pandas as pd
from evidently import DataDefinition, Dataset, Report
from evidently.presets import DataDriftPreset
reference, current = (Dataset.from_pandas(pd.read_parquet(path), DataDefinition()) for path in sys.argv[1:3])
print(Report([DataDriftPreset()], include_tests=True).run(current, reference).json())
"""


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


def part_files(folder: Path, rows: int, *, limit: int | None = None) -> dict[str, Any]:
    paths = [str(path) for path in write_wide(folder, rows)]
    python = sys.executable
    ours = run([python, "-c", OURS, "drift", *paths, "--json"], limit=limit)
    theirs = run([python, "-c", THEIRS, *paths], limit=limit)
    return {
        "rows": rows,
        "columns": 25,
        "ours": ours.told(),
        "evidently": theirs.told(),
        "time_ratio": round(ours.seconds / theirs.seconds, 3),
        "processor_ratio": round(ours.processor_seconds / theirs.processor_seconds, 3),
        "memory_ratio": round(ours.mebibytes / theirs.mebibytes, 3),
    }


def _numbers(rng: np.random.Generator, kind: int, shift: float, rows: int) -> Rows:
    if kind == 0:
        return rng.normal(shift, 1, rows)
    if kind == 1:
        return np.exp(rng.normal(shift, 1.2, rows))
    if kind == 2:
        return rng.gamma(2 + shift, 1, rows)
    return rng.integers(0, 100_000, rows) if kind == 3 else rng.pareto(2.5, rows)


def part_profiles(folder: Path) -> dict[str, Any]:
    """A product of two versions whose profiles are stored as publishing stores them; made without Spark."""
    from benchmarks.drift_product import make_product

    root = make_product(
        folder, [pd.DataFrame(_plain(_wide_columns(np.random.default_rng(n), 200_000, n))) for n in (0, 1)]
    )
    command = [sys.executable, "-c", OURS, "drift", "shop.wide@0", "shop.wide@1..1"]
    os.environ["MESH_WORKSPACE"] = str(root)
    verdicts = [run([*command, "--json"], folder=root) for _ in range(3)]
    page = run([*command, "--html", str(folder / "drift.html")], folder=root)
    return {
        "verdict": min(verdicts, key=lambda one: one.seconds).told(),
        "verdict_and_page": page.told(),
        "rows": 200_000,
        "columns": 25,
    }


def _plain(columns: dict[str, Any]) -> dict[str, Any]:
    return {name: column.to_pandas() if isinstance(column, pa.Array) else column for name, column in columns.items()}


def bars(found: dict[str, Any]) -> list[tuple[str, str, str, bool]]:
    """Each bar that was measured: what, bar, found, held."""
    rows: list[tuple[str, str, str, bool]] = []

    def add(what: str, bar: str, value: str, held: bool) -> None:
        rows.append((what, bar, value, held))

    for part in ("columns", "shared"):
        if (one := found.get(part)) is not None:
            equal = one["equal"] == one["columns"] and one["equal_shares"] == one["shares"]
            add(f"decisions equal: {part}", "100 %", f"{one['equal']:,} of {one['columns']:,} columns", equal)
    if (one := found.get("profiles")) is not None:
        verdict, page = one["verdict"], one["verdict_and_page"]
        add("verdict from profiles", "<= 3 s", f"{verdict['seconds']} s", verdict["seconds"] <= 3)
        add("its memory", "<= 400 MiB", f"{verdict['mebibytes']:.0f} MiB", verdict["mebibytes"] <= 400)
        add("verdict and page", "<= 12 s", f"{page['seconds']} s", page["seconds"] <= 12)
    if (one := found.get("files")) is not None:
        add(f"{one['rows']:,} x 25, time / Evidently", "<= 0.10", f"{one['time_ratio']}", one["time_ratio"] <= 0.1)
        add("memory / Evidently", "<= 0.5", f"{one['memory_ratio']}", one["memory_ratio"] <= 0.5)
    if (one := found.get("large")) is not None:
        done = one["ours"]["exit_code"] == 0 and one["ours"]["mebibytes"] <= 4096
        value = f"exit {one['ours']['exit_code']}, {one['ours']['mebibytes']:.0f} MiB, {one['ours']['seconds']} s"
        add(f"{one['rows']:,} x 25 within 4 GiB", "finishes", value, done)
        theirs = (
            f"exit {one['evidently']['exit_code']}, {one['evidently']['mebibytes']:.0f} MiB {one['evidently']['said']}"
        )
        add("Evidently there", "", theirs, True)
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", action="append", choices=PARTS, help="Only this; may be given more than once.")
    parser.add_argument("--seeds", type=int, default=4, help="Of the random columns: 532 columns each.")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--large-rows", type=int, default=10_000_000)
    parser.add_argument("--most-rows", type=int, default=1_000_000, help="Of a shared file.")
    parser.add_argument("--folder", type=Path, help="For files; a temporary one otherwise.")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    parts = options.part or PARTS

    def note(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    found: dict[str, Any] = {"machine": {"cores": os.cpu_count(), "system": platform.platform()}}
    with tempfile.TemporaryDirectory(prefix="mesh-bench-", dir=options.folder) as name:
        folder = Path(name)
        if "columns" in parts:
            seeds = range(options.first_seed, options.first_seed + options.seeds)
            found["columns"] = part_columns(folder, seeds, note)
        if "shared" in parts:
            shared = Path(os.environ.get("MESH_SHARED", "../shared"))
            found["shared"] = part_shared(folder, shared / "data", options.most_rows, note)
        if "profiles" in parts:
            found["profiles"] = part_profiles(folder)
        if "files" in parts:
            found["files"] = part_files(folder, options.rows)
        if "large" in parts:
            found["large"] = part_files(folder, options.large_rows, limit=MEMORY)
    if options.json:
        print(json.dumps(found, indent=2))
        return 0
    for what, bar, value, held in bars(found):
        print(f"{what:40} {bar:10} {value:45} {'held' if held else 'MISSED'}")
    for part in ("columns", "shared"):
        for line in found.get(part, {}).get("different", []):
            print(f"different: {line}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

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
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

os.environ.setdefault("DO_NOT_TRACK", "1")

from benchmarks.drift_columns import wide_frame, write_random, write_wide
from benchmarks.drift_evidently import ask_of_all
from mesh_catalog.monitoring.drift import compare_sides
from mesh_catalog.monitoring.files import open_file

PARTS = ("columns", "shared", "profiles", "files", "large")
SIZES = [(30, 50), (40, 700), (1000, 900), (1001, 300), (3000, 2500), (900, 9000), (11_000, 10_500)]
MEMORY = 4 * 2**30


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


def compare_paths(paths: tuple[Path, Path], tally: Tally, label: str) -> None:
    """Our verdict on two files beside Evidently's on what pandas reads of them."""
    read = pd.read_csv if paths[0].suffix == ".csv" else pd.read_parquet
    frames = [read(path) for path in paths]
    said = ask_of_all(frames[0], frames[1])
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
    paths = folder / "reference.parquet", folder / "current.parquet"
    for seed in seeds:
        for sizes in SIZES:
            write_random(paths, seed, sizes)
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


STARTER = """
import json, os, resource, subprocess, sys, time
limit, folder, *command = sys.argv[1:]
limited = (lambda: resource.setrlimit(resource.RLIMIT_DATA, (int(limit), int(limit)))) if limit else None
started = time.perf_counter()
process = subprocess.Popen(command, stdout=subprocess.DEVNULL, preexec_fn=limited, cwd=folder or None)
_pid, status, used = os.wait4(process.pid, 0)
print(json.dumps({
    "seconds": time.perf_counter() - started,
    "processor_seconds": used.ru_utime + used.ru_stime,
    "mebibytes": used.ru_maxrss / 1024,
    "exit_code": os.waitstatus_to_exitcode(status),
}))
"""
"""Linux counts what a process's parent holds when it is forked as memory of the process, so a small one starts it."""


def run(command: Sequence[str], *, limit: int | None = None, folder: Path | None = None) -> Spent:
    """Run a command, with a limit on its private memory in bytes."""
    starter = [sys.executable, "-I", "-S", "-c", STARTER, str(limit or ""), str(folder or ""), *command]
    done = subprocess.run(starter, capture_output=True, text=True, check=True)
    spent = json.loads(done.stdout)
    last = (done.stderr.strip().splitlines() or [""])[-1]
    return Spent(**spent, said=last[:200] if spent["exit_code"] else "")


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


def part_profiles(folder: Path) -> dict[str, Any]:
    """A product of two versions whose profiles are stored as publishing stores them; made without Spark."""
    from benchmarks.drift_product import make_product

    root = make_product(folder, [wide_frame(side, 200_000) for side in (0, 1)])
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

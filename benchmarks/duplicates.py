"""Duplicates planted in a synthetic mesh, and how many `mesh duplicates` finds of them, and how many it makes up.

    python -m benchmarks.duplicates --products 1000 --planted 50 --seeds 5

Every product has real rows, drawn from the columns of its kind of business, and the profile that publish would have
kept of them (`mesh_catalog.lake.tally`); about half are built by SQL, and what they hold was computed as the SQL says.
Planted: copies, renamed tables, renamed columns, filtered parts, lagging parts, one column more or less, the same
transform written in another way; two in three without any lineage between copy and original. Around them, what is
alike and is no duplicate: the same table for other regions, years and tenants (one schema, one distribution, ids that
begin at 1 everywhere), small code tables, aggregates, joins with more columns, other aggregates of the same source.
Shares no constant with the detector.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import sys
import time
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from benchmarks.planted import Made, World, arrow_type, build
from mesh_catalog.lake.collect import column_kind
from mesh_catalog.lake.duplicates.shapes import read_shape
from mesh_catalog.lake.duplicates.tables import TableFacts, find_pairs
from mesh_catalog.lake.profile import Profile
from mesh_catalog.lake.tally import tally_of

RECALL_BAR, PRECISION_BAR = 0.95, 0.9


def facts(world: World) -> list[TableFacts]:
    schemas = {one.name: types(one.rows) for one in world.made.values()}
    found = []
    for one in world.made.values():
        shape = read_shape(one.sql, schemas) if one.sql else None
        found.append(
            TableFacts(
                name=one.name,
                columns=schemas[one.name],
                profile=profile(one),
                shape=shape,
                reads=frozenset(one.reads),
            )
        )
    return found


def types(rows: pa.Table) -> dict[str, str]:
    return {name: arrow_type(rows[name].type) for name in rows.column_names}


def profile(one: Made) -> Profile:
    found = {}
    for name in one.rows.column_names:
        tally = tally_of(column_kind(arrow_type(one.rows[name].type)), withheld=name in one.withheld)
        tally.add(one.rows[name].combine_chunks())
        found[name] = tally.profile()
    return Profile(rows=one.rows.num_rows, columns=found)


def measure(seed: int, count: int, planted: int, *, verbose: bool) -> dict[str, Any]:
    world = build(seed, count, planted)
    known = facts(world)
    started = time.perf_counter()
    pairs = find_pairs(known)
    seconds = time.perf_counter() - started
    found = {tuple(sorted((pair.original, pair.copy))): pair for pair in pairs}
    right = found.keys() & world.planted.keys()
    if verbose:
        for missed in sorted(world.planted.keys() - found.keys()):
            print("missed", world.planted[missed], missed, file=sys.stderr)
        for wrong in sorted(found.keys() - world.planted.keys()):
            print("made up", found[wrong], file=sys.stderr)
    return {
        "seed": seed,
        "products": len(world.made),
        "planted": len(world.planted),
        "found": len(found),
        "recall": len(right) / len(world.planted),
        "precision": len(right) / len(found) if found else 0.0,
        "seconds": seconds,
    }


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--products", type=int, default=1000)
    parser.add_argument("--planted", type=int, default=50)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--verbose", action="store_true", help="name what was missed and what was made up")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(arguments)
    runs = []
    for seed in range(given.first_seed, given.first_seed + given.seeds):
        runs.append(measure(seed, given.products, given.planted, verbose=given.verbose))
        if not given.json:
            print({key: round(value, 3) for key, value in runs[-1].items()}, flush=True)
    summary = {
        "recall": [min(one["recall"] for one in runs), statistics.mean(one["recall"] for one in runs)],
        "precision": [min(one["precision"] for one in runs), statistics.mean(one["precision"] for one in runs)],
        "seconds": statistics.median(one["seconds"] for one in runs),
        "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "runs": runs,
    }
    if given.json:
        print(json.dumps(summary, indent=2))
    else:
        print(f"worst recall {summary['recall'][0]:.3f} (bar {RECALL_BAR}), precision {summary['precision'][0]:.3f}"
              f" (bar {PRECISION_BAR}), median {summary['seconds']:.1f} s, {summary['memory_mb']} MB")  # fmt: skip
    held = summary["recall"][0] >= RECALL_BAR and summary["precision"][0] >= PRECISION_BAR
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())

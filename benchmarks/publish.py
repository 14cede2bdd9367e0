"""What a governed publish costs beside a plain Delta write of the same rows, in one session, side by side.

    python -m benchmarks.publish --rows 1000000 --json

25 columns: 16 doubles (normal, lognormal, exponential, gamma), 4 integers (a key, few values, many values, counts),
5 strings of 5 to 10,000 values. All four read the same Parquet file and replace a table of their own, in turn:

- plain: `df.write.format("delta").mode("overwrite")`.
- rules: published through the product with 20 row rules, `profile: false`.
- profile: the same with the profile of every column.
- two passes: what a user would do instead: a plain write, then one more scan that counts the 20 rules and, of every
  column, nulls, extremes, moments, three percentiles and an estimate of its distinct values. Its table is its own: what
  a scan leaves in memory of a table's log would spare the next write that look.

Then a 300-row batch appended to a table of 300, with the time of each step, and the profile publish of half the rows.
Each figure is a median of the rounds after one unmeasured; the ratios are medians of each round's own ratio.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from mesh_catalog.access.mesh import Mesh, open_mesh
from mesh_catalog.catalog.assets import sync_workspace
from mesh_catalog.lake.publish import publish_product
from mesh_catalog.lake.session import open_session
from mesh_catalog.settings import load_settings

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

DOUBLES, INTEGERS = 16, 4
STRING_VALUES = (5, 20, 300, 1_000, 10_000)
SMALL_ROWS = 300
BARS = {"profile / plain": 1.35, "rules / plain": 1.15, "small batch": 2.0, "rows doubled": 2.1}
BALANCED = ((0, 1, 3, 2), (1, 2, 0, 3), (2, 3, 1, 0), (3, 0, 2, 1))
"""Orders in which each of four comes once behind each other one (Williams 1949): what one leaves to be flushed and
collected slows the next."""
AT_LEAST = {"two passes / profile": 1.5}


def make_rows(rows: int, *, seed: int) -> pa.Table:
    """The benchmark's rows, reproducible."""
    generator = np.random.default_rng(seed)
    makers: list[Callable[[], Any]] = [
        lambda: generator.normal(100, 15, rows),
        lambda: generator.lognormal(3, 1.5, rows),
        lambda: generator.exponential(20, rows),
        lambda: np.round(generator.gamma(2, 30, rows), 2),
    ]
    columns: dict[str, Any] = {f"d{number}": makers[number % 4]() for number in range(DOUBLES)}
    columns |= {
        "i0": np.arange(rows) + seed * 1_000_000_000,
        "i1": generator.integers(0, 50, rows),
        "i2": generator.integers(0, 100_000, rows),
        "i3": generator.poisson(7, rows),
    }
    for number, count in enumerate(STRING_VALUES):
        values = np.array([f"value_{value:05d}" for value in range(count)])
        columns[f"s{number}"] = values[generator.integers(0, count, rows)]
    return pa.table(columns)


def contract(name: str, *, profile: bool, mode: str) -> dict[str, Any]:
    """25 columns with 20 row rules, none of which the rows break."""
    columns: list[dict[str, Any]] = [
        {"name": f"d{n}", "logicalType": "number", "logicalTypeOptions": {"minimum": -1_000} if n < 8 else {}}
        for n in range(DOUBLES)
    ]
    columns += [
        {"name": f"i{n}", "logicalType": "integer", "required": True, "logicalTypeOptions": {"minimum": 0}}
        for n in range(INTEGERS)
    ]
    columns += [
        {"name": f"s{n}", "logicalType": "string", "logicalTypeOptions": {"maxLength": 20} if n < 4 else {}}
        for n in range(len(STRING_VALUES))
    ]
    return {
        "apiVersion": "v3.1.0",
        "kind": "DataContract",
        "id": f"bench.{name}",
        "version": "1.0.0",
        "status": "active",
        "schema": [{"name": name, "physicalType": "table", "properties": columns}],
        "customProperties": [{"property": "writeMode", "value": mode}, {"property": "profile", "value": profile}],
    }


def write_workspace(root: Path) -> None:
    (root / "conf").mkdir(parents=True)
    (root / "conf" / "local.yaml").write_text("spark: {master: 'local[*]'}\n")
    domain = root / "domains" / "bench"
    domain.mkdir(parents=True)
    (domain / "domain.yaml").write_text("name: bench\nowner: bench\n")
    products = (("profiled", True, "overwrite"), ("ruled", False, "overwrite"), ("small", True, "append"))
    for name, profile, mode in products:
        (domain / name).mkdir()
        (domain / name / "contract.yaml").write_text(json.dumps(contract(name, profile=profile, mode=mode)))
        landing = "small" if name == "small" else "large"
        (domain / name / "source.yaml").write_text(
            json.dumps({"path": f"landing/{landing}/*.parquet", "format": "parquet"})
        )


class Bench:
    """One session, one workspace, and the four ways of writing."""

    def __init__(self, spark: SparkSession, mesh: Mesh, root: Path) -> None:
        self.spark, self.mesh, self.root = spark, mesh, root
        self._landed = 0

    def land(self, folder: str, rows: int) -> None:
        """Put a file of rows where the products find it; of the large ones only the newest stays."""
        self._landed += 1
        path = self.root / "landing" / folder / f"{self._landed:05d}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        if folder == "large":
            for old in path.parent.iterdir():
                old.unlink()
        parquet.write_table(make_rows(rows, seed=self._landed), path, row_group_size=max(1, rows // 8))

    def frame(self) -> DataFrame:
        return self.spark.read.parquet(str(self.root / "landing" / "large" / "*.parquet"))

    def plain(self, name: str = "plain") -> None:
        self.frame().write.format("delta").mode("overwrite").save(str(self.root / name))

    def publish(self, name: str) -> None:
        result = publish_product(self.spark, self.mesh, self.mesh.workspace.product(f"bench.{name}"))
        if result.outcome != "published":
            raise SystemExit(f"bench.{name}: {result.outcome}")

    def two_passes(self) -> None:
        """Write plainly, then count the rules and profile the columns of what was written."""
        from pyspark.sql import functions as F

        self.plain("two_passes")
        table = self.spark.read.format("delta").load(str(self.root / "two_passes"))
        rules = [f"d{n} >= -1000" for n in range(8)] + [f"i{n} is not null" for n in range(INTEGERS)]
        rules += [f"i{n} >= 0" for n in range(INTEGERS)] + [f"char_length(s{n}) <= 20" for n in range(4)]
        found = [F.count_if(~F.expr(rule)).alias(f"rule{n}") for n, rule in enumerate(rules)]
        for name, kind in table.dtypes:
            column = F.col(name)
            found += [F.count_if(column.isNull()), F.min(column), F.max(column), F.approx_count_distinct(column)]
            if kind != "string":
                found += [F.avg(column), F.stddev(column), F.percentile_approx(column, [0.25, 0.5, 0.75])]
        table.agg(*found).collect()


def timed(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def compare(bench: Bench, rows: int, rounds: int) -> dict[str, Any]:
    """Medians of seconds and of each round's ratios."""
    bench.land("large", rows)
    actions: dict[str, Callable[[], object]] = {
        "plain": bench.plain,
        "rules": lambda: bench.publish("ruled"),
        "profile": lambda: bench.publish("profiled"),
        "two passes": bench.two_passes,
    }
    for action in actions.values():
        action()
    names = list(actions)
    orders = [[names[place] for place in BALANCED[number % len(BALANCED)]] for number in range(rounds)]
    found = [{name: timed(actions[name]) for name in order} for order in orders]

    def ratio(of: Callable[[dict[str, float]], float]) -> float:
        return round(statistics.median(of(one) for one in found), 3)

    return {
        "rows": rows,
        "seconds": {name: round(statistics.median(one[name] for one in found), 2) for name in actions},
        "profile / plain": ratio(lambda one: one["profile"] / one["plain"]),
        "rules / plain": ratio(lambda one: one["rules"] / one["plain"]),
        "two passes / profile": ratio(lambda one: one["two passes"] / one["profile"]),
    }


def doubled(bench: Bench, rows: int, rounds: int) -> float:
    """Seconds of a profile publish of `rows` over those of half as many: medians."""
    medians = []
    for count in (rows // 2, rows):
        bench.land("large", count)
        bench.publish("profiled")
        medians.append(statistics.median(timed(lambda: bench.publish("profiled")) for _round in range(rounds)))
    return round(medians[1] / medians[0], 3)


def small_batch(bench: Bench, rounds: int) -> dict[str, Any]:
    """Seconds of a 300-row append, and where they go."""
    for _warm in range(3):
        bench.land("small", SMALL_ROWS)
        bench.publish("small")
    totals: list[float] = []
    steps: list[dict[str, float]] = []
    for _round in range(rounds):
        bench.land("small", SMALL_ROWS)
        with _steps() as seconds:
            totals.append(timed(lambda: bench.publish("small")))
        steps.append(seconds)
    named = {name: round(statistics.median(one[name] for one in steps), 3) for name in steps[0]}
    return {"rows": SMALL_ROWS, "seconds": round(statistics.median(totals), 2), "steps": named}


@contextmanager
def _steps() -> Iterator[dict[str, float]]:
    """Time the named steps of a publish while it runs; steps that hold others are told without them."""
    from mesh_catalog.lake import audit, batch, frames, publish

    seconds: dict[str, float] = {}
    under_way: list[float] = []

    def watched(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **options: Any) -> Any:
            started = time.perf_counter()
            under_way.append(0.0)
            try:
                return original(*args, **options)
            finally:
                spent = time.perf_counter() - started
                inside = under_way.pop()
                seconds[name] = seconds.get(name, 0.0) + spent - inside
                if under_way:
                    under_way[-1] += spent

        return run

    places = [
        (publish, "_known_state", "state of the table and the catalog"),
        (publish, "make_batch", "inputs and transform"),
        (batch, "_conform", "cast to the contract"),
        (batch, "reconcile_properties", "properties of the table"),
        (batch, "_commit", "Spark writes and commits"),
        (audit, "profile_files", "profile"),
        (audit.Audit, "__call__", "checks, profile and manifest stored"),
        (batch, "column_edges", "lineage events"),
        (frames, "record_commits", "catalog"),
    ]
    patches = [patch.object(owner, name, watched(told, getattr(owner, name))) for owner, name, told in places]
    for one in patches:
        one.start()
    try:
        yield seconds
    finally:
        for one in patches:
            one.stop()


def report(found: dict[str, Any]) -> None:
    for size in found["sizes"]:
        print(
            f"\n{size['rows']:,} rows x {DOUBLES + INTEGERS + len(STRING_VALUES)} columns, seconds: {size['seconds']}"
        )
        for name in ("profile / plain", "rules / plain"):
            print(f"  {name:<24} {size[name]:>6}   at most {BARS[name]}")
        for name, bar in AT_LEAST.items():
            print(f"  {name:<24} {size[name]:>6}   above {bar}")
    print(f"\nrows doubled / time        {found['rows doubled']:>6}   at most {BARS['rows doubled']}")
    small = found["small batch"]
    print(f"{small['rows']}-row batch, warm         {small['seconds']:>6} s at most {BARS['small batch']}")
    for name, seconds in small["steps"].items():
        print(f"  {seconds:>6} s  {name}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 5_000_000])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true", dest="as_json", help="print one JSON document")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mesh-publish-") as folder:
        root = Path(folder)
        write_workspace(root)
        settings = load_settings(workspace=root)
        with open_mesh(settings) as mesh:
            sync_workspace(mesh.catalog, mesh.workspace)
            bench = Bench(open_session(settings, app_name="benchmarks.publish"), mesh, root)
            found = {
                "small batch": small_batch(bench, options.rounds),
                "sizes": [compare(bench, rows, options.rounds) for rows in options.rows],
                "rows doubled": doubled(bench, max(options.rows), min(options.rounds, 3)),
            }
    if options.as_json:
        json.dump(found, sys.stdout, indent=2)
        print()
    else:
        report(found)


if __name__ == "__main__":
    main()

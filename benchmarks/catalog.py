"""How fast the catalog answers at the size of a large company, on SQLite and on PostgreSQL.

    python -m benchmarks.catalog --datasets 100000 --backend sqlite --backend postgres --json

A synthetic mesh, the same for every backend and seed: domains of very different sizes (one of exactly 120 tables),
names, columns and tags from a vocabulary in which few words are in most assets and most words in few, descriptions in
Korean too; five columns a dataset by default; five edges a dataset, in groups of 10,000 of which one dataset feeds all
others. Half of the datasets have a published version.

- search: one, two or three words, beginnings, typos, Korean with a particle or a typo, narrowed by a domain.
- open: one product with its columns, its rules and its newest version.
- domain: the 120 tables of a domain.
- impact: everything downstream of a dataset that 9,999 others come from, with owners and versions.
- graph: the same with all its 50,000 links, as a drawing needs them; no bar.
- events: OpenLineage events, 500 at once, half of them the COMPLETE of a START before; one input and one output each.
- register: 500 datasets in one transaction, timed in their thousands while the mesh grows.

Each operation warms up once. What the process holds by then is left out of garbage collection, as a server would do.
PostgreSQL is a server of this run's own, on this machine, with 1 GB of shared buffers.
"""

from __future__ import annotations

import argparse
import gc
import json
import platform
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import insert

from mesh_catalog.catalog.assets import Dataset, register_products
from mesh_catalog.catalog.inventory import list_domain, read_columns, read_product, read_rules
from mesh_catalog.catalog.lineage import lineage, reached
from mesh_catalog.catalog.openlineage.ingest import ingest, parse_events
from mesh_catalog.catalog.search import find
from mesh_catalog.catalog.store import Catalog, open_catalog
from mesh_catalog.catalog.tables import edges, runs, versions
from mesh_catalog.catalog.versions import latest_version
from mesh_catalog.contracts.contract import Column, Contract

BARS_MS = {"search": 50.0, "open": 10.0, "domain": 20.0, "impact": 300.0}
REGISTERED_A_SECOND = 1_000
EVENTS_A_SECOND = 1_000
_Item = TypeVar("_Item")
GROUP = 10_000
TABLES = 120
AT_ONCE = 500
LISTED = "listed"
ENGLISH = (  # noqa: SIM905
    "customer order payment account invoice product sales daily weekly monthly transaction shipment stock price event "
    "session click page user login device country region store ticket claim policy risk score model feature label "
    "fraud refund return discount campaign channel email phone address contact lead visit margin cost revenue budget "
    "forecast supplier purchase delivery route driver vehicle sensor reading alarm machine line batch quality defect "
    "inspection patient doctor diagnosis lab result drug dose course student grade exam teacher salary contract"
).split()
KOREAN = (  # noqa: SIM905
    "고객 주문 결제 계정 송장 상품 매출 일별 거래 배송 재고 가격 사용자 기기 국가 지역 매장 보험 위험 점수 환불 할인 "
    "전화 주소 원가 예산 예측 공급업체 구매 배달 차량 센서 설비 품질 검사 환자 진단 약품 학생 성적 급여 직원 계약"
).split()
SYLLABLES = "ba ce di fo gu ha ke li mo nu pa re si to vu wa ze chi tra blo gre ster lon mir tan vel dor".split()  # noqa: SIM905


class Mesh:
    """A synthetic mesh of so many datasets, reproducible."""

    def __init__(self, datasets: int, columns: int, seed: int) -> None:
        self.size, self.width = datasets, columns
        self._random = random.Random(seed)
        self.words = [*ENGLISH, *KOREAN, *self._made_up(max(2_000, datasets // 10))]
        self._domains = [f"domain{number:04d}" for number in range(max(10, datasets // 1_000))]

    def _made_up(self, count: int) -> list[str]:
        made: dict[str, None] = {}
        while len(made) < count:
            made["".join(self._random.choices(SYLLABLES, k=self._random.randint(2, 4)))] = None
        return list(made)

    def word(self, chosen: random.Random) -> str:
        """A word; half of the time one of the hundred or so that everybody uses."""
        if chosen.random() < 0.5:
            return self.words[int(len(ENGLISH + KOREAN) * chosen.random() ** 2)]
        return self.words[int(len(self.words) * chosen.random() ** 3)]

    def plain(self, chosen: random.Random) -> str:
        """One that a name may have."""
        while not (found := self.word(chosen)).isascii():
            pass
        return found

    def domain(self, number: int) -> str:
        if number < TABLES:
            return LISTED
        return self._domains[int(len(self._domains) * random.Random(number * 7 + 1).random() ** 2)]

    def name(self, number: int) -> str:
        chosen = random.Random(number)
        return f"{self.domain(number)}.{self.plain(chosen)}_{self.plain(chosen)}_{number}"

    def dataset(self, number: int) -> Dataset:
        chosen = random.Random(number)
        name = f"{self.domain(number)}.{self.plain(chosen)}_{self.plain(chosen)}_{number}"
        columns = tuple(
            Column(
                name=f"{self.plain(chosen)}_{self.plain(chosen)}_{position}",
                logical_type="string",
                spark_type="string",
                required=position == 0,
                classification="personal" if chosen.random() < 0.05 else None,
                description=" ".join(self.word(chosen) for _ in range(4)) if chosen.random() < 0.3 else None,
            )
            for position in range(self.width)
        )
        contract = Contract(
            id=name,
            version="1.0.0",
            status=chosen.choice(["active", "active", "active", "draft", "deprecated"]),
            description=" ".join(self.word(chosen) for _ in range(8)),
            tags=tuple(self.word(chosen) for _ in range(chosen.randint(0, 3))),
            columns=columns,
        )
        return Dataset(contract=contract, domain=self.domain(number), owner=f"team{chosen.randint(0, 200)}")

    def links(self) -> Iterator[tuple[int, int]]:
        """(from, to): five datasets of its group that came before, the group's first ones more often."""
        chosen = random.Random(42)
        for start in range(0, self.size, GROUP):
            for place in range(1, min(GROUP, self.size - start)):
                for source in {int(place * chosen.random() ** 2) for _ in range(5)}:
                    yield start + source, start + place

    def queries(self, count: int) -> Iterator[tuple[str, dict[str, list[str]]]]:
        chosen = random.Random(7)
        for turn in range(count):
            word, other = self.word(chosen), self.word(chosen)
            kind = turn % 8
            if kind == 1:
                yield f"{word} {other}", {}
            elif kind == 2:
                yield f"{word} {other} {self.word(chosen)}", {}
            elif kind == 3:
                yield word[: max(3, len(word) - 2)], {}
            elif kind == 4:
                at = chosen.randrange(1, len(word)) if len(word) > 1 else 0
                yield word[:at] + word[at + 1 :], {}
            elif kind == 5:
                yield f"{chosen.choice(KOREAN)}{chosen.choice(['을', '의', '별', ''])} {chosen.choice(KOREAN)}", {}
            elif kind == 6:
                yield word, {"domain": [chosen.choice(self._domains)]}
            else:
                yield word, {}


def load(catalog: Catalog, mesh: Mesh) -> dict[str, Any]:
    """Fill a catalog; returns how fast datasets were registered, in steps of a tenth of the mesh."""
    numbers = iter(range(mesh.size))
    batches: list[float] = []
    begun = time.perf_counter()
    while some := [mesh.dataset(number) for number in islice(numbers, AT_ONCE)]:
        started = time.perf_counter()
        register_products(catalog, some)
        batches.append((time.perf_counter() - started) / len(some))
        if len(batches) % 100 == 0:
            done, rate = len(batches) * AT_ONCE, 1 / (sum(batches[-100:]) / 100)
            left = (time.perf_counter() - begun) / done * (mesh.size - done) / 60
            tell(f"{done:,} of {mesh.size:,} registered, {rate:,.0f} a second, {left:.0f} min left, then edges")
    names = [mesh.name(number) for number in range(mesh.size)]
    now = datetime.now(UTC)
    started = time.perf_counter()
    counted = 0
    with catalog.write() as connection:
        for some_names in _chunks(iter(names[::2]), 5_000):
            made = {"kind": "publish", "principal": "bench", "started_at": now, "outcome": "published"}
            connection.execute(insert(runs), [{"id": f"run of {name}", "product": name, **made} for name in some_names])
            kept = {"version": 0, "contract_version": "1.0.0", "mode": "append", "rows": 1, "quarantined_count": 0}
            rows = [{"product": name, "run_id": f"run of {name}", **kept} for name in some_names]
            connection.execute(insert(versions), [{**row, "committed_at": now, "kept_from": 0} for row in rows])
        for links in _chunks(mesh.links(), 10_000):
            counted += len(links)
            rows = [
                {
                    "from_kind": "product",
                    "from_name": names[source],
                    "to_kind": "product",
                    "to_name": names[target],
                    "origin": "declared",
                    "last_version": 0 if target % 2 == 0 else None,
                }
                for source, target in links
            ]
            connection.execute(insert(edges), rows)
            if counted // 500_000 != (counted - len(links)) // 500_000:
                tell(f"{counted:,} of about {mesh.size * 5:,} edges")
    tenth = max(len(batches) // 10, 1)
    return {
        "edges": counted,
        "edges_loaded_s": round(time.perf_counter() - started, 1),
        "register_first_per_s": round(1 / (sum(batches[:tenth]) / tenth)),
        "register_all_per_s": round(1 / (sum(batches) / len(batches))),
        "register_median_per_s": round(1 / sorted(batches)[len(batches) // 2]),
        "register_last_per_s": round(1 / (sum(batches[-tenth:]) / tenth)),
    }


def tell(text: str) -> None:
    print(f"  {text}", file=sys.stderr, flush=True)


def _chunks(items: Iterator[_Item], size: int) -> Iterator[list[_Item]]:
    while some := list(islice(items, size)):
        yield some


def timed(calls: Sequence[Callable[[], Any]]) -> dict[str, float]:
    """Milliseconds: p50, p95, p99 of the calls, each made once, after one that warms up."""
    calls[0]()
    took = []
    for call in calls:
        started = time.perf_counter()
        call()
        took.append((time.perf_counter() - started) * 1_000)
    took.sort()
    at = {share: took[min(int(len(took) * share / 100), len(took) - 1)] for share in (50, 95, 99)}
    return {f"p{share}": round(value, 2) for share, value in at.items()} | {"calls": len(took)}


def measure(catalog: Catalog, mesh: Mesh, calls: int) -> dict[str, dict[str, float]]:
    chosen = random.Random(11)
    some = [mesh.name(chosen.randrange(mesh.size)) for _ in range(calls)]
    roots = [mesh.name(start) for start in range(0, mesh.size, GROUP) if start + GROUP <= mesh.size][:30] or [
        mesh.name(0)
    ]

    def look(text: str, where: dict[str, list[str]]) -> Callable[[], Any]:
        return lambda: find(catalog, text, where=where)

    def open_one(name: str) -> Callable[[], Any]:
        return lambda: (
            read_product(catalog, name),
            read_columns(catalog, name),
            read_rules(catalog, name),
            latest_version(catalog, name),
        )

    def impact(name: str) -> Callable[[], Any]:
        return lambda: reached(catalog, name, direction="downstream")

    def graph(name: str) -> Callable[[], Any]:
        return lambda: lineage(catalog, name, direction="downstream")

    gc.collect()
    gc.freeze()  # the synthetic mesh is in this process: to look through it again and again is not the catalog's work
    assert len(list_domain(catalog, LISTED)) == min(TABLES, mesh.size)
    nodes = len(reached(catalog, roots[0], direction="downstream"))
    found = {
        "search": timed([look(text, where) for text, where in mesh.queries(calls)]),
        "open": timed([open_one(name) for name in some]),
        "domain": timed([lambda: list_domain(catalog, LISTED)] * min(calls, 200)),
        "impact": timed([impact(name) for name in roots * max(1, 30 // len(roots))]),
        "graph": timed([graph(name) for name in (roots * 10)[:10]]),
    }
    return {**found, "impact": {**found["impact"], "nodes": nodes}}


def ingest_events(catalog: Catalog, count: int = 5_000) -> int:
    """Events a second, from their JSON to the graph."""
    documents = [json.dumps(_event(number)) for number in range(count)]
    started = time.perf_counter()
    for start in range(0, count, AT_ONCE):
        events = parse_events(json.loads(document) for document in documents[start : start + AT_ONCE])
        ingest(catalog, events, resolve=lambda _namespace, _name: None)
    return round(count / (time.perf_counter() - started))


def _event(number: int) -> dict[str, Any]:
    run = number // 2
    return {
        "eventType": "COMPLETE" if number % 2 else "START",
        "eventTime": f"2026-05-01T{run // 3600 % 24:02d}:{run // 60 % 60:02d}:{run % 60:02d}.000Z",
        "producer": "https://example.org/benchmark",
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
        "run": {"runId": str(UUID(int=run + 1))},
        "job": {"namespace": "bench", "name": f"job_{run % 500}"},
        "inputs": [{"namespace": "warehouse", "name": f"raw.table_{run % 1_000}"}],
        "outputs": [{"namespace": "warehouse", "name": f"mart.table_{run % 700}"}],
    }


@contextmanager
def database(backend: str, folder: Path) -> Iterator[str]:
    """The URL of an empty database."""
    if backend == "sqlite":
        yield f"sqlite:///{folder / 'catalog.db'}"
        return
    from tests.postgres import run_server

    tuned = ("shared_buffers=1GB", "max_wal_size=2GB", "work_mem=32MB", "maintenance_work_mem=512MB")
    with run_server(*tuned) as server:
        yield server.catalog_url(server.new_database())


def run(backend: str, mesh: Mesh, calls: int, folder: Path) -> dict[str, Any]:
    with database(backend, folder) as url:
        catalog = open_catalog(url)
        loaded = load(catalog, mesh)
        _analyse(catalog)
        tell("loaded, measuring")
        found = measure(catalog, mesh, calls)
        rate = ingest_events(catalog)
        size = _megabytes(catalog)
        catalog.close()
    return {
        "backend": backend,
        "datasets": mesh.size,
        "columns": mesh.size * mesh.width,
        **loaded,
        "events_per_s": rate,
        "mb": size,
        **found,
    }


def _analyse(catalog: Catalog) -> None:
    """What a database does by itself when it is not busy."""
    with catalog.read() as connection:
        postgres = connection.dialect.name == "postgresql"
        plain = connection.engine.connect().execution_options(isolation_level="AUTOCOMMIT") if postgres else None
    if plain is None:
        return
    with plain:
        plain.exec_driver_sql("VACUUM ANALYZE")


def _megabytes(catalog: Catalog) -> int:
    asked = {
        "sqlite": "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()",
        "postgresql": "SELECT pg_database_size(current_database())",
    }
    with catalog.read() as connection:
        return int(connection.exec_driver_sql(asked[connection.dialect.name]).scalar_one() // 1_000_000)


def told(result: dict[str, Any]) -> Iterator[str]:
    """The lines of a result for people."""
    head = f"{result['backend']}  {result['datasets']:,} datasets, {result['columns']:,} columns"
    yield f"{head}, {result['edges']:,} edges, {result['mb']:,} MB"
    yield f"{'':10}{'p50 ms':>10}{'p95 ms':>10}{'p99 ms':>10}   bar (p95)"
    for name in ("search", "open", "domain", "impact", "graph"):
        one, bar = result[name], BARS_MS.get(name)
        verdict = "" if bar is None else f"< {bar:g} {'held' if one['p95'] < bar else 'missed'}"
        yield f"{name:10}{one['p50']:>10}{one['p95']:>10}{one['p99']:>10}   {verdict}"
    rates = ", ".join(f"{part} {result[f'register_{part}_per_s']:,}" for part in ("first", "all", "median", "last"))
    verdict = "held" if result["register_last_per_s"] >= REGISTERED_A_SECOND else "missed"
    yield f"events     a second: {result['events_per_s']:,}   >= {EVENTS_A_SECOND:,}"
    yield f"register   a second: {rates}   >= {REGISTERED_A_SECOND:,} {verdict}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--datasets", type=int, action="append", help="May be given several times; 100,000 by default.")
    parser.add_argument("--columns", type=int, default=5, help="Of each dataset.")
    parser.add_argument("--backend", choices=("sqlite", "postgres"), action="append")
    parser.add_argument("--calls", type=int, default=400, help="Of search and of open.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="Where SQLite's file goes; a temporary folder by default.")
    parser.add_argument("--keep", action="store_true", help="Leave SQLite's file in that folder, and say where.")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    results = []
    for size in chosen.datasets or [100_000]:
        mesh = Mesh(size, chosen.columns, chosen.seed)
        for backend in chosen.backend or ["sqlite", "postgres"]:
            folder = Path(tempfile.mkdtemp(dir=chosen.folder))
            try:
                results.append(run(backend, mesh, chosen.calls, folder))
            finally:
                if chosen.keep and backend == "sqlite":
                    tell(f"kept {folder}")
                else:
                    shutil.rmtree(folder)
            for line in told(results[-1]):  # at once: the next backend may take an hour
                print(line, file=sys.stderr if chosen.json else sys.stdout, flush=True)
    if chosen.json:
        print(json.dumps({"machine": f"{platform.platform()}, Python {platform.python_version()}", "results": results}))


if __name__ == "__main__":
    main()

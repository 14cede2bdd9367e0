from __future__ import annotations

import gzip
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from mesh_catalog.catalog.backup import back_up, restore
from mesh_catalog.catalog.leases import acquire_lease
from mesh_catalog.catalog.models import set_alias
from mesh_catalog.catalog.rollouts import insert_rollout
from mesh_catalog.catalog.search import search
from mesh_catalog.catalog.store import Catalog, open_catalog
from mesh_catalog.catalog.tables import metadata
from mesh_catalog.errors import ConflictError, InputError
from mesh_catalog.specs import RolloutSpec
from tests.openlineage import dataset, run_event, take
from tests.postgres import PostgresServer
from tests.unit.catalog.conftest import ON_BOTH
from tests.unit.catalog.samples import NOON, amount_edge, failed_check, publish, train

TRANSACTIONS = "payments.transactions"


def content(catalog: Catalog) -> dict[str, list[Any]]:
    with catalog.read() as connection:
        return {
            table.name: sorted(map(repr, connection.execute(select(table)).tuples()))
            for table in metadata.sorted_tables
        }


def fill(catalog: Catalog) -> None:
    edges = [amount_edge()]
    publish(catalog, TRANSACTIONS, 0, checks=[failed_check(), failed_check(rule="x", column=None)])
    publish(catalog, "payments.daily", 0, inputs={TRANSACTIONS: 0}, column_edges=edges, source_files=["a.csv"])
    publish(catalog, TRANSACTIONS, 1, changes={"event_from": NOON - timedelta(microseconds=1), "total_rows": None})
    train(catalog)
    set_alias(catalog, "payments.fraud", "champion", 1, reason="first", at=NOON)
    acquire_lease(catalog, "publish", holder="me", seconds=60)
    plan = RolloutSpec(steps=(0.0, 0.1), give_up_after=timedelta(days=1))
    insert_rollout(catalog, "r1", "payments.fraud", plan, champion=1, challenger=1, retraining_id=None, event_from=NOON)


@ON_BOTH
def test_a_backup_restored_on_either_database_is_the_same_catalog(
    catalog: Catalog, tmp_path: Path, postgres: PostgresServer
) -> None:
    fill(catalog)
    made = back_up(catalog, tmp_path / "catalog.gz")
    assert made.path.stat().st_mode & 0o777 == 0o600
    targets = [f"sqlite:///{tmp_path / 'other.db'}", postgres.catalog_url(postgres.new_database())]
    for url in targets:
        open_catalog(url).close()  # empty tables are no obstacle
        assert restore(url, made.path).rows == made.rows
        again = open_catalog(url)
        assert content(again) == content(catalog)
        assert [hit.name for hit in search(again, "결제")] == [hit.name for hit in search(catalog, "결제")]
        set_alias(again, "payments.fraud", "challenger", 1, reason="the database counts on", at=NOON)
        with pytest.raises(ConflictError, match="is not empty"):
            restore(url, made.path)
        again.close()


def test_a_backup_that_is_cut_or_none_restores_nothing(catalog: Catalog, tmp_path: Path) -> None:
    fill(catalog)
    back_up(catalog, tmp_path / "whole.gz")
    lines = gzip.decompress((tmp_path / "whole.gz").read_bytes()).splitlines(keepends=True)
    url = f"sqlite:///{tmp_path / 'other.db'}"
    broken = {
        "no end": gzip.compress(b"".join(lines[:-1])),
        "a row less": gzip.compress(b"".join([*lines[:-2], lines[-1]])),
        "half a file": (tmp_path / "whole.gz").read_bytes()[:400],
        "text": b"no archive",
        "another archive": gzip.compress(json.dumps({"is": "something"}).encode() + b"\n"),
        "nothing": b"",
    }
    for name, data in broken.items():
        (tmp_path / "broken.gz").write_bytes(data)
        with pytest.raises(InputError, match="backup"):
            restore(url, tmp_path / "broken.gz")
        opened = open_catalog(url)
        assert all(rows == [] for rows in content(opened).values()), name
        opened.close()
    with pytest.raises(InputError, match="does not exist"):
        restore(url, tmp_path / "ghost.gz")
    with pytest.raises(InputError, match="exists already"):
        back_up(catalog, tmp_path / "whole.gz")


def test_a_backup_of_before_there_was_an_index_to_search_is_found_in_once_restored(
    empty: Catalog, tmp_path: Path
) -> None:
    take(empty, [run_event("COMPLETE", 0, outputs=[dataset("parcels")])])
    back_up(empty, tmp_path / "new.gz")
    lines = [json.loads(line) for line in gzip.decompress((tmp_path / "new.gz").read_bytes()).splitlines()]
    kept: list[Any] = [{**lines[0], "revision": "0011"}]
    table = ""
    for line in lines[1:-1]:
        table = line["table"] if isinstance(line, dict) else table
        if isinstance(line, dict) or not table.startswith("search_"):
            kept.append(line)
    kept.append({"rows": sum(isinstance(line, list) for line in kept)})
    (tmp_path / "old.gz").write_bytes(gzip.compress("\n".join(map(json.dumps, kept)).encode()))
    url = f"sqlite:///{tmp_path / 'other.db'}"
    restore(url, tmp_path / "old.gz")
    again = open_catalog(url)
    assert [hit.name for hit in search(again, "parcls")] == ["warehouse#parcels"]
    again.close()

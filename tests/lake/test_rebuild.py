"""A lost catalog, made again from the folders and the lake."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from typing import Any

from sqlalchemy import Table, select

from mesh_catalog.catalog.lineage import lineage
from mesh_catalog.catalog.search import search
from mesh_catalog.catalog.store import Catalog, open_catalog
from mesh_catalog.catalog.tables import (
    checks,
    column_edges,
    contract_columns,
    contracts,
    domains,
    edges,
    owners,
    products,
    run_files,
    run_inputs,
    runs,
    versions,
)
from mesh_catalog.lake.rebuild import rebuild_catalog

from .conftest import ORDERS, Shop, order

SAME = (domains, owners, products, contracts, contract_columns, runs, run_inputs, run_files, checks, versions, edges)
NEW_TIMES = {"registered_at"}


def rows(catalog: Catalog, table: Table) -> set[str]:
    query = select(*(column for column in table.columns if column.name not in NEW_TIMES))
    if table is runs:
        query = query.where(runs.c.outcome == "published")
    with catalog.read() as connection:
        return {json.dumps(dict(row), default=str, sort_keys=True) for row in connection.execute(query).mappings()}


def test_a_rebuilt_catalog_is_the_one_that_was_lost(shop: Shop) -> None:
    shop.land("a", [order(1), order(2, amount=4)])
    shop.publish()
    wider: dict[str, Any] = copy.deepcopy(ORDERS)
    wider["version"] = "1.1.0"
    wider["schema"][0]["properties"][4]["description"] = "Where the order stands."
    shop.write("domains/shop/orders/contract.yaml", wider)
    shop.reload()
    shop.land("b", [order(3), order(4, state="nonsense")])
    shop.publish()
    lost = shop.mesh.catalog
    made = open_catalog(f"sqlite:///{shop.root / 'again.db'}")
    try:
        mesh = replace(shop.mesh, catalog=made)
        found = rebuild_catalog(mesh)
        assert (found.tables, found.versions, found.without_card, found.failed) == (2, 3, 0, {})
        for table in (*SAME, column_edges):
            assert rows(made, table) == rows(lost, table), table.name
        assert len(rows(made, contracts)) >= 3
        assert search(made, "amunt order") == search(lost, "amunt order") != []
        name = "shop.orders__quarantine"
        graphs = [
            lineage(one, name, direction="upstream", columns=True, allow_incomplete="hidden") for one in (made, lost)
        ]
        assert graphs[0] == graphs[1]
        assert rebuild_catalog(mesh).versions == 0
    finally:
        made.close()

"""KPIs, terms, members, requests and reads as both databases keep them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mesh_catalog.access.audit import record_event
from mesh_catalog.access.mesh import Mesh
from mesh_catalog.access.popularity import most_read, read_popularity
from mesh_catalog.access.requests import ask_for, decide_request, read_requests
from mesh_catalog.catalog.assets import sync_workspace
from mesh_catalog.catalog.domains import list_domains, read_domain, read_domain_assets, read_unowned
from mesh_catalog.catalog.glossary import read_term, read_terms, terms_of
from mesh_catalog.catalog.impact import column_impact
from mesh_catalog.catalog.inventory import find_kind, read_life_cycle
from mesh_catalog.catalog.kpis import list_kpis, read_definition, read_definitions, read_kpi
from mesh_catalog.catalog.lineage import lineage
from mesh_catalog.catalog.search import search
from mesh_catalog.catalog.store import Catalog
from mesh_catalog.errors import NotFoundError
from mesh_catalog.settings import load_settings
from mesh_catalog.workspace import load_workspace
from tests.unit.catalog.conftest import ON_BOTH
from tests.unit.workspace.samples import fill, write

pytestmark = ON_BOTH
KPIS = """\
kpis:
  - {name: revenue, title: 매출, source: shop.orders, formula: sum(amount), target: {at_least: 10},
     drivers: [shop.orders_made]}
  - {name: orders_made, source: shop.orders, formula: count(*)}
"""
TERMS = """\
terms:
  - {name: turnover, labels: {ko: 매출}, definition: What was paid., links: [shop.revenue, shop.orders.amount]}
"""


@pytest.fixture
def root(workspace_dir: Path) -> Path:
    fill(workspace_dir)
    write(workspace_dir, "domains/shop/domain.yaml", "name: shop\nowner: ada\nmembers: [bo]\n")
    write(workspace_dir, "domains/shop/kpis.yaml", KPIS)
    write(workspace_dir, "conf/glossary.yaml", TERMS)
    return workspace_dir


def test_the_dictionary_follows_its_files(root: Path, empty: Catalog) -> None:
    added = sync_workspace(empty, load_workspace(root)).added
    assert {"shop.revenue", "shop.orders_made", "glossary.turnover"} <= set(added)
    assert sync_workspace(empty, load_workspace(root)).changed == ()
    kpi = read_kpi(empty, "shop.revenue")
    assert (str(kpi.target), kpi.drivers, kpi.owner) == (">= 10", ("shop.orders_made",), "ada")
    assert read_definition(empty, "shop.revenue").formulas[0].formula == "SUM(`amount`)"
    assert {hit.name for hit in search(empty, "매출")} == {"shop.revenue", "glossary.turnover"}
    assert terms_of(empty, "shop.orders") == {"amount": ("glossary.turnover",)}
    assert read_term(empty, "glossary.turnover").links == ("shop.orders.amount", "shop.revenue")
    assert find_kind(empty, "shop.revenue") == "kpi"
    of = column_impact(empty, "shop.orders", "amount", direction="downstream", allow_incomplete=True)
    assert [node.name for node in of.readers if node.kind == "kpi"] == ["shop.revenue"]
    write(root, "domains/shop/kpis.yaml", KPIS.replace("sum(amount)", "avg(amount)"))
    assert sync_workspace(empty, load_workspace(root)).changed == ("shop.revenue",)
    assert len(read_definitions(empty, "shop.revenue")) == 2
    for file in ("domains/shop/kpis.yaml", "conf/glossary.yaml"):
        (root / file).unlink()
    gone = sync_workspace(empty, load_workspace(root)).retired
    assert set(gone) == {"shop.revenue", "shop.orders_made", "glossary.turnover"}
    assert list_kpis(empty) == []
    assert read_terms(empty) == []
    assert not search(empty, "매출")
    down = lineage(empty, "shop.orders", direction="downstream")
    assert not any(node.kind == "kpi" for node in down.nodes)
    with pytest.raises(NotFoundError, match="no such KPI"):
        read_kpi(empty, "shop.nothing")


def test_a_domain_lists_its_people_and_what_it_offers(root: Path, empty: Catalog) -> None:
    sync_workspace(empty, load_workspace(root))
    assert read_domain(empty, "shop").members == ("bo",)
    kinds = [(one.kind, one.name) for one in read_domain_assets(empty, "shop")]
    assert kinds == [
        ("product", "shop.activity"),
        ("product", "shop.orders"),
        ("model", "shop.churn"),
        ("kpi", "shop.orders_made"),
        ("kpi", "shop.revenue"),
    ]
    assert [(one.kind, one.name) for one in read_unowned(empty)] == [("term", "glossary.turnover")]
    assert [(domain.name, count) for domain, count in list_domains(empty)] == [("shop", 2)]


def test_requests_reads_and_life_cycles_are_kept(root: Path, empty: Catalog) -> None:
    workspace = load_workspace(root)
    sync_workspace(empty, workspace)
    mesh = Mesh(settings=load_settings(workspace=root), workspace=workspace, catalog=empty, principal="cy")
    request = ask_for(mesh, "shop.orders", purpose="Study")
    decide_request(replace(mesh, principal="bo"), request.id, "approved", reason="fine")
    (kept,) = read_requests(empty, "shop.orders", state="approved")
    assert (kept.principal, kept.owner, kept.decided_by) == ("cy", "ada", "bo")
    for principal in ("cy", "cy", "di"):
        record_event(
            empty,
            principal=principal,
            purpose="analysis",
            product="shop.orders",
            version=0,
            columns=None,
            allowed=principal != "di",
        )
    found = read_popularity(empty, ["shop.orders"])["shop.orders"]
    assert (found.readers, found.reads) == (1, 2)
    assert most_read(empty, 5) == {"shop.orders": found}
    assert read_life_cycle(empty, "shop.orders").status == "active"

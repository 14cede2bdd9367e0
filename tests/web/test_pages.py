"""The catalog's pages: what people find, see and follow; over a real catalog, and no script from anybody's text."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import write_deltalake
from starlette.testclient import TestClient

from mesh_catalog.access.audit import read_audit
from mesh_catalog.access.mesh import Mesh, open_mesh
from mesh_catalog.access.requests import ask_for
from mesh_catalog.catalog.assets import sync_workspace
from mesh_catalog.lake.profile import ColumnProfile, Profile
from mesh_catalog.lake.profiles import profile_path, store_profile
from mesh_catalog.settings import load_settings
from mesh_catalog.web.app import make_app
from mesh_catalog.workspace import load_workspace
from tests.openlineage import dataset, run_event
from tests.unit.alerts.samples import drift_verdict, record
from tests.unit.catalog.samples import (
    TRANSACTIONS,
    amount_edge,
    failed_check,
    publish,
    train,
    write_workspace,
)

EVIL = "<script>alert('x')</script>\"'><img src=x onerror=alert(1)>"
KPIS = """\
kpis:
  - name: fraud_rate
    title: Share of fraudulent payments
    source: payments.transactions
    time: tx_datetime
    grain: day
    formula: sum(tx_fraud) / count(*)
    target: {at_most: 0.25}
    drivers: [payments.volume]
  - {name: volume, source: payments.transactions, formula: count(*)}
"""
GLOSSARY = """\
terms:
  - name: turnover
    labels: {ko: 매출}
    definition: What was paid.
    links: [payments.daily, payments.transactions.tx_amount, payments.fraud_rate]
"""
DASHBOARDS = """\
dashboards:
  - {name: board, title: Board, type: dashboard, url: "https://bi.example.org/1", reads: [payments.daily]}
"""
OLD = """\
apiVersion: v3.1.0
kind: DataContract
id: payments.old
version: 1.0.0
status: deprecated
customProperties:
  - {property: successor, value: payments.daily}
schema:
  - name: old
    physicalType: table
    properties: [{name: day, logicalType: date}]
"""


@pytest.fixture
def shop(workspace_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mesh]:
    """The sample workspace with KPIs, a term, a dashboard, a deprecated product, and people who write hostile text."""
    monkeypatch.delenv("OPENLINEAGE_URL", raising=False)
    folder = write_workspace(workspace_dir) / "domains/payments"
    files = {
        "kpis.yaml": KPIS,
        "glossary.yaml": GLOSSARY,
        "dashboards.yaml": DASHBOARDS,
        "old/contract.yaml": OLD,
        "old/build.sql": "select day from payments.daily",
        "transactions/contract.yaml": TRANSACTIONS.replace("Amount in euro.", EVIL.replace("'", "")).replace(
            "tags: [cards, 결제]", "tags: [cards, 결제, '<b>']"
        ),
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    with open_mesh(load_settings(workspace=workspace_dir)) as opened:
        sync_workspace(opened.catalog, opened.workspace)
        yield opened


def client(mesh: Mesh, **options: Any) -> TestClient:
    return TestClient(make_app(mesh, **options), base_url="http://127.0.0.1", raise_server_exceptions=False)


def seen(http: TestClient, path: str, **params: Any) -> str:
    """The text that a person sees, after what holds for every page."""
    answer = http.get(path, params=params or None)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert "<script" not in answer.text and "<img" not in answer.text and "<b>'" not in answer.text
    text = re.sub(r"<style>.*?</style>", "", answer.text, flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", text)).split())


def transactions(mesh: Mesh) -> None:
    """Publish payments.transactions: a real table of two days, its profile, a check; daily is made of it."""
    noon = datetime(2026, 5, 1, 12, tzinfo=UTC)
    rows = pa.table(
        {
            "transaction_id": pa.array(range(8), pa.int64()),
            "tx_datetime": pa.array([noon + timedelta(days=n // 4) for n in range(8)], pa.timestamp("us", "UTC")),
            "tx_fraud": pa.array([1, 1, 0, 0, 1, 0, 0, 0], pa.int64()),
        }
    )
    folder = f"{mesh.settings.lake}/payments/transactions"
    write_deltalake(folder, rows)
    profile = Profile(
        rows=8,
        columns={
            "tx_amount": ColumnProfile(kind="float", count=8, null_count=2, minimum=13.0, maximum=424242.5),
            "customer_id": ColumnProfile(kind="integer", count=8, null_count=0, minimum=31337, maximum=31338),
        },
    )
    path = store_profile(folder, "first", profile)
    assert path == profile_path("first")
    told = {"profile_digest": profile.digest, "profile_path": path, "rows": 8, "quarantined_count": 3}
    publish(mesh.catalog, "payments.transactions", 0, changes=told, checks=[failed_check(verdict="warn")])
    publish(mesh.catalog, "payments.daily", 0, inputs={"payments.transactions": 0}, column_edges=[amount_edge()])


def test_people_find_data_and_narrow_it_down(shop: Mesh) -> None:
    with client(shop) as http:
        start = seen(http, "/")
        assert "payments 3 payments-team Card payments." in start and "Most read" not in start
        assert "payments.transactions product Every card payment" in seen(http, "/search", q="transctions")
        for words in ("매출", "매축", "결제내역"):
            assert "payments.daily product" in seen(http, "/search", q=words)
        page = http.get("/search", params={"q": "payments", "kind": "product"}).text
        assert 'href="/search?q=payments&amp;kind=product&amp;domain=payments"' in page, "a facet narrows the search"
        assert 'class="chosen"><a href="/search?q=payments"' in page, "and is taken away again"
        assert "deprecated" in seen(http, "/search", q="old")
        nothing = seen(http, "/search", q="zzzzqqq", domain="payments")
        assert "Nothing matches “zzzzqqq” with domain payments" in nothing and "Search without this filter" in nothing
        assert seen(http, "/search", q="", utm_source="mail") == start


def test_a_products_page_says_what_it_is_and_whom_to_ask(shop: Mesh) -> None:
    with client(shop) as http:
        assert "It was never published" in seen(http, "/products/payments.transactions")
        transactions(shop)
        record(shop.catalog, drift_verdict(1))
        ask_for(shop, "payments.transactions", purpose="Churn")
        page = seen(http, "/products/payments.transactions")
        for said in (
            "owner payments-team on call #payments-pager contract 1.0.0, active",
            "customer_id bigint personal none",
            "tx_amount double 25.0 % tx_amount >= 0",
            "[ turnover ]",
            "Nulls are counted in the rows that v0 added",
            "payments.fraud_rate kpi",
            "1 open request",
            "published v0 8 10 3",
            "warn tx_amount >= 0 1,204",
            "data drift fail",
            "The whole timeline",
        ):
            assert said in page, said
        assert "31337" not in page and "424242" not in page and "288071" not in page, "no value of a row"
        text = http.get("/products/payments.transactions").text
        for link in ("/products/payments.daily", "/domains/payments", "/terms/payments.glossary.turnover"):
            assert f'href="{link}"' in text
        assert "&lt;script&gt;" in text
        ended = seen(http, "/products/payments.old")
        assert "deprecated" in ended and "Use payments.daily instead." in ended


def test_every_page_leads_to_the_next(shop: Mesh) -> None:
    transactions(shop)
    train(shop.catalog)
    with client(shop) as http:
        http.post("/api/v1/lineage", json=run_event("COMPLETE", 0, inputs=[dataset(EVIL)], outputs=[dataset("b")]))
        todo, done = ["/"], set()
        while todo:
            path = todo.pop()
            done.add(path)
            answer = http.get(path)
            assert answer.status_code == 200, (path, answer.text)
            assert "<script" not in answer.text and "<img" not in answer.text
            links = {unescape(link) for link in re.findall(r'href="(/[^"]*)"', answer.text)}
            todo += [link for link in links - done - set(todo) if "&" not in link]
            assert len(done) < 100
        pages = {path.partition("?")[0].split("/")[1] for path in done}
        wanted = [
            "products",
            "domains",
            "kpis",
            "models",
            "dashboards",
            "terms",
            "lineage",
            "search",
            "timeline",
            "alerts",
            "incidents",
        ]
        assert pages >= set(wanted)


def test_a_kpis_page_shows_its_history_and_reads_the_source_once(shop: Mesh) -> None:
    with client(shop) as http:
        assert "cannot be computed now" in seen(http, "/kpis/payments.fraud_rate")
        transactions(shop)
        page = seen(http, "/kpis/payments.fraud_rate")
        assert "2026-05-02 0.25 pass 1 2026-05-01 0.5 fail 1" in page and "target 0.25" in page
        assert "drivers payments.volume" in page and "SUM(`tx_fraud`) / COUNT(*)" in page
        answer = http.get("/api/v1/kpis/payments.fraud_rate/values").json()
        assert [point["value"] for point in answer["points"]] == [0.5, 0.25]
        reads = [one for one in read_audit(shop, "payments.transactions") if one.allowed]
        assert len(reads) == 1, "values are kept until something changes"
        assert "Most read in 30 days payments.transactions 1 reader, 1 read in 30 days" in seen(http, "/")
        publish(shop.catalog, "payments.transactions", 1)
        assert "cannot be computed now" in seen(http, "/kpis/payments.fraud_rate"), "there is a version without a table"
        assert "drives payments.fraud_rate" in seen(http, "/kpis/payments.volume")
        assert "payments.fraud_rate Share of fraudulent payments" in seen(http, "/kpis")
        assert "There is none in this domain" in seen(http, "/kpis", domain="crm")


def test_a_domain_shows_its_team_and_what_nobody_answers_for(shop: Mesh) -> None:
    crm = shop.settings.workspace / "domains/crm"
    (crm / "people").mkdir(parents=True)
    (crm / "domain.yaml").write_text("name: crm\n", encoding="utf-8")
    (crm / "people/contract.yaml").write_text(
        OLD.replace("payments.old", "crm.people").replace("old", "people"), encoding="utf-8"
    )
    (crm / "people/build.sql").write_text("select day from payments.daily", encoding="utf-8")
    sync_workspace(shop.catalog, load_workspace(shop.settings.workspace))
    with client(shop) as http:
        page = seen(http, "/domains/payments")
        assert "owner payments-team on call #payments-pager" in page and "Products (3)" in page
        assert "payments.old deprecated" in page
        assert "payments.fraud_rate payments-team Share of fraudulent payments" in page
        domains = seen(http, "/domains")
        assert "Nobody answers for" in domains and "crm domain" in domains and "crm.people product" in domains


def test_lineage_says_what_it_does_not_show(shop: Mesh) -> None:
    with client(shop) as http:
        for n in range(14):
            event = run_event("COMPLETE", n, job=f"j{n}", inputs=[dataset("a")], outputs=[dataset(f"b{n}")])
            assert http.post("/api/v1/lineage", json=event).status_code == 201
        page = seen(http, "/lineage", node="warehouse#a")
        assert page.count("and 4 more") == 2 and "8 more there are only counted" in page and "Led to (28)" in page
        assert "leads further" in seen(http, "/lineage", node="warehouse#a", depth=1)
        began = run_event("START", 20, job="late", inputs=[dataset("a")], outputs=[dataset("c")])
        http.post("/api/v1/lineage", json=began)
        assert "lineage is incomplete" in seen(http, "/lineage", node="warehouse#a")
        column = seen(http, "/lineage", node="payments.transactions.tx_amount")
        assert "payments.fraud" in column and "Came from" in column


def test_a_wrong_address_gets_a_page_with_a_sentence(shop: Mesh) -> None:
    wrong = (
        ("/products/payments.dayly", 404, "Did you mean 'payments.daily'"),
        (f"/products/{EVIL}", 404, "there is no such route"),
        (f"/products/{EVIL.partition('/')[0]}", 404, "no such product"),
        ("/kpis/nothing", 404, "no such KPI"),
        ("/domains/paymnts", 404, "Did you mean 'payments'"),
        ("/nowhere", 404, "there is no such route"),
        ("/search?kind=nonsense", 400, "There are product, model, dashboard, kpi, term, dataset."),
        ("/search?q=" + "x" * 501, 400, "longer than 500"),
        ("/search?q=x&limit=1e9", 400, "limit is no number"),
        ("/lineage", 400, "node is missing"),
        ("/lineage?node=payments.daily&depth=99", 400, "depth is no number"),
        (f"/lineage?node={EVIL}", 404, "no such"),
    )
    with client(shop) as http:
        for path, status, said in wrong:
            answer = http.get(path)
            assert (answer.status_code, answer.headers["content-type"]) == (status, "text/html; charset=utf-8"), path
            assert said in unescape(answer.text) and "<script" not in answer.text and "<img" not in answer.text


def test_hostile_words_are_words(shop: Mesh) -> None:
    with client(shop) as http:
        for words in ("%25", "_", "%00", "'+or+1=1+--", "a" * 500, "%ED%A0%80", "%FF", "😀" * 9, "*+NEAR(", "../../x"):
            for facet in ("q", "domain", "tag", "owner", "status", "classification"):
                answer = http.get(f"/search?{'' if facet == 'q' else 'q=pay&'}{facet}={words}")
                assert answer.status_code == 200, (facet, words, answer.text)
            assert http.get(f"/api/v1/search?q={words}").status_code == 200
            assert http.get(f"/products/{words.replace('/', '')}").status_code == 404


def test_a_browser_reads_with_the_token_as_its_password_and_writes_nothing(shop: Mesh) -> None:
    token = "a-long-enough-token"  # pragma: allowlist secret
    given = {"authorization": f"Basic {base64.b64encode(f'anybody:{token}'.encode()).decode()}"}
    with client(shop, token=token) as http:
        asked = http.get("/")
        assert asked.status_code == 401 and asked.headers["www-authenticate"].startswith("Basic")
        assert http.get("/", headers=given).status_code == 200
        assert http.post("/api/v1/lineage", json=[], headers=given).status_code == 401
        for wrong in ("Basic ", "Basic !", "Basic YTpi", f"Basic {token}", "Bearer x"):
            assert http.get("/", headers={"authorization": wrong}).status_code == 401


def test_the_same_as_json(shop: Mesh) -> None:
    transactions(shop)
    asked = ask_for(shop, "payments.transactions", purpose="Churn")
    with client(shop) as http:

        def get(path: str) -> Any:
            answer = http.get(f"/api/v1/{path}")
            assert answer.status_code == 200, answer.text
            return answer.json()

        product = get("products/payments.transactions")
        assert product["ports"]["readers"] and product["popularity"]["readers"] == 0
        assert get("products/payments.transactions/tags")["customer_id"]["classification"] == "personal"
        assert [(one["name"], one["products"]) for one in get("domains")] == [("payments", 3)]
        assert {one["kind"] for one in get("domains/payments")["assets"]} >= {"product", "model", "kpi", "dashboard"}
        assert [one["name"] for one in get("kpis?domain=payments")] == ["payments.fraud_rate", "payments.volume"]
        assert get("kpis/payments.volume")["drives"] == ["payments.fraud_rate"]
        assert get("terms")[0] == get("terms/payments.glossary.turnover")
        assert [one["id"] for one in get("requests?product=payments.transactions&state=open")] == [asked.id]
        assert get("requests?state=denied") == []
        assert http.get("/api/v1/requests?state=maybe").status_code == 400
        assert http.get("/api/v1/products/none/tags").json()["error"].startswith("none: ")

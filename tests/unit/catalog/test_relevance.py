"""A judged set: what people type, and what they mean by it. The same answers on both databases, in the same order."""

from __future__ import annotations

from pathlib import Path

import pytest

from mesh_catalog.catalog.assets import Dataset, register_products
from mesh_catalog.catalog.search import find, search
from mesh_catalog.catalog.store import Catalog, open_catalog
from mesh_catalog.contracts.contract import Column, Contract
from mesh_catalog.errors import InputError
from tests.postgres import PostgresServer
from tests.unit.catalog.conftest import ON_BOTH

SHELF = """\
sales.orders|sales-team|Every order of the web shop|shop|order_id customer_id ordered_at total
sales.order_items|sales-team|Lines of an order|shop|order_id product_id quantity unit_price
sales.daily_revenue|finance|Revenue by day, net of refunds|finance,daily|day revenue refunds
sales.refunds|sales-team|Money given back|finance|refund_id order_id amount
sales.carts|sales-team|Carts that were left behind|shop|cart_id session_id
crm.customers|crm-team|Who buys from us|customer,personal|customer_id email phone signup_date
crm.customer_addresses|crm-team|Where parcels go|customer|customer_id street city
crm.contacts|crm-team|Calls and mails with a customer|customer|contact_id customer_id channel
crm.churn_scores|ml-team|How likely a customer is to leave|customer,ml|customer_id churn_probability
web.sessions|web-team|Visits of the web site|clickstream|session_id user_agent started_at
web.page_views|web-team|Pages that were seen|clickstream|session_id url referrer
web.campaigns|marketing|Adverts and what they cost|marketing|campaign_id channel cost_eur
logistics.shipments|logistics|Parcels on their way|delivery|shipment_id order_id carrier delivered_at
logistics.stock|logistics|What lies in the warehouses|inventory|product_id warehouse quantity
logistics.returns|logistics|Parcels that came back|delivery|return_id shipment_id reason
finance.invoices|finance|Invoices sent|billing|invoice_id customer_id amount due_date
finance.payments|finance|Payments received|billing|payment_id invoice_id paid_at method
finance.exchange_rates|finance|Rates of the central bank|reference|currency rate day
korea.sales|korea-team|지역별 매출 합계와 전년 대비 증감|매출|지역 매출액 전년대비
korea.customers|korea-team|고객정보와 가입일|고객|고객번호 이메일 가입일
korea.settlements|korea-team|카드 결제내역을 매일 정산한 결과|결제,정산|결제번호 승인일시 금액
korea.deliveries|korea-team|배송 현황, 택배사별 도착 시간|배송|송장번호 택배사 도착시간
korea.stock|korea-team|창고별 재고 수량|재고|상품코드 창고 수량
"""
FIRST = {
    "orders": "sales.orders",
    "order": "sales.orders",
    "order items": "sales.order_items",
    "customers": "crm.customers",
    "customer email": "crm.customers",
    "custmers": "crm.customers",
    "cusotmers": "crm.customers",
    "churn": "crm.churn_scores",
    "chrun probability": "crm.churn_scores",
    "shipmnt": "logistics.shipments",
    "revenue by day": "sales.daily_revenue",
    "revnue": "sales.daily_revenue",
    "page views": "web.page_views",
    "pageviews referer": "web.page_views",
    "invoice due date": "finance.invoices",
    "invocies": "finance.invoices",
    "warehouse quantity": "logistics.stock",
    "exchange rate": "finance.exchange_rates",
    "paid_at": "finance.payments",
    "refund": "sales.refunds",
    "marketing cost": "web.campaigns",
    "매출": "korea.sales",
    "매출을": "korea.sales",
    "지역 매출": "korea.sales",
    "매줄합계 지역별": "korea.sales",
    "고객": "korea.customers",
    "고객의 가입일": "korea.customers",
    "결제": "korea.settlements",
    "겔제내역": "korea.settlements",
    "정산 결과": "korea.settlements",
    "택배": "korea.deliveries",
    "배송은": "korea.deliveries",
    "재고 수량": "korea.stock",
    "상품코트": "korea.stock",
}
AMONG_THREE = {
    "clickstream": {"web.sessions", "web.page_views"},
    "billing": {"finance.invoices", "finance.payments"},
    "parcels": {"logistics.shipments", "logistics.returns", "crm.customer_addresses"},
    "order_id total": {"sales.orders"},
}


def fill(catalog: Catalog) -> None:
    datasets = []
    for line in SHELF.splitlines():
        name, owner, description, tags, columns = line.split("|")
        made = tuple(
            Column(
                name=column,
                logical_type="string",
                spark_type="string",
                classification="personal" if column in ("email", "phone", "이메일") else None,
            )
            for column in columns.split()
        )
        contract = Contract(
            id=name,
            version="1.0.0",
            status="deprecated" if name == "sales.carts" else "active",
            description=description,
            tags=tuple(tags.split(",")),
            columns=made,
        )
        datasets.append(Dataset(contract=contract, domain=name.partition(".")[0], owner=owner))
    register_products(catalog, datasets)


@pytest.fixture
def shelf(empty: Catalog) -> Catalog:
    fill(empty)
    return empty


@ON_BOTH
def test_what_people_mean_comes_first(shelf: Catalog) -> None:
    wrong = {text: [h.name for h in search(shelf, text)[:3]] for text in FIRST}
    assert {text: found for text, found in wrong.items() if found[:1] != [FIRST[text]]} == {}
    for text, expected in AMONG_THREE.items():
        assert expected <= {hit.name for hit in search(shelf, text)[:3]}, text


def test_both_databases_answer_in_the_same_order(shelf: Catalog, postgres: PostgresServer) -> None:
    other = open_catalog(postgres.catalog_url(postgres.new_database()))
    try:
        fill(other)
        for text in (*FIRST, *AMONG_THREE, "customer order", "team", "a", "e"):
            assert find(shelf, text, counts=True) == find(other, text, counts=True), text
    finally:
        other.close()


@ON_BOTH
def test_facets_narrow_a_search_and_are_counted(shelf: Catalog) -> None:
    found = find(shelf, "customer", counts=True)
    assert found.whole and found.facets["domain"]["crm"] == 4
    narrowed = find(shelf, "customer", where={"domain": ["finance", "sales"]})
    assert {hit.domain for hit in narrowed.hits} == {"finance", "sales"}
    assert [hit.name for hit in find(shelf, "", where={"owner": ["web-team"]}).hits] == [
        "web.page_views",
        "web.sessions",
    ]
    assert [hit.name for hit in find(shelf, "", where={"status": ["deprecated"]}).hits] == ["sales.carts"]
    personal = find(shelf, "", where={"classification": ["personal"], "domain": ["crm"]}, counts=True)
    assert [hit.name for hit in personal.hits] == ["crm.customers"]
    assert personal.facets["tag"] == {"customer": 1, "personal": 1}
    assert find(shelf, "orders", where={"domain": ["nowhere"]}).hits == ()
    with pytest.raises(InputError, match="colour is no facet"):
        find(shelf, "orders", where={"colour": ["red"]})


def test_a_word_that_very_many_have_still_finds_those_most_about_it(empty: Catalog, tmp_path: Path) -> None:
    def dataset(name: str, *columns: str) -> Dataset:
        made = tuple(Column(name=one, logical_type="string", spark_type="string") for one in columns)
        return Dataset(
            contract=Contract(id=name, version="1.0.0", status="active", columns=made), domain="many", owner="ana"
        )

    register_products(empty, [dataset("many.customer", "id")])
    register_products(empty, [dataset(f"many.table_{number}", "customer_id") for number in range(2_100)])
    found = find(empty, "customer", limit=3)
    assert found.hits[0].name == "many.customer" and not found.whole
    assert find(empty, "customer table_2099").hits[0].name == "many.table_2099"
    assert find(empty, "customer 17", where={"domain": ["many"]}, limit=1).hits[0].name == "many.table_17"

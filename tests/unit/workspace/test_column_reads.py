"""Which columns a build.sql reads, and which it makes of which, by its text."""

from __future__ import annotations

import pytest

from mesh_catalog.workspace.column_reads import sql_column_reads

_INPUTS = {
    "shop.orders": ("id", "Amount", "at", "state"),
    "crm.people": ("id", "mail", "segment"),
    "ml.churn__predictions": None,
    "source": ("a", "b"),
}


def _told(
    text: str, own: tuple[str, ...] = ()
) -> tuple[dict[str, str | None], dict[str, str] | None]:  # columns as `a b`, for short tables
    named = {name: columns for name, columns in _INPUTS.items() if name in text}
    found = sql_column_reads(text, named, own={name.lower(): name for name in own})
    reads = {name: None if cols is None else " ".join(sorted(cols)) for name, cols in found.reads.items()}
    if found.makes is None:
        return reads, None
    made = {name: " ".join(sorted(f"{d}.{c}" for d, c in by)) for name, by in found.makes.items()}
    return reads, made


@pytest.mark.parametrize(
    ("text", "reads", "makes"),
    [
        ("select at, sum(amount) as total from shop.orders where state = 'x' group by 1",
         {"shop.orders": "Amount at state"}, {"at": "shop.orders.at", "total": "shop.orders.Amount"}),
        ("select o.*, p.segment from shop.orders o join crm.people p on o.id = p.id",
         {"shop.orders": "Amount at id state", "crm.people": "id segment"},
         {"id": "shop.orders.id", "amount": "shop.orders.Amount", "at": "shop.orders.at",
          "state": "shop.orders.state", "segment": "crm.people.segment"}),
        ("with t as (select * from shop.orders), u as (select *, amount * 2 as d from t) select d, at as day from u",
         {"shop.orders": "Amount at"}, {"d": "shop.orders.Amount", "day": "shop.orders.at"}),
        ("with t as (select state, at from shop.orders) select at from t",
         {"shop.orders": "at state"}, {"at": "shop.orders.at"}),
        ("select at, (select max(segment) from crm.people) as s from shop.orders",
         {"shop.orders": "at", "crm.people": "segment"}, {"at": "shop.orders.at", "s": "crm.people.segment"}),
        ("select p.mail from crm.people p where exists (select 1 from shop.orders o where o.id = p.id)",
         {"shop.orders": "id", "crm.people": "id mail"}, {"mail": "crm.people.mail"}),
        ("select amount as v from shop.orders union all select segment from crm.people",
         {"shop.orders": "Amount", "crm.people": "segment"}, {"v": "crm.people.segment shop.orders.Amount"}),
        ("select sum(amount) over (order by at) w from shop.orders qualify rank() over (order by id) > state",
         {"shop.orders": "Amount at id state"}, {"w": "shop.orders.Amount shop.orders.at"}),
        ("select shop.orders.at, orders.state from shop.orders",
         {"shop.orders": "at state"}, {"at": "shop.orders.at", "state": "shop.orders.state"}),
        ("with source2 as (select * from source) select b as c from source2", {"source": "b"}, {"c": "source.b"}),
        ("select count(*) as n from shop.orders", {"shop.orders": ""}, {"n": ""}),
        ("select score from ml.churn__predictions",
         {"ml.churn__predictions": "score"}, {"score": "ml.churn__predictions.score"}),
        ("select * from ml.churn__predictions", {"ml.churn__predictions": None}, None),
        ("select at from shop.orders join crm.people using (nope)", {"shop.orders": None, "crm.people": None}, None),
    ],
)  # fmt: skip
def test_columns_are_told_from_the_text(text: str, reads: dict[str, str | None], makes: dict[str, str] | None) -> None:
    assert _told(text) == (reads, makes)


def test_of_a_star_only_what_the_contract_promises_counts_and_is_called_as_it_says() -> None:
    assert _told("select * from shop.orders", own=("ID", "amount")) == (
        {"shop.orders": "Amount id"},
        {"ID": "shop.orders.id", "amount": "shop.orders.Amount"},
    )

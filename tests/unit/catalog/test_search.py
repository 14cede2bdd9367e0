from __future__ import annotations

import unicodedata
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh_catalog.catalog.assets import register_product
from mesh_catalog.catalog.search import find, search
from mesh_catalog.catalog.store import Catalog
from mesh_catalog.catalog.words import nearness, shortened, words
from tests.unit.catalog.conftest import ON_BOTH
from tests.unit.catalog.samples import dataset_contract

NAME = "payments.transactions"


def names(catalog: Catalog, text: str) -> list[str]:
    return [hit.name for hit in search(catalog, text)]


@ON_BOTH
def test_a_name_goes_before_a_column_and_a_column_before_a_description(catalog: Catalog) -> None:
    assert names(catalog, "transactions")[0] == NAME
    assert names(catalog, "daily") == ["payments.daily"]
    hit = search(catalog, "tx_amount")[0]
    assert (hit.name, hit.kind, hit.owner, hit.matched) == (NAME, "product", "payments-team", ("column tx_amount",))


@ON_BOTH
@pytest.mark.parametrize("text", ["terminal", "euro", "cards", "payments-team", "PAYMENTS", "amount customer", "devic"])
def test_descriptions_tags_owners_domains_and_columns_are_found(catalog: Catalog, text: str) -> None:
    assert NAME in names(catalog, text)


@ON_BOTH
def test_what_nobody_has_decided_about_is_found_as_what_it_may_be(catalog: Catalog) -> None:
    devices = dataset_contract("payments.devices", "mail", "model")
    mail = replace(devices.columns[0], classification="personal?")
    register_product(
        catalog, replace(devices, columns=(mail, devices.columns[1])), domain="payments", owner="payments-team"
    )
    found = find(catalog, "", where={"classification": ["personal"]}).hits
    assert {hit.name for hit in found} == {NAME, "payments.devices"}
    assert find(catalog, "", where={"classification": ["special"]}).hits == ()


def test_models_are_found_by_goal_and_target(catalog: Catalog) -> None:
    assert names(catalog, "fraudulent settle") == ["payments.fraud"]
    assert search(catalog, "fraud")[0].name == "payments.fraud"
    assert search(catalog, "fraud")[0].kind == "model"


@ON_BOTH
@pytest.mark.parametrize(
    "typed", ["transctions", "trasnactions", "transakcions", "tranzactions", "transactionss", "transaction"]
)
def test_a_typo_or_two_are_forgiven(catalog: Catalog, typed: str) -> None:
    assert NAME in names(catalog, typed)


def test_nonsense_finds_nothing(catalog: Catalog) -> None:
    assert names(catalog, "zebra") == []
    assert names(catalog, "  ,.- ") == []
    assert names(catalog, "%") == []
    assert names(catalog, "'; drop table products; --")[:1] != ["x"]


@pytest.mark.parametrize("text", ["결제", "결제내역", "결제를", "매출", "일별 매출", "겔제내역", "매줄합계 일별"])
def test_korean_is_found_with_particles_inside_compounds_and_with_a_typo(catalog: Catalog, text: str) -> None:
    assert "payments.daily" in names(catalog, text)


def test_korean_as_a_mac_decomposes_it_is_the_same(catalog: Catalog) -> None:
    assert names(catalog, unicodedata.normalize("NFD", "매출")) == names(catalog, "매출") == ["payments.daily"]


def test_who_matches_more_of_the_words_comes_first(catalog: Catalog) -> None:
    assert names(catalog, "payments amount day")[0] == "payments.daily"
    assert names(catalog, "payments amount terminal")[0] == NAME


def test_a_dataset_of_the_framework_comes_after_the_product_it_belongs_to(catalog: Catalog) -> None:
    register_product(catalog, dataset_contract(f"{NAME}__quarantine", "x"), domain="payments", owner="payments-team")
    assert names(catalog, "transactions")[:2] == [NAME, f"{NAME}__quarantine"]


def test_the_limit_keeps_the_best(catalog: Catalog) -> None:
    assert [hit.name for hit in search(catalog, "payments fraud", limit=1)] == ["payments.fraud"]
    assert search(catalog, "payments", limit=0) == []


@given(st.text(max_size=40))
def test_words_are_their_own_words(text: str) -> None:
    found = words(text)
    assert words(" ".join(found)) == found


@given(st.text("abcdeé결제", min_size=1, max_size=12), st.text("abcdeé결제", min_size=1, max_size=12))
def test_nearness_is_symmetric_and_one_only_for_equals(left: str, right: str) -> None:
    assert (nearness(left, right) > 0) == (nearness(right, left) > 0)
    assert (nearness(left, right) == 1) == (unicodedata.normalize("NFD", left) == unicodedata.normalize("NFD", right))


def test_short_words_have_no_neighbours_and_no_stems() -> None:
    assert nearness("day", "dax") == 0
    assert shortened("tax") == []
    assert shortened("결제를") == ["결제"]

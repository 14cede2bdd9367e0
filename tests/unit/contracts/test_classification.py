from __future__ import annotations

import pytest

from mesh_catalog.contracts.classification import ValueEvidence, suspect_name


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("customerID", "an identifier"),
        ("USER_ID", "an identifier"),
        ("userid", "an identifier"),
        ("PassengerId", "an identifier"),
        ("kunden_nr", "an identifier"),
        ("고객번호", "an identifier"),
        ("Name", "a person's name"),
        ("customer name", "a person's name"),
        ("Vorname", "a person's name"),
        ("prénom", "a person's name"),
        ("이름", "a person's name"),
        ("氏名", "a person's name"),
        ("e-mail", "an e-mail address"),
        ("고객이메일", "an e-mail address"),
        ("correo_electronico", "an e-mail address"),
        ("telefonnummer_mobil", "a telephone number"),
        ("휴대폰번호", "a telephone number"),
        ("street_address", "an address"),
        ("PLZ", "an address"),
        ("date_of_birth", "a date of birth"),
        ("Geburtsdatum", "a date of birth"),
        ("생년월일", "a date of birth"),
        ("ssn", "an official number"),
        ("주민등록번호", "an official number"),
        ("passport_no", "an official number"),
        ("IBAN", "an account or card number"),
        ("card_number", "an account or card number"),
        ("ip_addr", "a network or device address"),
        ("review", "text that people write"),
    ],
)
def test_a_name_that_speaks_of_people_is_suspected_in_several_languages(name: str, reason: str) -> None:
    found = suspect_name(name)
    assert found is not None
    assert found.classification == "personal?"
    assert reason in found.reason


@pytest.mark.parametrize("name", ["race", "Religion", "diagnosis_code", "종교", "sexual_orientation"])
def test_a_special_category_is_suspected_as_special(name: str) -> None:
    found = suspect_name(name)
    assert found is not None
    assert found.classification == "special?"


@pytest.mark.parametrize(
    "name",
    [
        "transaction_id",
        "TERMINAL_ID",
        "tx_amount",
        "product_name",
        "hostname",
        "course_title",
        "review_id",
        "no",
        "이율",
        "account_balance",
        "patient_count",
        "subject",
        "nswprice",
        "period",
        "StockCode",
        "Description",
        "sib_sp",
        "",
    ],
)
def test_a_name_of_things_is_not_suspected(name: str) -> None:
    assert suspect_name(name) is None


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (["n/a", "ada@example.org"], "an e-mail address"),
        (["see ada.l@example.org for more"], "an e-mail address"),
        (["+49 170 1234567", "030-1234567"], "a telephone number"),
        (["(555) 123-4567"], "a telephone number"),
        (["010-1234-5678"], "a telephone number"),
        (["123-45-6789"], "an official number"),
        (["900101-1234567"], "an official number"),
        (["DE89 3704 0044 0532 0130 00"], "an IBAN"),
        (["GB82WEST12345698765432"], "an IBAN"),
        (["4111111111111111", "5500-0000-0000-0004"], "a card number"),
        (["192.168.0.1", "2001:db8::1"], "a network address"),
        (["Lovelace, Ada", "Curie, Mrs. Marie (Maria Sklodowska)"], "names of people"),
        (["김철수", "이영희"], "names of people"),
        (["It was late and nobody came to open the door."], "free text"),
    ],
)
def test_values_that_look_like_people_are_suspected(values: list[str], reason: str) -> None:
    evidence = ValueEvidence()
    evidence.add(values)
    found = evidence.suspect(distinct_share=1.0)
    assert found is not None
    assert reason in found.reason
    assert not any(value in found.reason for value in values)


@pytest.mark.parametrize(
    "values",
    [
        ["2018-04-01 00:00:31"],
        ["12345678", "87654321"],
        ["4111111111111112"],
        ["DE00 3704 0044 0532 0130 00"],
        ["1.2.3", "10.4"],
        ["A/5 21171", "PC 17599"],
        ["Toy Story (1995)", "Jumanji (1995)"],
        ["drama|comedy"],
        [],
    ],
)
def test_values_of_things_are_not_suspected(values: list[str]) -> None:
    evidence = ValueEvidence()
    evidence.add(values)
    assert evidence.suspect(distinct_share=1.0) is None


def test_words_that_repeat_are_categories_and_not_names() -> None:
    evidence = ValueEvidence()
    evidence.add(["New York", "Los Angeles"])
    assert evidence.suspect(distinct_share=0.01) is None

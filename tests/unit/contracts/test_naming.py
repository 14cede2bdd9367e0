from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh_catalog.contracts.naming import column_names
from mesh_catalog.specs import is_name


@pytest.mark.parametrize(
    ("original", "name"),
    [
        ("TX_DATETIME", "tx_datetime"),
        ("customerID", "customer_id"),
        ("PassengerId", "passenger_id"),
        ("HTTPServer", "http_server"),
        ("CO(GT)", "co_gt"),
        ("pm2.5", "pm2_5"),
        ("default payment next month", "default_payment_next_month"),
        ("Straße", "strasse"),
        ("Ünïcode", "unicode"),
        ("고객 이메일", "gogaek_imeil"),
        ("2nd", "c_2nd"),
        ("日付", "column_1"),
        ("", "column_1"),
    ],
)
def test_a_name_becomes_snake_case_that_sql_takes_without_quotes(original: str, name: str) -> None:
    assert column_names([original]) == [name]


def test_names_that_fall_together_are_numbered() -> None:
    assert column_names(["a b", "A-B", "a_b"]) == ["a_b", "a_b_2", "a_b_3"]


@settings(deadline=None)
@given(st.lists(st.text(max_size=80), max_size=12))
def test_any_header_gives_as_many_different_sql_names(originals: list[str]) -> None:
    names = column_names(originals)
    assert len(names) == len(originals) == len(set(names))
    assert all(is_name(name) for name in names)

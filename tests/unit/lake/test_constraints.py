"""Constraints that Delta has written its own way."""

from __future__ import annotations

import pytest

from mesh_catalog.lake.constraints import same_condition


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        ("coalesce(`a b` <= 100, true)", "coalesce ( `a b` <= 100 , true )", True),
        ("`s` in ('x  y')", "`s` in ( 'x  y' )", True),
        ("`s` in ('x  y')", "`s` in ('x y')", False),
        ("`n` <= 100", "`n` <= 10", False),
        (r"`s` rlike 'it\'s  a'", r"`s` rlike 'it\'s a'", False),
        (None, "`n` <= 100", False),
    ],
)
def test_spaces_between_words_are_no_difference_and_spaces_inside_texts_are(
    left: str | None, right: str, same: bool
) -> None:
    assert same_condition(left, right) is same

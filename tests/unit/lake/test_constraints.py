from __future__ import annotations

import pytest

from mesh_catalog.lake.constraints import is_same_condition


@pytest.mark.parametrize(
    ("kept", "wanted", "same"),
    [
        ("coalesce ( `a` <= 100 , true )", "coalesce(`a` <= 100, true)", True),
        ("`a` rlike 'x y'", "`a`  rlike  'x y'", True),
        ("`a` rlike 'x y'", "`a` rlike 'xy'", False),
        ("`a` = 'it\\' s'", "`a`='it\\' s'", True),
        ("`a` = 'it\\' s'", "`a`='it\\'s'", False),
        (None, "`a` > 0", False),
        ("`a` > 0", None, False),
    ],
)
def test_conditions_are_the_same_where_only_spaces_outside_of_quotes_differ(
    kept: str | None, wanted: str | None, same: bool
) -> None:
    assert is_same_condition(kept, wanted) is same

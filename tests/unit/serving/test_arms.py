"""Which arm an entity has: fixed, monotone in the share, another with another salt, and fair."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh_catalog.serving.arms import CHALLENGER, arm_of, can_be_hashed

VALUES = st.one_of(st.text(max_size=20), st.integers(-(2**63), 2**63 - 1), st.booleans(), st.dates(), st.decimals(0, 9))
ENTITIES = st.dictionaries(st.sampled_from(["a", "b", "c"]), VALUES, min_size=1)


@given(ENTITIES, st.text(max_size=10), st.lists(st.floats(0, 1), min_size=2, max_size=6))
def test_an_entity_never_leaves_the_challenger_as_the_share_grows(
    entity: dict[str, object], salt: str, shares: list[float]
) -> None:
    arms = [arm_of(entity, salt=salt, share=share) == CHALLENGER for share in sorted(shares)]
    assert arms == sorted(arms)
    assert arm_of(entity, salt=salt, share=1.0) == CHALLENGER
    assert arm_of(entity, salt=salt, share=0.0) != CHALLENGER


def test_a_share_gets_its_part_of_the_entities_and_another_salt_other_ones() -> None:
    chosen = {
        salt: {n for n in range(20_000) if arm_of({"id": n}, salt=salt, share=0.1) == CHALLENGER}
        for salt in ("one", "two")
    }
    for found in chosen.values():
        assert 1_850 < len(found) < 2_150  # 2,000 expected, standard deviation 42
    assert 120 < len(chosen["one"] & chosen["two"]) < 280  # 200 expected where the salts are independent


def test_columns_do_not_run_into_each_other_and_an_unknown_part_has_no_arm() -> None:
    pairs = [arm_of({"a": "1", "b": f"2{n}"}, salt="s", share=0.5) for n in range(64)]
    moved = [arm_of({"a": "12", "b": str(n)}, salt="s", share=0.5) for n in range(64)]
    assert pairs != moved
    assert arm_of({"a": "1", "b": None}, salt="s", share=1.0) is None


@pytest.mark.parametrize("value", [1.5, datetime(2026, 1, 1, tzinfo=UTC), b"x"])
def test_what_has_no_one_text_is_not_hashed(value: object) -> None:
    with pytest.raises(TypeError, match="has no one text"):
        arm_of({"a": value}, salt="s", share=0.5)
    assert not can_be_hashed({1.5: "double"}.get(value, "timestamp"))  # type: ignore[call-overload]


def test_decimals_are_hashed_as_spark_writes_them() -> None:
    assert can_be_hashed("decimal(12,2)")
    small, written = Decimal("0E-2"), Decimal("0.00")
    arms = [arm_of({"a": value}, salt=str(n), share=0.5) for n in range(32) for value in (small, written)]
    assert arms[::2] == arms[1::2]

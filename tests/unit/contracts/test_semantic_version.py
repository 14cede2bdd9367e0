"""Which step from one version to the next a change of a contract needs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh_catalog.contracts.semantic_version import Change, Step, is_enough, next_version, version_step


@pytest.mark.parametrize(
    ("old", "new", "step"),
    [
        ("1.0.0", "2.0.0", "major"),
        ("1.9.3", "1.10.0", "minor"),
        ("1.2.3", "1.2.10", "patch"),
        ("1.2", "1.2.0", "none"),
        ("v1.2", "2", "major"),
        ("2.0.0", "1.9.9", "back"),
        ("1.10.0", "1.9.0", "back"),
        ("spring", "autumn", "other"),
        ("1.0.0", "2026-01", "other"),
        ("spring", "spring", "none"),
    ],
)
def test_a_step_is_told_by_its_numbers(old: str, new: str, step: Step) -> None:
    assert version_step(old, new) == step


@pytest.mark.parametrize(
    ("new", "enough"),
    [
        ("2.0.0", {"breaking", "additive", "documentation"}),
        ("1.5.0", {"additive", "documentation"}),
        ("1.4.3", {"documentation"}),
        ("1.4.2", set()),
        ("1.3.9", set()),
        ("next", {"breaking", "additive", "documentation"}),
    ],
)
def test_a_change_needs_a_step_of_its_size(new: str, enough: set[Change]) -> None:
    changes: tuple[Change, ...] = ("breaking", "additive", "documentation")
    assert {change for change in changes if is_enough("1.4.2", new, change)} == enough


_changes = st.sampled_from(["breaking", "additive", "documentation"])


@given(st.tuples(*[st.integers(0, 50)] * 3), _changes, _changes)
def test_the_next_version_is_enough_and_for_nothing_greater(
    numbers: tuple[int, int, int], change: Change, other: Change
) -> None:
    old = ".".join(map(str, numbers))
    new = next_version(old, change)
    assert new is not None and is_enough(old, new, change)
    sizes = ("documentation", "additive", "breaking")
    assert is_enough(old, new, other) == (sizes.index(other) <= sizes.index(change))


def test_a_version_without_numbers_has_no_next_one() -> None:
    assert next_version("spring", "breaking") is None

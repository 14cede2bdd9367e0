"""Which change of a contract breaks whom: cases, and laws that hold for any contracts."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh_catalog.contracts.compatibility import Difference, change_kind, compare_contracts, is_wider
from mesh_catalog.contracts.contract import Column, Contract, Rights, Rule, Use
from mesh_catalog.contracts.rules import implied_rules
from mesh_catalog.contracts.semantic_version import Change, raises_major

_TYPES = ("tinyint", "int", "bigint", "float", "double", "decimal(10,2)", "decimal(20,2)", "string", "date")


def _column(name: str, spark_type: str = "int", **more: object) -> Column:
    return Column(name=name, logical_type="any", spark_type=spark_type, **more)  # type: ignore[arg-type]


def _contract(*columns: Column, **more: object) -> Contract:
    return Contract(id="d.p", version="1.0.0", status="active", columns=columns, rules=implied_rules(columns), **more)  # type: ignore[arg-type]


_A, _B = _column("a"), _column("b", "string", required=True)
_BASE = _contract(_A, _B, event_time=None)
_POSITIVE = Rule(id="a.minimum", kind="minimum", column="a", argument=0, text="a >= 0")


def _allowing(*uses: Use) -> Contract:
    return replace(_BASE, rights=Rights(allowed_uses=uses))


@pytest.mark.parametrize(
    ("new", "kind", "concerns", "sentence"),
    [
        (_contract(_B), "breaking", "readers", "column 'a' is removed"),
        (_contract(_column("a", "string"), _B), "breaking", "readers", "'a' is string instead of int"),
        (_contract(_column("a", "bigint"), _B), "additive", "readers", "'a' is bigint instead of int, which is wider"),
        (_contract(_A, _column("b", "string")), "breaking", "readers", "'b' may be null"),
        (_contract(_column("a", required=True), _B), "breaking", "rows", "'a' is required"),
        (_contract(_A, _B, _column("c")), "additive", "readers", "'c' is new"),
        (_contract(_A, _B, _column("c", required=True)), "breaking", "rows", "'c' is new and required"),
        (_contract(_column("a", unique=True), _B), "additive", "readers", "unique from now on"),
        (_contract(_A, _column("b", "string", required=True, primary_key_position=1)), "breaking", "rows", "key (b)"),
        (_contract(_A, _column("b", "string", required=True, classification="personal")), "additive", "readers",
         "classified personal instead of nothing"),
        (_contract(_column("a", description="x"), _B), "documentation", "readers", "described otherwise"),
        (_contract(_A, _column("b", "string", required=True, unique=True)), "additive", "readers", "unique from now"),
        (replace(_BASE, description="x"), "documentation", "readers", "table is described otherwise"),
        (replace(_BASE, write_mode="append"), "additive", "readers", "written by append, not overwrite"),
        (replace(_BASE, event_time="a"), "additive", "readers", "event time is a"),
        (replace(_BASE, rules=(*_BASE.rules, _POSITIVE)), "additive", "readers", "the rule 'a >= 0' is new"),
        (_allowing("analysis"), "breaking", "readers", "only these uses are allowed from now on: analysis"),
        (replace(_BASE, rights=Rights(allowed_purposes=())), "breaking", "readers", "only these purposes"),
        (replace(_BASE, rights=Rights(licence="CC-BY-4.0")), "additive", "readers", "the licence is CC-BY-4.0"),
        (replace(_BASE, rights=Rights(purposes=("billing",))), "documentation", "readers", "what the rows are for"),
    ],
)  # fmt: skip
def test_a_change_is_told_with_whom_it_breaks(new: Contract, kind: str, concerns: str, sentence: str) -> None:
    (found,) = compare_contracts(_BASE, new)
    assert (found.kind, found.concerns) == (kind, concerns)
    assert sentence in found.sentence


def test_a_use_that_is_allowed_no_more_breaks_and_one_more_does_not() -> None:
    few, many = _allowing("analysis"), _allowing("analysis", "train")
    (lost,) = compare_contracts(many, few)
    assert (lost.kind, lost.sentence) == ("breaking", "the use 'train' is allowed no more")
    assert [one.kind for one in compare_contracts(few, many)] == ["additive"]
    assert [one.kind for one in compare_contracts(few, _BASE)] == ["additive"]


def test_a_rename_is_a_removal_and_says_what_it_may_be() -> None:
    removed, added = compare_contracts(_BASE, _contract(_column("aa"), _B))
    assert removed.kind == "breaking" and "renamed to 'aa'?" in removed.sentence
    assert added.kind == "additive"


def test_a_key_or_an_event_time_that_is_another_one_breaks_readers() -> None:
    old = _contract(_column("a", primary_key_position=1), _B, event_time="a")
    new = _contract(_A, replace(_B, primary_key_position=1), event_time="b")
    told = {found.sentence for found in compare_contracts(old, new) if found.kind == "breaking"}
    assert told == {"the primary key is b, not a", "the event time is b, not a"}


def test_a_column_that_is_no_longer_unique_breaks_readers_unless_it_is_the_whole_key() -> None:
    old = _contract(_column("a", unique=True, primary_key_position=1), _B)
    (said,) = compare_contracts(old, _contract(_column("a", primary_key_position=1), _B))
    assert (said.kind, said.sentence) == ("additive", "column 'a' is unique as the primary key")
    (lost,) = compare_contracts(_contract(_column("a", unique=True), _B), _contract(_column("a"), _B))
    assert (lost.kind, lost.concerns) == ("breaking", "readers")


def test_a_rule_that_is_looser_or_stricter_is_additive() -> None:
    old = replace(_BASE, rules=(_POSITIVE,))
    new = replace(_BASE, rules=(replace(_POSITIVE, argument=-1, text="a >= -1"),))
    for one, other in ((old, new), (new, old), (old, replace(_BASE, rules=()))):
        assert {found.kind for found in compare_contracts(one, other)} == {"additive"}


@pytest.mark.parametrize(
    ("old", "new", "raised"),
    [
        ("1.9.9", "2.0.0", True),
        ("1.0.0", "1.9.0", False),
        ("2.0.0", "1.0.0", False),
        ("v1", "v2", True),
        ("9", "10", True),
        ("spring", "autumn", True),
        ("spring", "spring", False),
        ("1.0.0", "autumn", True),
    ],
)
def test_a_major_version_is_raised_by_its_number(old: str, new: str, raised: bool) -> None:
    assert raises_major(old, new) is raised


# Laws --------------------------------------------------------------------------------------------------------------

_columns = st.builds(
    Column,
    name=st.sampled_from(["a", "b", "c"]),
    logical_type=st.just("any"),
    spark_type=st.sampled_from(_TYPES),
    required=st.booleans(),
    unique=st.booleans(),
    primary_key_position=st.none(),
    classification=st.sampled_from([None, "public", "personal"]),
    description=st.sampled_from([None, "text"]),
)


_rights = st.builds(
    Rights,
    licence=st.sampled_from([None, "MIT", "CC-BY-4.0"]),
    allowed_uses=st.none() | st.sets(st.sampled_from(["analysis", "train"])).map(lambda uses: tuple(sorted(uses))),
    purposes=st.sampled_from([(), ("billing",)]),
)


@st.composite
def _contracts(draw: st.DrawFn) -> Contract:
    columns = draw(st.lists(_columns, min_size=1, max_size=3, unique_by=lambda column: column.name))
    if draw(st.booleans()):
        columns[0] = replace(columns[0], primary_key_position=1, required=True)
    time = draw(st.sampled_from([None, columns[-1].name]))
    rules = implied_rules(columns)
    if draw(st.booleans()):
        bound = draw(st.integers(0, 3))
        rules += (Rule(id="t.rows", kind="row_count", argument=bound, text=f"rows {bound}"),)
    return Contract(
        id="d.p", version="1.0.0", status="active", columns=tuple(columns), rules=rules, event_time=time,
        write_mode=draw(st.sampled_from(["append", "overwrite"])), rights=draw(_rights),
    )  # fmt: skip


def _breaks(found: tuple[Difference, ...]) -> bool:
    return any(difference.kind == "breaking" for difference in found)


@settings(deadline=None)
@given(_contracts())
def test_a_contract_does_not_differ_from_itself(contract: Contract) -> None:
    assert compare_contracts(contract, contract) == ()


@settings(max_examples=500, deadline=None)
@given(_contracts(), _contracts(), _contracts())
def test_steps_that_break_nobody_add_up_to_one_that_breaks_nobody(a: Contract, b: Contract, c: Contract) -> None:
    if not _breaks(compare_contracts(a, b)) and not _breaks(compare_contracts(b, c)):
        assert not _breaks(compare_contracts(a, c))


@settings(max_examples=300, deadline=None)
@given(_contracts(), _contracts())
def test_what_a_reader_relied_on_and_misses_is_never_called_additive(old: Contract, new: Contract) -> None:
    """An oracle of its own: a reader names columns and types, takes required ones as never null, joins by the key."""
    there = {column.name: column for column in new.columns}
    unique = {column.name for column in new.columns if column.unique or new.primary_key == (column.name,)}
    broken = any(_misses(column, there.get(column.name)) for column in old.columns)
    broken |= any(column.unique and column.name not in unique for column in old.columns)
    broken |= bool(old.primary_key) and old.primary_key != new.primary_key
    broken |= old.event_time not in (None, new.event_time)
    everything = ("analysis", "train")
    allowed = [set(everything if one.rights.allowed_uses is None else one.rights.allowed_uses) for one in (old, new)]
    broken |= old.rights.allowed_uses is None and new.rights.allowed_uses is not None  # there are more uses than two
    broken |= not allowed[0] <= allowed[1] or old.rights.licence not in (None, new.rights.licence)
    readers = [d for d in compare_contracts(old, new) if d.kind == "breaking" and d.concerns == "readers"]
    assert bool(readers) == broken


def _misses(old: Column, new: Column | None) -> bool:
    if new is None or (old.required and not new.required):
        return True
    return old.spark_type != new.spark_type and not is_wider(old.spark_type, new.spark_type)


@settings(deadline=None)
@given(st.sampled_from(_TYPES), st.sampled_from(_TYPES), st.sampled_from(_TYPES))
def test_wider_is_an_order(a: str, b: str, c: str) -> None:
    assert not is_wider(a, a)
    assert not (is_wider(a, b) and is_wider(b, a))
    assert is_wider(a, c) or not (is_wider(a, b) and is_wider(b, c))


@settings(max_examples=300, deadline=None)
@given(_contracts(), _contracts())
def test_every_difference_says_something_once(old: Contract, new: Contract) -> None:
    found = compare_contracts(old, new)
    assert len(set(found)) == len(found)
    assert all(difference.sentence for difference in found)


# What differences come to -------------------------------------------------------------------------------------------

_SIZES = (None, "documentation", "additive", "breaking")


def _kind(old: Contract, new: Contract) -> Change | None:
    return change_kind(compare_contracts(old, new), keeps_rows=False)


@settings(max_examples=500, deadline=None)
@given(_contracts(), _contracts(), _contracts())
def test_two_changes_come_to_no_more_than_the_greater_of_them(a: Contract, b: Contract, c: Contract) -> None:
    """Also where one is documentation: so additive steps add up to an additive one, and no change is no change."""
    assert _kind(a, a) is None
    sizes = [_SIZES.index(_kind(*pair)) for pair in ((a, b), (b, c), (a, c))]
    if max(sizes[:2]) < _SIZES.index("breaking"):
        assert sizes[2] <= max(sizes[:2])


@settings(max_examples=300, deadline=None)
@given(_contracts(), _contracts())
def test_a_change_that_breaks_is_never_called_additive_or_documentation(old: Contract, new: Contract) -> None:
    kinds = {one.kind for one in compare_contracts(old, new) if one.concerns == "readers"}
    assert (_kind(old, new) == "breaking") == ("breaking" in kinds)


def test_what_only_rows_break_is_breaking_where_rows_stay() -> None:
    found = compare_contracts(_BASE, _contract(_A, _B, _column("c", required=True)))
    assert change_kind(found, keeps_rows=True) == "breaking"
    assert change_kind(found, keeps_rows=False) == "additive"

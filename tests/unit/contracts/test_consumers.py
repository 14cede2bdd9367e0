"""Who breaks when a column goes: cases, and a search by hand over random meshes that finds the same readers."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from mesh_catalog.contracts.compatibility import Difference
from mesh_catalog.contracts.consumers import Consumer, Origin, readers_of_changes, readers_of_columns
from mesh_catalog.contracts.contract import Use


def _product(name: str, makes: dict[str, set[Origin]], *more: Origin) -> Consumer:
    """A product whose columns come from others; `more` it only filters by."""
    read: dict[str, frozenset[str] | None] = {}
    for dataset, column in [*(origin for by in makes.values() for origin in by), *more]:
        read[dataset] = (read.get(dataset) or frozenset()) | {column}
    return Consumer(
        kind="product",
        name=name,
        owner="o",
        reads=read,
        dataset=name,
        columns=frozenset(makes),
        makes={column: frozenset(by) for column, by in makes.items()},
    )


_DAILY = _product("daily", {"day": {("pay", "at")}, "euro": {("pay", "amount")}}, ("pay", "state"))
_WEEK = _product("week", {"euro": {("daily", "euro")}, "week": {("daily", "day")}})
_CODE = Consumer(
    kind="product", name="code", owner=None, reads={"pay": None}, dataset="code", columns=frozenset({"amount", "n"}),
    mentions=frozenset({"at", "sum"}),
)  # fmt: skip
_BOARD = Consumer(kind="dashboard", name="board", owner="ana", reads={"week": None})
_MODEL = Consumer(kind="model", name="m", owner="ml", reads={"code": frozenset({"n"})}, dataset="m__predictions")
_ALL = [_BOARD, _MODEL, _CODE, _WEEK, _DAILY]


def _told(*columns: str, whole: bool = False) -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    return {one.name: (one.columns, one.via) for one in readers_of_columns(_ALL, "pay", columns, whole=whole)}


def test_a_column_is_followed_through_what_is_made_of_it() -> None:
    told = _told("amount")
    assert told == {
        "code": ((), ()),
        "daily": (("amount",), ()),
        "week": (("euro",), ("daily",)),
        "board": ((), ("daily", "week")),
    }


def test_a_column_that_rows_are_only_chosen_by_breaks_its_reader_and_nobody_further() -> None:
    assert set(_told("state")) == {"daily", "code"}


def test_code_that_names_a_column_may_make_anything_of_it_and_otherwise_passes_it_on_by_name() -> None:
    assert _told("at")["m"] == (("n",), ("code",))
    assert "m" not in _told("amount")
    assert "m" not in _told("state")


def test_a_change_of_the_whole_table_concerns_all_who_read_it_and_nobody_further() -> None:
    assert _told(whole=True) == {"code": ((), ()), "daily": (("amount", "at", "state"), ())}


def test_a_reader_is_told_in_a_sentence() -> None:
    found = {one.name: str(one) for one in readers_of_columns(_ALL, "pay", ["amount"])}
    assert found == {
        "code": "product code may read any column (owner nobody)",
        "daily": "product daily reads amount (owner o)",
        "week": "product week reads euro of daily, which comes from amount (owner o)",
        "board": "dashboard board may read any column of week, which comes from amount by daily (owner ana)",
    }


_COUNT = Consumer(kind="product", name="count", owner="o", reads={"daily": frozenset()}, dataset="count", makes={})
_COUNTS = Consumer(kind="model", name="counts", owner="ml", reads={"count": frozenset({"n"})})
_RATE = Consumer(kind="kpi", name="rate", owner="o", reads={"pay": frozenset({"amount"})})


def _users(*uses: Use) -> dict[str, tuple[str, ...]]:
    lost = Difference(kind="breaking", column=None, sentence="not allowed", uses=frozenset(uses))
    return {one.name: one.via for one in readers_of_changes([*_ALL, _COUNT, _COUNTS, _RATE], "pay", [lost])}


def test_a_use_that_is_allowed_no_more_breaks_those_that_make_it_however_far_and_nobody_else() -> None:
    """Also where no column leads there: `count` holds how many rows there were, and nothing of them."""
    assert _users("train") == {"m": ("code",), "counts": ("daily", "count")}
    assert _users("build").keys() == {"code", "daily", "week", "count"}
    assert _users("analysis") == {"rate": ()}  # it is asked for at the product itself
    lost = Difference(kind="breaking", column=None, sentence="the licence is another one")
    assert {one.name for one in readers_of_changes([*_ALL, _RATE], "pay", [lost])} == {"code", "daily", "rate"}


def test_a_circle_ends() -> None:
    circle = [_product("a", {"x": {("b", "x"), ("pay", "x")}}), _product("b", {"x": {("a", "x")}})]
    assert [one.name for one in readers_of_columns(circle, "pay", ["x"])] == ["a", "b"]
    barred = Difference(kind="breaking", column=None, sentence="not allowed", uses=frozenset({"build"}))
    assert [one.name for one in readers_of_changes(circle, "pay", [barred])] == ["a", "b"]


_COLUMNS = ("x", "y", "z")


@st.composite
def _meshes(draw: st.DrawFn) -> list[Consumer]:
    """Products p1…, each made of those before it."""
    found = []
    for number in range(1, draw(st.integers(2, 7))):
        origins = st.tuples(st.sampled_from([f"p{one}" for one in range(number)]), st.sampled_from(_COLUMNS))
        makes = {column: draw(st.sets(origins, max_size=3)) for column in _COLUMNS}
        found.append(_product(f"p{number}", makes, *draw(st.lists(origins, max_size=2))))
    return found


@settings(max_examples=300, deadline=None)
@given(_meshes(), st.sets(st.sampled_from(_COLUMNS), min_size=1))
def test_the_readers_are_those_that_a_search_by_hand_finds(mesh: list[Consumer], lost: set[str]) -> None:
    gone = {("p0", column) for column in lost}
    for _ in mesh:  # as often as there are products, each made of those before it
        for product in mesh:
            for column, origins in (product.makes or {}).items():
                if origins & gone:
                    gone.add((product.name, column))
    broken = {
        product.name
        for product in mesh
        if any((dataset, column) in gone for dataset, read in product.reads.items() for column in read or ())
    }
    found = readers_of_columns(mesh, "p0", lost)
    assert {one.name for one in found} == broken
    assert all(set(one.lost) <= lost and one.lost for one in found)

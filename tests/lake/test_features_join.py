"""The point-in-time join against pandas.merge_asof, a naive loop, and by its laws."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from mesh_catalog.errors import InputError
from mesh_catalog.features.join import join_point_in_time

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

START = datetime(2026, 1, 1, tzinfo=UTC)
ROWS = "row_id int, card string, at timestamp"
VIEW = "card string, known_at timestamp, amount int, place string"


def minute(number: int | None) -> datetime | None:
    return None if number is None else START + timedelta(minutes=number)


def rows_frame(spark: SparkSession, rows: Sequence[tuple[int, str | None, int | None]]) -> DataFrame:
    return spark.createDataFrame([(i, card, minute(at)) for i, card, at in rows], ROWS)


def view_frame(spark: SparkSession, view: Sequence[tuple[str | None, int | None, int | None, str | None]]) -> DataFrame:
    return spark.createDataFrame([(card, minute(at), amount, place) for card, at, amount, place in view], VIEW)


def joined(rows: DataFrame, view: DataFrame) -> dict[int, tuple[int | None, str | None]]:
    found = join_point_in_time(
        rows, view, keys=["card"], time="at", view_time="known_at", columns=["amount", "place"]
    ).collect()
    assert len({row["row_id"] for row in found}) == len(found)
    return {row["row_id"]: (row["amount"], row["place"]) for row in found}


def random_rows(seed: int, *, rows: int, views: int, unique_times: bool) -> tuple[list[Any], list[Any]]:
    rng = random.Random(seed)
    cards = ["a", "b", "c", "d"]
    asked = [(i, rng.choice(cards), rng.randrange(60)) for i in range(rows)]
    known = [
        (rng.choice(cards), rng.randrange(60), rng.randrange(5), rng.choice(["x", "y", None])) for _ in range(views)
    ]
    if unique_times:
        known = list({(card, at): (card, at, amount, place) for card, at, amount, place in known}.values())
    return asked, known


@pytest.mark.parametrize("seed", range(3))
def test_it_equals_merge_asof_where_a_key_has_one_row_a_time(spark: SparkSession, seed: int) -> None:
    asked, known = random_rows(seed, rows=150, views=80, unique_times=True)
    left = pd.DataFrame(asked, columns=["row_id", "card", "at"]).sort_values("at")
    right = pd.DataFrame(known, columns=["card", "at", "amount", "place"]).sort_values("at")
    expected = pd.merge_asof(left, right, on="at", by="card").set_index("row_id")

    found = joined(rows_frame(spark, asked), view_frame(spark, known))

    assert len(found) == 150
    for row_id, (amount, place) in found.items():
        other = expected.loc[row_id]
        assert amount == (None if pd.isna(other["amount"]) else other["amount"])
        assert place == (None if pd.isna(other["place"]) else other["place"])


@pytest.mark.parametrize("seed", range(3))
def test_with_several_rows_a_time_it_picks_one_of_the_newest_and_always_the_same(
    spark: SparkSession, seed: int
) -> None:
    asked, known = random_rows(seed, rows=150, views=200, unique_times=False)
    found = joined(rows_frame(spark, asked), view_frame(spark, known))

    picked: dict[tuple[str, int], set[Any]] = {}
    for row_id, card, at in asked:
        earlier = [(time, amount, place) for owner, time, amount, place in known if owner == card and time <= at]
        newest = max((time for time, _, _ in earlier), default=None)
        allowed = {(amount, place) for time, amount, place in earlier if time == newest} or {(None, None)}
        assert found[row_id] in allowed
        picked.setdefault((card, -1 if newest is None else newest), set()).add(found[row_id])
    assert all(len(values) == 1 for values in picked.values())

    random.Random(seed).shuffle(known)
    again = joined(rows_frame(spark, asked[::-1]).repartition(3), view_frame(spark, known).repartition(2))
    assert again == found


def test_a_value_known_at_the_very_time_counts_and_a_later_one_does_not(spark: SparkSession) -> None:
    view = view_frame(spark, [("a", 10, 1, "x"), ("a", 11, 2, "y")])
    found = joined(rows_frame(spark, [(1, "a", 9), (2, "a", 10), (3, "a", 11), (4, "a", 50)]), view)
    assert found == {1: (None, None), 2: (1, "x"), 3: (2, "y"), 4: (2, "y")}


def test_a_known_null_replaces_an_older_value(spark: SparkSession) -> None:
    view = view_frame(spark, [("a", 1, 1, "x"), ("a", 2, None, None)])
    assert joined(rows_frame(spark, [(1, "a", 5)]), view) == {1: (None, None)}


def test_null_keys_and_null_times_match_nothing_and_their_rows_stay(spark: SparkSession) -> None:
    view = view_frame(spark, [(None, 1, 1, "x"), ("a", None, 2, "y")])
    assert joined(rows_frame(spark, [(1, None, 5), (2, "a", 5), (3, "a", None)]), view) == dict.fromkeys(
        (1, 2, 3), (None, None)
    )


def test_duplicate_rows_are_kept(spark: SparkSession) -> None:
    rows = rows_frame(spark, [(1, "a", 5), (1, "a", 5)])
    view = view_frame(spark, [("a", 1, 7, "x")])
    found = join_point_in_time(rows, view, keys=["card"], time="at", view_time="known_at", columns={"amount": "spent"})
    assert found.columns == ["row_id", "card", "at", "spent"]
    assert [row["spent"] for row in found.collect()] == [7, 7]


def test_a_date_counts_as_its_midnight(spark: SparkSession) -> None:
    view = view_frame(spark, [("a", 0, 1, "x"), ("a", 1, 2, "y")]).withColumnRenamed("known_at", "seen_at")
    rows = spark.createDataFrame([(1, "a", START.date())], "row_id int, card string, day date")
    found = join_point_in_time(rows, view, keys=["card"], time="day", view_time="seen_at", columns=["amount"])
    assert found.collect()[0]["amount"] == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"keys": []}, "no key"),
        ({"keys": ["car"]}, "the rows have no column 'car'. Did you mean 'card'"),
        ({"columns": ["amont"]}, "the features have no column 'amont'. Did you mean 'amount'"),
        ({"time": "row_id"}, "'row_id' is int, which is no time"),
        ({"columns": {"amount": "row_id"}}, "column 'row_id' would stand twice"),
    ],
)
def test_what_does_not_fit_is_told_on_the_schemas(spark: SparkSession, change: dict[str, Any], message: str) -> None:
    call: dict[str, Any] = {"keys": ["card"], "time": "at", "view_time": "known_at", "columns": ["amount"]} | change
    with pytest.raises(InputError, match=message):
        join_point_in_time(rows_frame(spark, [(1, "a", 5)]), view_frame(spark, [("a", 1, 1, "x")]), **call)


def test_keys_of_different_types_are_told(spark: SparkSession) -> None:
    rows = rows_frame(spark, [(1, "a", 5)]).selectExpr("row_id", "1 as card", "at")
    with pytest.raises(InputError, match="key 'card' is int in the rows and string in the features"):
        join_point_in_time(
            rows, view_frame(spark, []), keys=["card"], time="at", view_time="known_at", columns=["amount"]
        )

"""How a contract says that its batches are written, and what it is told where its columns cannot keep that."""

from __future__ import annotations

from pathlib import Path

import pytest

from mesh_catalog.contracts.contract import Contract, DeleteWhen
from mesh_catalog.contracts.odcs import load_contract, read_contract
from mesh_catalog.contracts.odcs_writing import contract_document
from mesh_catalog.documents import Document
from mesh_catalog.errors import DocumentError
from tests.unit.contracts.samples import contract_of, write_contract

KEY = "{name: id, logicalType: integer, primaryKey: true}"
TIME = "{name: at, logicalType: timestamp}"
DAY = "{name: day, logicalType: date, partitioned: true}"
HISTORY = (
    "{name: valid_from, logicalType: timestamp, required: true}",
    "{name: valid_to, logicalType: timestamp}",
    "{name: is_current, logicalType: boolean}",
)


def custom(**values: str) -> str:
    lines = "".join(f"  - {{property: {name}, value: {value}}}\n" for name, value in values.items())
    return f"customProperties:\n{lines}"


def test_partition_columns_follow_their_positions(tmp_path: Path) -> None:
    contract = contract_of(
        tmp_path,
        KEY,
        "{name: day, logicalType: date, partitioned: true, partitionKeyPosition: 2}",
        "{name: land, logicalType: string, partitioned: true, partitionKeyPosition: 1}",
        rest=custom(writeMode="overwrite_partitions"),
    )
    assert contract.partition_columns == ("land", "day")
    assert contract.write_mode == "overwrite_partitions"


def test_an_upsert_names_its_deletions_and_keeps_its_changes(tmp_path: Path) -> None:
    contract = contract_of(
        tmp_path,
        KEY,
        "{name: op, logicalType: string}",
        rest=custom(writeMode="upsert", deleteWhen="{column: op, value: D}", changeDataFeed="true"),
    )
    assert contract.delete_when == DeleteWhen(column="op", value="D")
    assert contract.change_data_feed


def test_a_history_makes_its_columns_itself_and_holds_a_key_once_for_each_valid_from(tmp_path: Path) -> None:
    contract = contract_of(tmp_path, KEY, TIME, *HISTORY, rest=custom(writeMode="history", eventTime="at"))
    assert [column.name for column in contract.built_columns] == ["id", "at"]
    unique = [rule for rule in contract.rules if rule.kind == "unique"]
    assert [rule.argument for rule in unique] == [("id", "valid_from")]


@pytest.mark.parametrize(
    ("properties", "properties_of_contract", "line", "sentence"),
    [
        ((TIME,), {"writeMode": "upsert"}, 13, "upsert finds a row by its primary key, and there is none"),
        ((TIME,), {"writeMode": "history"}, 13, "history finds a row by its primary key"),
        ((KEY,), {"writeMode": "overwrite_partitions"}, 13, "needs partitions. Mark a column partitioned"),
        ((KEY,), {"writeMode": "overwrite_interval"}, 13, "Add customProperty eventTime"),
        ((KEY, HISTORY[0], HISTORY[1]), {"writeMode": "history"}, 15, "'is_current' is missing"),
        (
            (KEY, "{name: valid_from, logicalType: date}", *HISTORY[1:]),
            {"writeMode": "history"},
            12,
            "makes 'valid_from' a timestamp, not a date",
        ),
        (
            (KEY, HISTORY[0], "{name: valid_to, logicalType: timestamp, required: true}", HISTORY[2]),
            {"writeMode": "history"},
            13,
            "valid_to is null in a current row",
        ),
        (
            (KEY, *HISTORY),
            {"writeMode": "history", "eventTime": "valid_from"},
            17,
            "'valid_from' is made by history",
        ),
        (
            (KEY, "{name: m, physicalType: 'map<string,string>', logicalType: object}", *HISTORY),
            {"writeMode": "history"},
            12,
            "cannot compare maps",
        ),
        (
            (KEY, "{name: mail, logicalType: string, classification: personal, partitioned: true}"),
            {"writeMode": "append"},
            12,
            "cannot be partitioned by 'mail': it is personal",
        ),
        (
            (KEY, "{name: who, logicalType: string, classification: 'personal?', partitioned: true}"),
            {"writeMode": "append"},
            12,
            "a partition's value stands in the names of files",
        ),
        (
            (KEY, "{name: a, physicalType: 'array<int>', logicalType: array, partitioned: true}"),
            {"writeMode": "append"},
            12,
            "cannot be partitioned by 'a' of type array<int>",
        ),
        (("{name: a, logicalType: date, partitioned: true}",), {"writeMode": "append"}, 11, "every column"),
        (
            (KEY, DAY, "{name: land, logicalType: string, partitioned: true, partitionKeyPosition: 1}"),
            {"writeMode": "append"},
            12,
            "the partitioning's positions are -1, 1",
        ),
        ((KEY, TIME), {"eventTime": "at", "interval": "2d"}, 15, "interval '2d' is not known. Allowed: 1h, 1d, 1w"),
        ((KEY, TIME), {"interval": "1d"}, 14, "interval speaks of the time of rows"),
        (
            (KEY, "{name: day, logicalType: date}"),
            {"eventTime": "day", "interval": "1h"},
            15,
            "an interval of 1h has no meaning",
        ),
        ((KEY,), {"changeDataFeed": "1"}, 13, "changeDataFeed '1' is not known. Allowed: true, false"),
        ((KEY,), {"deleteWhen": "{column: id, value: 1}"}, 13, "which only an upsert does"),
        ((KEY,), {"writeMode": "upsert", "deleteWhen": "id = 1"}, 14, "deleteWhen has a column and a value"),
        (
            (KEY,),
            {"writeMode": "upsert", "deleteWhen": "{column: ids, value: 1}"},
            14,
            "'ids' is no column of this table. Did you mean 'id'",
        ),
        (
            (KEY,),
            {"writeMode": "upsert", "deleteWhen": "{column: id, value: x}"},
            14,
            "is not of the type of 'id' .integer.",
        ),
    ],
)
def test_what_the_columns_cannot_keep_is_refused_with_its_line(
    tmp_path: Path, properties: tuple[str, ...], properties_of_contract: dict[str, str], line: int, sentence: str
) -> None:
    path = write_contract(tmp_path, *properties, rest=custom(**properties_of_contract))
    with pytest.raises(DocumentError, match=sentence) as caught:
        load_contract(path)
    assert caught.value.line == line


def test_what_a_contract_says_of_its_writes_is_read_back_from_its_document(tmp_path: Path) -> None:
    told: Contract = contract_of(
        tmp_path,
        KEY,
        DAY,
        "{name: op, logicalType: boolean}",
        rest=custom(
            writeMode="upsert",
            eventTime="day",
            interval="1w",
            deleteWhen="{column: op, value: true}",
            changeDataFeed="true",
        ),
    )
    back = read_contract(Document(path=Path("contract.yaml"), data=contract_document(told), lines={}))
    assert back.columns == told.columns
    assert (back.write_mode, back.interval, back.delete_when, back.change_data_feed) == (
        told.write_mode,
        told.interval,
        told.delete_when,
        told.change_data_feed,
    )

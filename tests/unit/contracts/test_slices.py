"""readChanges and lookback: what a contract may say of the slice of its inputs that a publish reads."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from mesh_catalog.contracts.contract import Contract, ReadChanges
from mesh_catalog.errors import DocumentError
from tests.unit.contracts.samples import contract_of


def sliced(folder: Path, *custom: str) -> Contract:
    lines = "".join(f"  - {{property: {line}}}\n" for line in custom)
    columns = ("{name: id, logicalType: integer, primaryKey: true}", "{name: at, logicalType: timestamp}")
    return contract_of(folder, *columns, rest=f"customProperties:\n{lines}")


def test_without_them_inputs_are_read_whole(tmp_path: Path) -> None:
    contract = sliced(tmp_path, "writeMode, value: upsert")
    assert (contract.read_changes, contract.lookback) == (None, timedelta(0))


def test_an_input_may_be_read_by_its_changes(tmp_path: Path) -> None:
    contract = sliced(tmp_path, "writeMode, value: upsert", "readChanges, value: shop.payments")
    assert contract.read_changes == ReadChanges(product="shop.payments", rows="newest")
    everything = "readChanges, value: {product: shop.payments, rows: all}"
    contract = sliced(tmp_path, "writeMode, value: append", everything)
    assert contract.read_changes == ReadChanges(product="shop.payments", rows="all")


def test_a_backfill_may_look_back(tmp_path: Path) -> None:
    assert sliced(tmp_path, "eventTime, value: at", "lookback, value: 4w").lookback == timedelta(weeks=4)


@pytest.mark.parametrize(
    ("custom", "line", "sentence"),
    [
        (["readChanges, value: shop.payments"], 14, "would put them in the place of the others"),
        (["writeMode, value: append", "readChanges, value: 3"], 15, "names the input whose changes are read"),
        (
            ["writeMode, value: append", "readChanges, value: {product: shop.payments, rows: some}"],
            15,
            "rows: all",
        ),
        (["eventTime, value: at", "lookback, value: long"], 15, "lookback: 'long' is not a length of time"),
        (["lookback, value: 4w"], 14, "Add customProperty eventTime"),
    ],
)
def test_a_mistake_carries_its_line(tmp_path: Path, custom: list[str], line: int, sentence: str) -> None:
    with pytest.raises(DocumentError, match=sentence) as found:
        sliced(tmp_path, *custom)
    assert found.value.line == line

"""How a contract says that its batches are written, and whether its columns can keep that.

customProperties: `writeMode` (default overwrite), `interval` (1h, 1d or 1w; default 1d), `deleteWhen`
({column, value}: rows of an upsert that delete their key), `changeDataFeed` (true or false). Partition columns are
ODCS's own `partitioned` and `partitionKeyPosition`. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NoReturn, get_args

from mesh_catalog.contracts.contract import (
    HISTORY_COLUMNS,
    Column,
    Contract,
    DeleteWhen,
    IntervalUnit,
    Rule,
    WriteMode,
)
from mesh_catalog.documents import Document, Place
from mesh_catalog.errors import listed, nearest

__all__ = ["Writing", "read_writing", "writing_properties"]

Custom = Mapping[str, tuple[Any, Place]]
_KEYED = ("upsert", "history")


@dataclass(frozen=True, kw_only=True)
class Writing:
    """What a contract says of its writes; the fields of `Contract`."""

    mode: WriteMode
    interval: IntervalUnit
    delete_when: DeleteWhen | None
    change_data_feed: bool

    def adapted_rules(self, columns: Sequence[Column], rules: Sequence[Rule]) -> tuple[Rule, ...]:
        """The rules, where a history holds a key once for each `valid_from`, and not once."""
        if self.mode != "history":
            return tuple(rules)
        key = {column.name for column in columns if column.primary_key_position is not None}
        found = []
        for rule in rules:
            if rule.kind == "unique" and set(rule.argument) <= key:
                names = (*rule.argument, "valid_from")
                rule = replace(rule, argument=names, column=None, text=f"{', '.join(names)} unique")
            found.append(rule)
        return tuple(found)


def read_writing(
    document: Document, columns: Sequence[Column], custom: Custom, *, event_time: str | None, place: Place
) -> Writing:
    """What the contract's customProperties say, checked against its columns.

    Args:
        custom: Property → its value and its place.
        place: Of the table.

    Raises:
        DocumentError: A word is not known, or the columns do not hold what the mode needs; with file and line.
    """
    reader = _Reader(document=document, columns=columns, custom=custom, event_time=event_time, place=place)
    return reader.read()


def writing_properties(contract: Contract) -> list[dict[str, Any]]:
    """The customProperties that `read_writing` reads back."""
    found: dict[str, Any] = {"writeMode": contract.write_mode}
    if contract.interval != "1d":
        found["interval"] = contract.interval
    if contract.delete_when:
        found["deleteWhen"] = {"column": contract.delete_when.column, "value": contract.delete_when.value}
    if contract.change_data_feed:
        found["changeDataFeed"] = True
    return [{"property": name, "value": value} for name, value in found.items()]


@dataclass(frozen=True, kw_only=True)
class _Reader:
    document: Document
    columns: Sequence[Column]
    custom: Custom
    event_time: str | None
    place: Place

    def read(self) -> Writing:
        mode: WriteMode = self._word("writeMode", get_args(WriteMode), "overwrite")
        self._check_partitions(mode)
        if mode in _KEYED:
            self._check_key(mode)
        if mode == "overwrite_interval" and self.event_time is None:
            self._refuse("writeMode", f"{mode} needs the time of its rows. Add customProperty eventTime.")
        if mode == "history":
            self._check_history()
        return Writing(
            mode=mode,
            interval=self._interval(),
            delete_when=self._delete_when(mode),
            change_data_feed=self._word("changeDataFeed", (True, False), False),
        )

    def _word(self, name: str, allowed: Sequence[Any], default: Any) -> Any:
        value = self.custom[name][0] if name in self.custom else default
        for word in allowed:
            if value == word and type(value) is type(word):
                return word
        shown = listed(str(word).lower() if isinstance(word, bool) else word for word in allowed)
        return self._refuse(name, f"{name} '{str(value)[:40]}' is not known. Allowed: {shown}.")

    def _refuse(self, name: str, sentence: str) -> NoReturn:
        place = self.custom[name][1] if name in self.custom else self.place
        raise self.document.error(sentence, *place)

    def _refuse_column(self, column: Column, sentence: str, word: str) -> NoReturn:
        raise self.document.error(sentence, *self.place, "properties", list(self.columns).index(column), word)

    def _check_partitions(self, mode: WriteMode) -> None:
        split = [column for column in self.columns if column.partition_position is not None]
        if mode == "overwrite_partitions" and not split:
            self._refuse("writeMode", f"{mode} needs partitions. Mark a column partitioned: true.")
        for column in split:
            if column.personal:
                self._refuse_column(
                    column,
                    f"the table cannot be partitioned by '{column.name}': it is {column.classification}, and a"
                    " partition's value stands in the names of files. Partition by another column.",
                    "partitioned",
                )
            if "<" in column.spark_type or column.spark_type == "binary":
                self._refuse_column(
                    column,
                    f"the table cannot be partitioned by '{column.name}' of type {column.spark_type[:40]}."
                    " Partition by a date, a number or a text.",
                    "partitioned",
                )
        if split and len(split) == len(self.columns):
            self._refuse_column(
                split[0], "every column is partitioned: no column is left for the files.", "partitioned"
            )

    def _check_key(self, mode: WriteMode) -> None:
        key = [column for column in self.columns if column.primary_key_position is not None]
        if not key:
            self._refuse(
                "writeMode",
                f"{mode} finds a row by its primary key, and there is none. Mark a column primaryKey: true.",
            )
        compared = self.columns if mode == "history" else key
        for column in compared:
            if "map<" in column.spark_type:
                self._refuse_column(
                    column,
                    f"{mode} compares '{column.name}', and Spark cannot compare maps. Make it a struct or a text.",
                    "name",
                )

    def _check_history(self) -> None:
        by_name = {column.name: column for column in self.columns}
        for name, kind in HISTORY_COLUMNS.items():
            column = by_name.get(name)
            if column is None:
                self._refuse(
                    "writeMode",
                    f"history keeps the columns {', '.join(f'{n} ({k})' for n, k in HISTORY_COLUMNS.items())}, and"
                    f" '{name}' is missing. Add it; the transform does not make it.",
                )
            if column.spark_type != kind:
                self._refuse_column(
                    column, f"history makes '{name}' a {kind}, not a {column.spark_type}.", "logicalType"
                )
            if column.primary_key_position is not None or column.unique or (name == "valid_to" and column.required):
                self._refuse_column(
                    column,
                    f"history makes '{name}' itself: it is no key, not unique, and valid_to is null in a current row.",
                    "name",
                )
        if self.event_time in HISTORY_COLUMNS:
            self._refuse("eventTime", f"'{self.event_time}' is made by history. Name a column of the incoming rows.")

    def _interval(self) -> IntervalUnit:
        unit: IntervalUnit = self._word("interval", get_args(IntervalUnit), "1d")
        if "interval" in self.custom and self.event_time is None:
            self._refuse("interval", "interval speaks of the time of rows. Add customProperty eventTime.")
        if unit == "1h" and any(c.name == self.event_time and c.spark_type == "date" for c in self.columns):
            self._refuse(
                "interval", f"'{self.event_time}' is a date, so an interval of 1h has no meaning. Write 1d or 1w."
            )
        return unit

    def _delete_when(self, mode: WriteMode) -> DeleteWhen | None:
        if "deleteWhen" not in self.custom:
            return None
        value: Any = self.custom["deleteWhen"][0]
        if mode != "upsert":
            self._refuse("deleteWhen", f"deleteWhen deletes by key, which only an upsert does; writeMode is {mode}.")
        marker: dict[str, Any] = value if isinstance(value, dict) else {}
        if set(marker) != {"column", "value"}:
            self._refuse("deleteWhen", "deleteWhen has a column and a value, for example {column: op, value: D}.")
        column = next((one for one in self.columns if one.name == marker["column"]), None)
        if column is None:
            hint = nearest(str(marker["column"]), [one.name for one in self.columns])
            self._refuse("deleteWhen", f"deleteWhen: '{str(value['column'])[:40]}' is no column of this table.{hint}")
        kind = {"string": "str", "integer": "int", "boolean": "bool"}.get(column.logical_type)
        if type(marker["value"]).__name__ != kind:
            self._refuse(
                "deleteWhen",
                f"deleteWhen: the value is not of the type of '{column.name}' ({column.logical_type});"
                " it can be a string, an integer or a boolean.",
            )
        return DeleteWhen(column=column.name, value=marker["value"])

"""contract.yaml as a product's contract: ODCS 3.x, read by its official JSON schema and by ours.

The standard leaves some words free; here they are closed:

- `classification` is public, internal, personal or special; `personal?` and `special?` are undecided suggestions and
  count as personal. Common words of other companies are refused with the word to write, for guessing which of them
  mean personal data would be a guess about people.
- `severity` is error, warning, info (a warning) or quarantine.
- The server `lake` says where an adopted table lies: of type local with an absolute path, or custom with a location;
  format delta. Other servers are other people's business.
- customProperties of the contract: `eventTime` (the column that says when a row happened), `profile` (false: versions
  keep no profile), `clusterBy` (`clustering.py`), how batches are written (`writing.py`), which slice of its inputs a
  publish reads (`slices.py`), what may be done with the rows (`rights.py`), and what comes after a product that ends
  (`life_cycle.py`). Of a column: `severity` of the rules of its schema, `suggested` (what `mesh import` inferred),
  `deidentified` (`rights.py`). Of a relationship: `severity` (error, warning).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from mesh_catalog.contracts.clustering import read_clustering
from mesh_catalog.contracts.contract import (
    Column,
    Contract,
    Severity,
)
from mesh_catalog.contracts.life_cycle import check_properties
from mesh_catalog.contracts.modernise import modernised
from mesh_catalog.contracts.odcs_columns import (
    custom_properties,
    read_columns,
    tables_and_properties,
    with_logical_types,
)
from mesh_catalog.contracts.odcs_document import LAKE_SERVER, check_version, odcs_validator
from mesh_catalog.contracts.relationships import relationship_rules
from mesh_catalog.contracts.rights import group_rules, read_rights
from mesh_catalog.contracts.rules import RuleReader, check_quality_words, implied_rules, read_severity
from mesh_catalog.contracts.service_levels import freshness_rule, retention_seconds
from mesh_catalog.contracts.slices import read_slices
from mesh_catalog.contracts.types import is_temporal
from mesh_catalog.contracts.writing import read_writing
from mesh_catalog.documents import Document, Mistakes, Place, check_schema, read_document
from mesh_catalog.errors import listed, nearest

__all__ = ["load_contract", "read_contract"]

_LOCATION = re.compile(r"/[^\x00-\x1f`]+|(s3a|gs|hdfs)://[^\s/@?`]+/[^\s?`]+|abfss://[^\s/:?`]+/[^\s?`]+")
_COLUMN_LIMIT: Final = 5_000


def load_contract(path: Path) -> Contract:
    """Read a contract.

    Raises:
        DocumentError: It is not YAML, breaks the standard, or says what this project cannot keep; with file and line.
    """
    return read_contract(read_document(path))


def read_contract(document: Document) -> Contract:
    """The contract of a document that was read.

    Raises:
        DocumentError: As `load_contract`.
    """
    check_version(document)
    mistakes = Mistakes()
    document, mistaken = with_logical_types(modernised(document), mistakes)
    _check_metrics(document, mistakes)
    known = len(mistakes)
    with mistakes.gathered():
        check_schema(document, odcs_validator())
    if len(mistakes) > known:
        mistakes.settle()
    table = _table(document)
    place: Place = ("schema", 0)
    severities: dict[str, Severity] = {}
    columns = read_columns(document, table, place, severities, mistakes)
    custom = _contract_properties(document, table, place)
    with mistakes.gathered():
        check_properties(document, custom)
    if len(columns) < len(table["properties"]):
        mistakes.settle()
    reader = RuleReader(document=document, columns=columns)
    reader.add(implied_rules(columns, severities=severities))
    _declared(reader, table, severities, place, mistakes)
    _related(reader, table, place, mistakes)
    if mistaken:  # what else is wrong depends on the types
        mistakes.settle()
    contract = None
    with mistakes.gathered():
        contract = _contract(document, table, columns, custom, reader)
    mistakes.settle()
    assert contract is not None
    return contract


def _contract(
    document: Document,
    table: Mapping[str, Any],
    columns: tuple[Column, ...],
    custom: Mapping[str, tuple[Any, Place]],
    reader: RuleReader,
) -> Contract:
    data, place = document.data, ("schema", 0)
    event_time = _event_time(document, columns, custom.get("eventTime"))
    writing = read_writing(document, columns, custom, event_time=event_time, place=place)
    rights = read_rights(document, columns, custom, place)
    reader.add(group_rules(rights))
    profiled = _flag(document, "profile", custom.get("profile"), default=True)
    if not profiled and any(rule.kind == "distribution" for rule in reader.rules):
        raise document.error(
            "profile is false, but a distribution is compared by profiles. Remove one of the two.",
            *custom["profile"][1],
        )
    default = event_time or data.get("slaDefaultElement")
    for index, entry in enumerate(data.get("slaProperties", [])):
        rule = freshness_rule(document, entry, columns, default=default, place=("slaProperties", index))
        reader.add([rule] if rule else [])
    slices = read_slices(document, custom, write_mode=writing.mode, event_time=event_time)
    return Contract(
        id=data["id"],
        version=data["version"],
        status=data.get("status", "active"),
        columns=columns,
        rules=writing.adapted_rules(columns, reader.rules),
        description=_description(data, table),
        tags=tuple(dict.fromkeys([*data.get("tags", []), *table.get("tags", [])])),
        write_mode=writing.mode,
        event_time=event_time,
        profiled=profiled,
        interval=writing.interval,
        delete_when=writing.delete_when,
        change_data_feed=writing.change_data_feed,
        read_changes=slices.read_changes,
        lookback=slices.lookback,
        cluster_by=read_clustering(document, columns, custom.get("clusterBy")),
        retention_seconds=retention_seconds(document, data.get("slaProperties", [])),
        location=_location(document),
        rights=rights,
        service_levels=tuple(data.get("slaProperties", [])),
        document=document.data,
        path=document.path,
    )


def _check_metrics(document: Document, mistakes: Mistakes) -> None:
    """Words of quality that the schema would refuse as unexpected, without saying what it expects; then it need not."""
    for entry, place in tables_and_properties(document.data):
        checks: list[Any] = entry["quality"] if isinstance(entry.get("quality"), list) else []
        for index, check in enumerate(checks):
            if isinstance(check, dict):
                known = len(mistakes)
                with mistakes.gathered():
                    check_quality_words(document, check, (*place, "quality", index))
                if len(mistakes) > known:
                    checks[index] = {"type": "text", "description": ""}


def _table(document: Document) -> Mapping[str, Any]:
    tables = document.data.get("schema")
    if not tables:
        raise document.error("schema: there is no table. A product's contract has one: its own.", "schema")
    if len(tables) > 1:
        names = listed(table["name"] for table in tables)
        raise document.error(
            f"schema: there are {len(tables)} tables ({names}), but a product has one. Make a folder for each.",
            "schema",
            1,
        )
    table: Mapping[str, Any] = tables[0]
    if not table.get("properties"):
        raise document.error(f"schema: the table '{table['name']}' has no columns. Add properties.", "schema", 0)
    if len(table["properties"]) > _COLUMN_LIMIT:
        raise document.error(f"schema: there are more than {_COLUMN_LIMIT:,} columns.", "schema", 0, "properties")
    return table


def _contract_properties(document: Document, table: Mapping[str, Any], place: Place) -> dict[str, tuple[Any, Place]]:
    """Custom properties with their places; those of the table go before those of the contract."""
    found: dict[str, tuple[Any, Place]] = {}
    holders: tuple[tuple[Mapping[str, Any], Place], ...] = ((document.data, ()), (table, place))
    for holder, start in holders:
        for index, custom in enumerate(holder.get("customProperties", [])):
            found[custom["property"]] = (custom["value"], (*start, "customProperties", index))
    return found


def _event_time(document: Document, columns: Sequence[Column], found: tuple[Any, Place] | None) -> str | None:
    if found is None:
        return None
    value, place = found
    column = next((column for column in columns if column.name == value), None)
    if column is None or not is_temporal(column.spark_type):
        fit = [column.name for column in columns if is_temporal(column.spark_type)]
        raise document.error(
            f"eventTime '{str(value)[:40]}' is no date or timestamp column of this table.{nearest(str(value), fit)}",
            *place,
        )
    return column.name


def _flag(document: Document, name: str, found: tuple[Any, Place] | None, *, default: bool) -> bool:
    if found is None:
        return default
    value, place = found
    if not isinstance(value, bool):
        raise document.error(f"{name} '{str(value)[:40]}' is neither true nor false.", *place)
    return value


def _location(document: Document) -> str | None:
    for index, server in enumerate(document.data.get("servers", [])):
        if server.get("server") != LAKE_SERVER:
            continue
        place: Place = ("servers", index)
        found = str(server.get("path") or server.get("location") or "")
        if server.get("format") != "delta" or not _LOCATION.fullmatch(found) or ".." in found.split("/"):
            raise document.error(
                "the server 'lake' says where an adopted Delta table lies: format delta, and an absolute path or a URI"
                " (s3a://, abfss://, gs://, hdfs://) without user and password.",
                *place,
            )
        return found.rstrip("/")
    return None


def _declared(
    reader: RuleReader, table: Mapping[str, Any], severities: Mapping[str, Severity], place: Place, mistakes: Mistakes
) -> None:
    for index, entry in enumerate(table["properties"]):
        column, here = reader.columns[index], (*place, "properties", index)
        severity = severities.get(column.name, "error")
        with mistakes.gathered():
            reader.add_options(column, entry.get("logicalTypeOptions", {}), severity, (*here, "logicalTypeOptions"))
        if "enum" in entry:
            with mistakes.gathered():
                reader.add_values(column, entry["enum"], severity, (*here, "enum"))
        for number, check in enumerate(entry.get("quality", [])):
            with mistakes.gathered():
                reader.add_quality(column, check, "error", (*here, "quality", number))
    for number, check in enumerate(table.get("quality", [])):
        with mistakes.gathered():
            reader.add_quality(None, check, "error", (*place, "quality", number))


def _related(reader: RuleReader, table: Mapping[str, Any], place: Place, mistakes: Mistakes) -> None:
    holders: list[tuple[Column | None, Mapping[str, Any], Place]] = [
        (reader.columns[index], entry, (*place, "properties", index)) for index, entry in enumerate(table["properties"])
    ]
    for column, holder, here in [*holders, (None, table, place)]:
        for number, entry in enumerate(holder.get("relationships", [])):
            at: Place = (*here, "relationships", number)
            with mistakes.gathered():
                severity = _relationship_severity(reader.document, entry, at)
                reader.add(
                    relationship_rules(reader.document, entry, column, reader.columns, place=at, severity=severity)
                )


def _relationship_severity(document: Document, entry: Mapping[str, Any], place: Place) -> Severity:
    custom = custom_properties(entry)
    if "severity" not in custom:
        return "error"
    severity = read_severity(document, custom["severity"], (*place, "customProperties"))
    if severity == "quarantine":
        raise document.error(
            "a relationship is checked once the files are written. Use error or warning, not quarantine.", *place
        )
    return severity


def _description(data: Mapping[str, Any], table: Mapping[str, Any]) -> str | None:
    described = data.get("description")
    purpose = described.get("purpose") if isinstance(described, dict) else described
    return table.get("description") or purpose or None

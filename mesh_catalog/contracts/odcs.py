"""contract.yaml in and out: Open Data Contract Standard 3.x, read by its official JSON schema and by ours.

The standard leaves some words free; here they are closed:

- `classification` is public, internal, personal or special; `personal?` and `special?` are undecided suggestions and
  count as personal. Common words of other companies are refused with the word to write, for guessing which of them
  mean personal data would be a guess about people.
- `severity` is error, warning, info (a warning) or quarantine.
- The server `lake` says where an adopted table lies: of type local with an absolute path, or custom with a location;
  format delta. Other servers are other people's business.
- customProperties of the contract: `eventTime` (the column that says when a row happened), `profile` (false: versions
  keep no profile), `clusterBy` (`clustering.py`), how batches are written (`writing.py`), which slice of its inputs
  a publish reads (`slices.py`), and what comes after a product that ends (`life_cycle.py`). Of a column: `severity`
  of the rules of its schema, `suggested` (what `mesh import` inferred). Of a relationship: `severity` (error, warning).
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mesh_catalog.contracts.clustering import read_clustering
from mesh_catalog.contracts.contract import (
    CLASSIFICATIONS,
    PERSONAL_CLASSIFICATIONS,
    Column,
    Contract,
    Severity,
)
from mesh_catalog.contracts.life_cycle import check_properties
from mesh_catalog.contracts.modernise import modernised
from mesh_catalog.contracts.relationships import relationship_rules
from mesh_catalog.contracts.rules import RuleReader, check_quality_words, implied_rules, read_severity
from mesh_catalog.contracts.service_levels import freshness_rule, retention_seconds
from mesh_catalog.contracts.slices import read_slices
from mesh_catalog.contracts.types import column_type, is_temporal
from mesh_catalog.contracts.writing import read_writing, writing_properties
from mesh_catalog.documents import Document, Place, check_schema, read_document
from mesh_catalog.errors import listed, nearest

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

__all__ = ["API_VERSION", "LAKE_SERVER", "contract_document", "load_contract", "odcs_validator", "read_contract"]

API_VERSION: Final = "v3.1.0"
"""What this project writes; it reads every 3.x that the schema knows."""
LAKE_SERVER: Final = "lake"
_LOCATION = re.compile(r"/[^\x00-\x1f`]+|(s3a|gs|hdfs)://[^\s/@?`]+/[^\s?`]+|abfss://[^\s/:?`]+/[^\s?`]+")
_COLUMN_NAME = re.compile(r"[^\W\d]\w{0,127}")
_COLUMN_LIMIT: Final = 5_000
_FOREIGN_CLASSIFICATIONS: Final[Mapping[str, str]] = {
    **dict.fromkeys(
        ("confidential", "restricted", "secret", "sensitive", "private"),
        "internal, or personal if it tells of a person",
    ),
    **dict.fromkeys(("pii", "personal data", "gdpr"), "personal"),
    **dict.fromkeys(("phi", "health", "special category"), "special"),
}


@cache
def odcs_validator() -> Validator:
    """The validator of the official JSON schema, as the package `open_data_contract_standard` ships it."""
    from jsonschema import Draft201909Validator  # late: a tenth of a second that `mesh --help` need not spend

    text = resources.files("open_data_contract_standard").joinpath("schema.json").read_text(encoding="utf-8")
    return Draft201909Validator(json.loads(text))


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
    _check_version(document)
    document = _with_logical_types(modernised(document))
    _check_metrics(document)
    check_schema(document, odcs_validator())
    data = document.data
    table = _table(document)
    place: Place = ("schema", 0)
    severities: dict[str, Severity] = {}
    columns = tuple(_columns(document, table, place, severities))
    custom = _contract_properties(document, table, place)
    check_properties(document, custom)
    event_time = _event_time(document, columns, custom.get("eventTime"))
    writing = read_writing(document, columns, custom, event_time=event_time, place=place)
    reader = RuleReader(document=document, columns=columns)
    reader.add(implied_rules(columns, severities=severities))
    _declared(reader, table, severities, place)
    _related(reader, table, place)
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
        service_levels=tuple(data.get("slaProperties", [])),
        document=document.data,
        path=document.path,
    )


def _check_version(document: Document) -> None:
    version = document.data.get("apiVersion")
    if isinstance(version, str) and version.startswith(("v1.", "v2.", "1.", "2.")):
        raise document.error(
            f"apiVersion '{version[:20]}' is of an older standard. Write the contract by ODCS 3,"
            f" for example apiVersion: {API_VERSION}.",
            "apiVersion",
        )


def _with_logical_types(document: Document) -> Document:
    """The document with the logical type that a physical one implies.

    The schema of ODCS 3.2 takes a property without logicalType for a map: its conditions hold where the word is absent.
    """
    data = copy.deepcopy(document.data)
    for entry, place in _tables_and_properties(data):
        if "properties" in place and isinstance(entry.get("name"), str) and "logicalType" not in entry:
            entry["logicalType"] = _column_types(document, entry, place)[0]
    return replace(document, data=data)


def _check_metrics(document: Document) -> None:
    """Words of quality that the schema would refuse as unexpected, without saying what it expects."""
    for entry, place in _tables_and_properties(document.data):
        checks = entry.get("quality")
        for index, check in enumerate(checks if isinstance(checks, list) else []):
            if isinstance(check, dict):
                check_quality_words(document, check, (*place, "quality", index))


def _tables_and_properties(data: Mapping[str, Any]) -> Iterator[tuple[dict[str, Any], Place]]:
    """Mappings only: what is malformed is left to the schema."""
    tables = data.get("schema")
    for place, table in enumerate(tables if isinstance(tables, list) else []):
        if isinstance(table, dict):
            yield table, ("schema", place)
            entries = table.get("properties")
            for index, entry in enumerate(entries if isinstance(entries, list) else []):
                if isinstance(entry, dict):
                    yield entry, ("schema", place, "properties", index)


def _column_types(document: Document, entry: Mapping[str, Any], place: Place) -> tuple[str, str]:
    physical = entry.get("physicalType")
    try:
        return column_type(entry.get("logicalType"), None if physical is None else str(physical))
    except ValueError as error:
        word = "physicalType" if physical is not None else "logicalType"
        raise document.error(f"the column '{entry['name']}' {error}", *place, word) from error


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


def _columns(
    document: Document, table: Mapping[str, Any], place: Place, severities: dict[str, Severity]
) -> Iterator[Column]:
    positions = _positions(document, table["properties"], place, "primaryKey", "primaryKeyPosition", "primary key")
    splits = _positions(document, table["properties"], place, "partitioned", "partitionKeyPosition", "partitioning")
    seen: dict[str, str] = {}
    for index, entry in enumerate(table["properties"]):
        here: Place = (*place, "properties", index)
        name = _column_name(document, entry, here)
        if (before := seen.setdefault(name.lower(), name)) and len(seen) <= index:
            same = "" if before == name else f" (as '{before}': Spark does not tell upper from lower case)"
            raise document.error(f"the column '{name}' stands twice{same}. Keep one.", *here, "name")
        custom = _custom(entry)
        if "severity" in custom:
            severities[name] = read_severity(document, custom["severity"], (*here, "customProperties"))
        column = _column(document, entry, custom, positions.get(index), here)
        yield replace(column, partition_position=splits.get(index))


def _column(
    document: Document, entry: Mapping[str, Any], custom: Mapping[str, Any], position: int | None, place: Place
) -> Column:
    logical, spark = _column_types(document, entry, place)
    return Column(
        name=entry["name"],
        logical_type=logical,
        spark_type=spark,
        required=entry.get("required", False) or position is not None,
        unique=entry.get("unique", False),
        primary_key_position=position,
        classification=_classification(document, entry, place),
        description=entry.get("description"),
        tags=tuple(entry.get("tags", [])),
        suggested=_suggested(document, custom, place),
    )


def _column_name(document: Document, entry: Mapping[str, Any], place: Place) -> str:
    name: str = entry["name"]
    if not _COLUMN_NAME.fullmatch(name):
        raise document.error(
            f"'{name[:40]}' cannot name a column. Use letters, digits and _, at most 128, no digit first.",
            *place,
            "name",
        )
    if (physical := entry.get("physicalName", name)) != name:
        raise document.error(
            f"the column '{name}' has the physicalName '{str(physical)[:40]}', but a table's column is called by"
            " its name here. Write one name.",
            *place,
            "physicalName",
        )
    return name


def _positions(
    document: Document, entries: Sequence[Mapping[str, Any]], place: Place, flag: str, word: str, what: str
) -> dict[int, int]:
    """Position in the key or partitioning, from 1, by the column's index; the columns' order where none is written."""
    keyed = [index for index, entry in enumerate(entries) if entry.get(flag)]
    written = {index: entries[index].get(word, -1) for index in keyed}
    if all(position < 1 for position in written.values()):
        return {index: number for number, index in enumerate(keyed, start=1)}
    if sorted(written.values()) != list(range(1, len(keyed) + 1)):
        raise document.error(
            f"the {what}'s positions are {listed(written.values())}. Number its columns from 1, each once.",
            *place,
            "properties",
            keyed[0],
            word,
        )
    return written


def _classification(document: Document, entry: Mapping[str, Any], place: Place) -> str | None:
    value = entry.get("classification")
    if value is None:
        return None
    word = str(value).strip().lower()
    allowed = (*CLASSIFICATIONS, *(f"{name}?" for name in PERSONAL_CLASSIFICATIONS))
    if word in allowed:
        return word
    hint = _FOREIGN_CLASSIFICATIONS.get(word)
    raise document.error(
        f"the classification '{str(value)[:40]}' of '{entry['name']}' is not known."
        f" {f'Here it is {hint}.' if hint else f'Allowed: {listed(CLASSIFICATIONS)}.'}",
        *place,
        "classification",
    )


def _suggested(document: Document, custom: Mapping[str, Any], place: Place) -> tuple[str, ...]:
    value = custom.get("suggested", [])
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        raise document.error(
            "suggested must be a list of words, for example [type, required].", *place, "customProperties"
        )
    return tuple(value)


def _custom(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {custom["property"]: custom["value"] for custom in entry.get("customProperties", [])}


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


def _declared(reader: RuleReader, table: Mapping[str, Any], severities: Mapping[str, Severity], place: Place) -> None:
    for index, entry in enumerate(table["properties"]):
        column, here = reader.columns[index], (*place, "properties", index)
        severity = severities.get(column.name, "error")
        reader.add_options(column, entry.get("logicalTypeOptions", {}), severity, (*here, "logicalTypeOptions"))
        if "enum" in entry:
            reader.add_values(column, entry["enum"], severity, (*here, "enum"))
        for number, check in enumerate(entry.get("quality", [])):
            reader.add_quality(column, check, "error", (*here, "quality", number))
    for number, check in enumerate(table.get("quality", [])):
        reader.add_quality(None, check, "error", (*place, "quality", number))


def _related(reader: RuleReader, table: Mapping[str, Any], place: Place) -> None:
    holders: list[tuple[Column | None, Mapping[str, Any], Place]] = [
        (reader.columns[index], entry, (*place, "properties", index)) for index, entry in enumerate(table["properties"])
    ]
    for column, holder, here in [*holders, (None, table, place)]:
        for number, entry in enumerate(holder.get("relationships", [])):
            at: Place = (*here, "relationships", number)
            severity: Severity = "error"
            if "severity" in (custom := _custom(entry)):
                severity = read_severity(reader.document, custom["severity"], (*at, "customProperties"))
            if severity == "quarantine":
                raise reader.document.error(
                    "a relationship is checked once the files are written. Use error or warning, not quarantine.", *at
                )
            reader.add(relationship_rules(reader.document, entry, column, reader.columns, place=at, severity=severity))


def _description(data: Mapping[str, Any], table: Mapping[str, Any]) -> str | None:
    described = data.get("description")
    purpose = described.get("purpose") if isinstance(described, dict) else described
    return table.get("description") or purpose or None


# Out ---------------------------------------------------------------------------------------------------------------


def contract_document(contract: Contract) -> dict[str, Any]:
    """The ODCS document of a contract that the framework made from values.

    It holds what columns imply; `read_contract` of it gives the same columns and rules.

    Raises:
        ValueError: The contract has rules of other kinds; those are written in a contract.yaml by hand.
    """
    extra = [rule.id for rule in contract.rules if rule not in implied_rules(contract.columns)]
    if extra:
        raise ValueError(f"{contract.id}: no place in the document for the rules {listed(extra)}")
    domain, _, table = contract.id.rpartition(".")
    document: dict[str, Any] = {
        "apiVersion": API_VERSION,
        "kind": "DataContract",
        "id": contract.id,
        "version": contract.version,
        "status": contract.status,
        "team": {"name": domain or table},
        "schema": [
            {
                "name": table,
                "physicalType": "table",
                **({"description": contract.description} if contract.description else {}),
                "properties": [_column_document(column) for column in contract.columns],
            }
        ],
    }
    if contract.tags:
        document["tags"] = list(contract.tags)
    if contract.service_levels:
        document["slaProperties"] = [dict(level) for level in contract.service_levels]
    document["customProperties"] = writing_properties(contract)
    if contract.event_time:
        document["customProperties"].append({"property": "eventTime", "value": contract.event_time})
    if not contract.profiled:
        document["customProperties"].append({"property": "profile", "value": False})
    if contract.cluster_by:
        document["customProperties"].append({"property": "clusterBy", "value": list(contract.cluster_by)})
    return document


def _column_document(column: Column) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": column.name,
        "logicalType": column.logical_type,
        "physicalType": column.spark_type,
        "required": column.required or None,
        "unique": column.unique or None,
        "primaryKey": column.primary_key_position is not None or None,
        "primaryKeyPosition": column.primary_key_position,
        "partitioned": column.partition_position is not None or None,
        "partitionKeyPosition": column.partition_position,
        "classification": column.classification,
        "description": column.description,
        "tags": list(column.tags) or None,
    }
    if column.suggested:
        found["customProperties"] = [{"property": "suggested", "value": list(column.suggested)}]
    return {key: value for key, value in found.items() if value is not None}

"""The files of an imported dbt project, as a person would write them: contracts, transforms, dashboards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mesh_catalog.contracts.odcs_document import API_VERSION
from mesh_catalog.contracts.types import column_type
from mesh_catalog.workspace.dbt.rules import TestRules
from mesh_catalog.workspace.import_texts import flow

__all__ = ["build_text", "contract_text", "dashboard_text", "declared_personal", "properties_of"]

_PERSONAL_WORDS = ("pii", "contains_pii", "is_pii", "personal")


def properties_of(
    columns: Mapping[str, str],
    described: Mapping[str, Mapping[str, Any]],
    rules: TestRules,
    *,
    key: Sequence[str],
    suspected: Mapping[str, str],
) -> list[dict[str, Any]]:
    """The contract's columns.

    Args:
        columns: Spark type by name, in order.
        described: What the properties file says of a column, by its name in lower case.
        rules: What tests say of columns.
        key: Names of the primary key's columns, in lower case and in order.
        suspected: Classification by name, for columns that may tell of people.
    """
    found = []
    for name, spark in columns.items():
        said = described.get(name.lower(), {})
        one: dict[str, Any] = {"name": name, "logicalType": column_type(None, spark)[0], "physicalType": spark}
        if text := said.get("description"):
            one["description"] = str(text)
        words = dict(rules.columns.get(name.lower(), {}))
        if name.lower() in key:
            words |= {"primaryKey": True, "primaryKeyPosition": key.index(name.lower()) + 1}
        elif words.get("primaryKey"):
            words["primaryKeyPosition"] = 1
        one |= words
        if declared := declared_personal(said):
            one["classification"] = declared
        elif name in suspected:
            one["classification"] = suspected[name]
            one["customProperties"] = [{"property": "suggested", "value": ["classification"]}]
        found.append(one)
    return found


def declared_personal(said: Mapping[str, Any]) -> str | None:
    """What a column's meta or tags say of it; `pii: true` is a decision."""
    config = said.get("config") if isinstance(said.get("config"), dict) else {}
    meta = {**(said.get("meta") or {}), **((config or {}).get("meta") or {})}
    tags = said.get("tags") or (config or {}).get("tags") or []
    if any(meta.get(word) is True for word in _PERSONAL_WORDS):
        return "personal"
    return "personal" if {"pii", "personal"} & {str(tag).lower() for tag in [*tags]} else None


def contract_text(
    product: str,
    origin: str,
    properties: Sequence[Mapping[str, Any]],
    *,
    description: str | None,
    tags: Sequence[str],
    quality: Sequence[Mapping[str, Any]],
    write_mode: str,
    event_time: str | None,
) -> str:
    domain, _, name = product.partition(".")
    lines = [
        f"# from dbt: {origin}",
        f"apiVersion: {API_VERSION}",
        "kind: DataContract",
        f"id: {product}",
        "version: 1.0.0",
        "status: active",
        f"team: {{name: {domain}}}",
        *([f"tags: {flow(list(tags))}"] if tags else []),
        "schema:",
        f"  - name: {name}",
        "    physicalType: table",
        *([f"    description: {flow(description)}"] if description else []),
        "    properties:",
        *(f"      - {flow(dict(one))}" for one in properties),
    ]
    if quality:
        lines += ["    quality:", *(f"      - {flow(dict(one))}" for one in quality)]
    custom = {"writeMode": write_mode, **({"eventTime": event_time} if event_time else {})}
    said = [f"  - {flow({'property': name, 'value': value})}" for name, value in custom.items()]
    return "\n".join([*lines, "customProperties:", *said, ""])


def build_text(origin: str, sql: str) -> str:
    return f"-- from dbt: {origin}\n{sql}"


def dashboard_text(entry: Mapping[str, Any]) -> str:
    lines = [f"{word}: {flow(value)}" for word, value in entry.items() if value]
    return "\n".join(f"  {'- ' if index == 0 else '  '}{line}" for index, line in enumerate(lines)) + "\n"

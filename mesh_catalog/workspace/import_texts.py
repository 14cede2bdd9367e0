"""The files of an imported product, as a person would write them: contract, source, build.sql and domain.yaml."""

from __future__ import annotations

import re
from typing import Any, Final

import yaml

from mesh_catalog.contracts.infer import Inference, InferredColumn
from mesh_catalog.contracts.odcs_document import API_VERSION, lake_server
from mesh_catalog.specs import split_name
from mesh_catalog.workspace.scanning import Scan

__all__ = ["build_text", "contract_text", "domain_text", "flow", "source_text"]

_SOURCE_TYPES: Final = {"integer": "bigint", "number": "double", "other": "string"}


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_RESERVED: Final = _words(
    "all and any as asc between both by case cast check collate column constraint create cross current_date"
    " current_time current_timestamp current_user database desc distinct drop else end escape except exists false"
    " fetch filter for foreign from full grant group having in inner insert intersect interval into is join"
    " lateral leading left like limit minus natural not null offset on only or order outer overlaps partition"
    " primary references right row rows select session_user set some table tablesample then time timestamp to"
    " trailing true truncate union unique unknown update user using values when where window with within"
)


def flow(value: Any) -> str:
    """One line of YAML."""
    text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, sort_keys=False, width=2**31)
    return text.removesuffix("\n").removesuffix("\n...")


def domain_text(domain: str, owner: str | None) -> str:
    said = f" {flow(owner)}" if owner else "  # who answers for it: nothing is published without"
    return f"name: {domain}\nowner:{said}\n"


def contract_text(product: str, inference: Inference, *, location: str | None = None) -> str:
    """The contract of an imported product, or of the table that lies at `location`."""
    domain, name = split_name(product)
    mode = "append" if location is None else "overwrite"  # others write it: every version is looked at as a whole
    custom = [{"property": "writeMode", "value": mode}]
    if inference.event_time:
        custom.append({"property": "eventTime", "value": inference.event_time.name})
    return "\n".join(
        [
            f"apiVersion: {API_VERSION}",
            "kind: DataContract",
            f"id: {product}",
            "version: 1.0.0",
            "status: active",
            f"team: {{name: {domain}}}",
            *([] if location is None else ["servers:", f"  - {flow(lake_server(location))}"]),
            "schema:",
            f"  - name: {name}",
            "    physicalType: table",
            "    # `suggested`: what import inferred, until removed. personal? counts as personal until decided.",
            "    properties:",
            *(f"      - {flow(_property(column))}" for column in inference.columns),
            "customProperties:",
            *(f"  - {flow(entry)}" for entry in custom),
            "",
        ]
    )


def _property(column: InferredColumn) -> dict[str, Any]:
    source = column.source
    found: dict[str, Any] = {"name": column.name}
    if re.sub(r"[\W_]+", "", source.name).lower() != column.name.replace("_", ""):
        found["businessName"] = source.name
    found["logicalType"] = source.kind
    if source.spark_type is not None:
        found["physicalType"] = source.spark_type
        if source.kind == "other":
            found["logicalType"] = "string"
            if re.match(r"array|map|struct", source.spark_type):
                found["logicalType"] = "array" if source.spark_type.startswith("array") else "object"
    if column.required:
        found["required"] = True
    if column.key:
        found |= {"unique": True, "primaryKey": True}
    if column.minimum is not None:
        found["logicalTypeOptions"] = {"minimum": column.minimum}
    if column.suspicion is not None:
        found["classification"] = column.suspicion.classification
    if column.values is not None:
        check = {
            "type": "library",
            "metric": "invalidValues",
            "arguments": {"validValues": list(column.values)},
            "mustBe": 0,
        }
        found["quality"] = [check]
    found["customProperties"] = [{"property": "suggested", "value": list(column.suggested)}]
    return found


def source_text(landing: str, scan: Scan, inference: Inference) -> str:
    folder, _, name = landing.rpartition("/")
    ending = name.removesuffix(".gz").rpartition(".")[2]
    lines = [f"path: {folder}/*.{ending}*", f"format: {scan.file.format}"]
    if scan.options:
        lines.append(f"options: {flow(dict(scan.options))}")
    if scan.file.format != "parquet":
        lines.append("columns:")
        lines += [f"  {flow(column.source.name)}: {_source_type(column)}" for column in inference.columns]
    return "\n".join([*lines, ""])


def _source_type(column: InferredColumn) -> str:
    """Text where the value must be looked at before it can be of its type."""
    return "string" if _is_looked_at(column) else _SOURCE_TYPES.get(column.source.kind, column.source.kind)


def _is_looked_at(column: InferredColumn) -> bool:
    source = column.source
    return source.kind != "string" and bool(source.blank_count or source.missing_words or source.format)


def build_text(landing: str, inference: Inference) -> str:
    columns = ",\n".join(f"  {_selected(column)}" for column in inference.columns)
    return f"-- `source`: the files of {landing.rpartition('/')[0]}/, see source.yaml\nselect\n{columns}\nfrom source\n"


def _selected(column: InferredColumn) -> str:
    source = column.source
    name = f"`{column.name}`" if column.name in _RESERVED else column.name
    expression = f"`{source.name}`"
    if not _is_looked_at(column):
        return name if source.name == column.name else f"{expression} as {name}"
    words = [*([""] if source.blank_count else []), *source.missing_words]
    if words:
        expression = f"trim({expression})"
    for word in words:
        expression = f"nullif({expression}, {_literal(word)})"
    if source.format:
        # What is not of the form is left as it is, so that the contract's type counts it as broken.
        parsed = f"try_to_{'date' if source.kind == 'date' else 'timestamp'}({expression}, '{source.format}')"
        expression = f"coalesce(cast({parsed} as string), {expression})"
    return f"{expression} as {name}"


def _literal(word: str) -> str:
    escaped = word.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"

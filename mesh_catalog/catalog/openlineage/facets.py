"""What is kept of the descriptive facets: short, and without values of rows.

Text of SQL is kept with its literals taken out; minima, maxima, sums and quantiles, messages of errors, source code and
values of environment variables are not kept at all. A facet that is not as the specification says is passed over.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from mesh_catalog.catalog.canonical import canonical_json

__all__ = ["kept_facets"]

_LONG = 10_000
_LITERAL = re.compile(r"'(?:[^']|'')*'|\b\d+(?:\.\d+)?\b")


def kept_facets(kind: str, facets: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Name and JSON of each facet that is kept of a `dataset`, a `job` or a `run`; `null` where it was deleted."""
    readers = _READERS[kind]
    for name in facets.keys() & readers.keys():
        facet = facets[name]
        if not isinstance(facet, Mapping):
            continue
        if facet.get("_deleted") is True:
            yield name, "null"
            continue
        try:
            value = readers[name](facet)
            text = canonical_json(value).encode("utf-8", "replace").decode()
        except (AttributeError, KeyError, RecursionError, TypeError, ValueError):
            continue
        if value:
            yield name, text


def _schema(facet: Mapping[str, Any]) -> list[dict[str, Any]]:
    return list(_fields(facet["fields"], ""))


def _fields(fields: Any, parent: str) -> Iterator[dict[str, Any]]:
    for field in fields:
        name = f"{parent}{field['name']}"
        yield {"name": name} | _some(field, "type", "description")
        yield from _fields(field.get("fields") or (), f"{name}.")


def _documentation(facet: Mapping[str, Any]) -> str:
    return str(facet["description"])[:_LONG]


def _ownership(facet: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [_some(owner, "name", "type") for owner in facet["owners"]]


def _tags(facet: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [_some(tag, "key", "value", "field", "source") for tag in facet["tags"]]


def _metrics(facet: Mapping[str, Any]) -> dict[str, Any]:
    columns = facet.get("columnMetrics") or {}
    kept = {name: _some(column, "count", "nullCount", "distinctCount") for name, column in columns.items()}
    return _some(facet, "rowCount", "bytes", "fileCount", "lastUpdated") | {"columns": kept}


def _assertions(facet: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [_some(one, "assertion", "column", "success", "severity") for one in facet["assertions"]]


def _sql(facet: Mapping[str, Any]) -> str:
    return _LITERAL.sub("?", str(facet["query"]))[:_LONG]


def _data_source(facet: Mapping[str, Any]) -> dict[str, Any]:
    return _some(facet, "name") | ({"uri": _without_user(facet["uri"])} if facet.get("uri") else {})


def _code_location(facet: Mapping[str, Any]) -> dict[str, Any]:
    return _some(facet, "type", "path", "version", "branch") | {"url": _without_user(facet["url"])}


def _hierarchy(facet: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [_some(level, "type", "name") for level in facet["hierarchy"]]


def _without_user(url: Any) -> str:
    """A URL without user, password and query, where secrets stand."""
    split = urlsplit(str(url))
    return urlunsplit((split.scheme, split.netloc.rpartition("@")[2], split.path, "", ""))


def _picked(*keys: str) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    return lambda facet: _some(facet, *keys)


def _some(found: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    return {key: found[key] for key in keys if found.get(key) is not None}


_COMMON: dict[str, Callable[[Mapping[str, Any]], Any]] = {
    "documentation": _documentation,
    "ownership": _ownership,
    "tags": _tags,
}
_READERS: dict[str, dict[str, Callable[[Mapping[str, Any]], Any]]] = {
    "dataset": _COMMON
    | {
        "schema": _schema,
        "version": _picked("datasetVersion"),
        "datasetType": _picked("datasetType", "subType"),
        "storage": _picked("storageLayer", "fileFormat"),
        "catalog": _picked("framework", "type", "name"),
        "hierarchy": _hierarchy,
        "dataSource": _data_source,
        "dataQualityMetrics": _metrics,
        "dataQualityAssertions": _assertions,
        "lifecycleStateChange": _picked("lifecycleStateChange", "previousIdentifier"),
    },
    "job": _COMMON
    | {
        "sql": _sql,
        "sourceCode": _picked("language"),
        "sourceCodeLocation": _code_location,
        "jobType": _picked("processingType", "integration", "jobType"),
    },
    "run": {
        "tags": _tags,
        "nominalTime": _picked("nominalStartTime", "nominalEndTime"),
        "processing_engine": _picked("name", "version", "openlineageAdapterVersion"),
        "externalQuery": _picked("externalQueryId", "source"),
        "errorMessage": _picked("programmingLanguage"),
        "extractionError": _picked("totalTasks", "failedTasks"),
    },
}

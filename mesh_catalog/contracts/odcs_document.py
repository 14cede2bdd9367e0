"""Documents of the Open Data Contract Standard, whatever they hold: read from 3.0, 3.1 and 3.2, written as 3.2.

Nothing of a document is lost on the way: what this project does not use (servers, prices, other people's
customProperties) is kept as it was. What a product can be made of is narrower, and read by `odcs.py`.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mesh_catalog.contracts.modernise import modernised
from mesh_catalog.documents import Document, check_schema, read_document

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

__all__ = [
    "API_VERSION",
    "LAKE_SERVER",
    "as_current",
    "check_version",
    "lake_server",
    "odcs_validator",
    "read_odcs",
    "with_server",
]

API_VERSION: Final = "v3.2.0"
"""What this project writes; it reads every 3.x that the schema knows."""
LAKE_SERVER: Final = "lake"
"""The server that says where a product's table lies."""


@cache
def odcs_validator() -> Validator:
    """The validator of the official JSON schema, as the package `open_data_contract_standard` ships it."""
    from jsonschema import Draft201909Validator  # late: a tenth of a second that `mesh --help` need not spend

    text = resources.files("open_data_contract_standard").joinpath("schema.json").read_text(encoding="utf-8")
    return Draft201909Validator(json.loads(text))


def read_odcs(path: Path) -> Document:
    """A contract by the standard, in the words of its newest version; tables and columns as many as it likes.

    Raises:
        DocumentError: It is not YAML, of another standard, or breaks the schema; with file and line.
    """
    document = read_document(path)
    check_version(document)
    document = modernised(document)
    check_schema(document, odcs_validator())
    return document


def check_version(document: Document) -> None:
    """Refuse the standard's versions before 3.

    Raises:
        DocumentError: It is of one of them.
    """
    version = document.data.get("apiVersion")
    if isinstance(version, str) and version.startswith(("v1.", "v2.", "1.", "2.")):
        raise document.error(
            f"apiVersion '{version[:20]}' is of an older standard. Write the contract by ODCS 3,"
            f" for example apiVersion: {API_VERSION}.",
            "apiVersion",
        )


def as_current(document: Document) -> dict[str, Any]:
    """What `read_odcs` read, as a document of the standard's newest version."""
    return {**copy.deepcopy(document.data), "apiVersion": API_VERSION}


def with_server(data: Mapping[str, Any], server: Mapping[str, Any]) -> dict[str, Any]:
    """The document with one server more, in the place of one of the same name."""
    others = [entry for entry in data.get("servers", []) if entry.get("server") != server["server"]]
    return {**data, "servers": [*others, dict(server)]}


def lake_server(location: str) -> dict[str, Any]:
    """The server of a Delta table at a path or a URI, in words that other tools read too."""
    place = {"type": "custom", "location": location} if "://" in location else {"type": "local", "path": location}
    return {"server": LAKE_SERVER, **place, "format": "delta"}

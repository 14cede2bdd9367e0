"""Data products by the Open Data Product Standard (Bitol), 0.9 and 1.0 read, 1.0 written: who promises what to whom.

A data product has output ports, each kept by a contract (`odcs_document.py`), and input ports, the contracts that it
reads. The standard's schema is in no package, so its words stand here; the tests hold them against the official one.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mesh_catalog.documents import Document, check_schema, read_document

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

__all__ = ["ODPS_VERSION", "Port", "current_product", "data_product", "odps_validator", "read_odps"]

ODPS_VERSION: Final = "v1.0.0"
"""What this project writes."""
_READ: Final = ("v0.9.0", ODPS_VERSION)
_TEXT: Final = {"type": "string"}


def _list(item: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": item}


def _object(required: str, words: str, **others: Any) -> dict[str, Any]:
    """A closed mapping: `words` hold texts, `others` what their schemas say."""
    properties = {**dict.fromkeys(words.split(), _TEXT), **others}
    return {"type": "object", "additionalProperties": False, "required": required.split(), "properties": properties}


@cache
def _schema() -> dict[str, Any]:
    more = {
        "tags": _list(_TEXT),
        "customProperties": _list(_object("property value", "property description", value={})),
        "authoritativeDefinitions": _list(_object("type url", "type url description")),
    }
    described = {key: more[key] for key in ("authoritativeDefinitions", "customProperties")}
    member = _object("username", "username name description role dateIn dateOut replacedByUsername", **more)
    return _object(
        "apiVersion kind id status",
        "id name version status domain tenant productCreatedTs",
        apiVersion={"type": "string", "enum": list(_READ)},
        kind={"type": "string", "enum": ["DataProduct"]},
        description=_object("", "purpose limitations usage", **described),
        inputPorts=_list(_object("name version contractId", "name version contractId", **more)),
        outputPorts=_list(
            _object(
                "name version",
                "name description type version contractId",
                sbom=_list(_object("url", "type url")),
                inputContracts=_list(_object("id version", "id version")),
                **more,
            )
        ),
        managementPorts=_list(_object("name content", "name content type url channel description", **more)),
        support=_list(_object("channel url", "channel url description tool scope invitationUrl", **more)),
        team=_object("", "name description", members=_list(member), **more),
        **more,
    )


@cache
def odps_validator() -> Validator:
    """The validator of the standard's words, 0.9 and 1.0."""
    from jsonschema import Draft201909Validator  # late: `mesh --help` need not spend it

    return Draft201909Validator(_schema())


def read_odps(path: Path) -> Document:
    """A data product by the standard; everything of it is kept.

    Raises:
        DocumentError: It is not YAML, or breaks the standard; with file and line.
    """
    document = read_document(path)
    check_schema(document, odps_validator())
    return document


def current_product(document: Document) -> dict[str, Any]:
    """What `read_odps` read, as a document of the standard's newest version."""
    return {**copy.deepcopy(document.data), "apiVersion": ODPS_VERSION}


@dataclass(frozen=True, kw_only=True)
class Port:
    """A contract at which rows leave a data product, or come in."""

    name: str
    """The product whose contract it is, `domain.product`."""
    version: str
    description: str | None = None
    tags: tuple[str, ...] = ()
    reads: tuple[tuple[str, str], ...] = ()
    """Of an output port: the contracts it is made from, by id and version."""


def data_product(
    name: str,
    *,
    version: str,
    status: str,
    outputs: Sequence[Port],
    inputs: Sequence[Port],
    owner: str | None = None,
    description: str | None = None,
) -> dict[str, Any]:
    """The document of a data product.

    Args:
        name: `domain` or `domain.product`; also its id.
        owner: The team that answers for it.
    """
    document: dict[str, Any] = {
        "apiVersion": ODPS_VERSION,
        "kind": "DataProduct",
        "id": name,
        "name": name,
        "version": version,
        "status": status,
        "domain": name.partition(".")[0],
    }
    if description:
        document["description"] = {"purpose": description}
    if inputs:
        document["inputPorts"] = [_input(port) for port in inputs]
    document["outputPorts"] = [_output(port) for port in outputs]
    if owner:
        document["team"] = {"name": owner}
    return document


def _input(port: Port) -> dict[str, Any]:
    return {"name": port.name, "version": port.version, "contractId": port.name}


def _output(port: Port) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": port.name.rpartition(".")[2],
        "type": "tables",
        "version": port.version,
        "contractId": port.name,
    }
    if port.description:
        found["description"] = port.description
    if port.tags:
        found["tags"] = list(port.tags)
    if port.reads:
        found["inputContracts"] = [{"id": name, "version": version} for name, version in port.reads]
    return found

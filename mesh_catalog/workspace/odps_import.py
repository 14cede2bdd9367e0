"""A data product of others, by ODPS: its output ports become products that read their tables where they lie.

Each port's contract is looked for beside the document, by the port's contractId and version. A port whose contract has
no server with a Delta table, or that cannot be a product here, is left out with the reason. All or nothing is written
for a port; what is there already is not touched.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from mesh_catalog.contracts.naming import column_names
from mesh_catalog.contracts.odcs import read_contract
from mesh_catalog.contracts.odcs_document import as_current, lake_server, read_odcs, with_server
from mesh_catalog.contracts.odps import read_odps
from mesh_catalog.documents import Document, dump_yaml
from mesh_catalog.errors import DocumentError, InputError, NotFoundError
from mesh_catalog.workspace.import_texts import domain_text
from mesh_catalog.workspace.importing import owner_of, product_names, write_product

__all__ = ["LeftOut", "OdpsPlan", "PortPlan", "plan_odps_import", "write_odps_import"]

_FILE_LIMIT: Final = 1_000
_OURS: Final = frozenset(
    ("writeMode", "interval", "deleteWhen", "changeDataFeed", "readChanges", "lookback", "clusterBy", "importedFrom")
)
"""Custom properties that say how the other mesh writes the table; here nobody writes it."""


@dataclass(frozen=True, kw_only=True)
class PortPlan:
    """An output port that becomes a product."""

    product: str
    port: str
    version: str
    location: str
    text: str
    """Of contract.yaml."""


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """An output port that does not."""

    port: str
    version: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class OdpsPlan:
    """What importing a data product would write."""

    name: str
    domain: str
    domain_text: str | None
    """Text of domain.yaml; None where the domain has one."""
    has_owner: bool
    ports: tuple[PortPlan, ...]
    left_out: tuple[LeftOut, ...]
    inputs: tuple[str, ...]
    """Contracts that the data product reads itself, `id version`; for information."""

    @property
    def written(self) -> tuple[str, ...]:
        """Paths within the workspace."""
        own = (f"domains/{self.domain}/domain.yaml",) if self.ports and self.domain_text is not None else ()
        return (*own, *(f"domains/{one.product.replace('.', '/')}/contract.yaml" for one in self.ports))


def plan_odps_import(root: Path, path: Path, *, domain: str | None = None, owner: str | None = None) -> OdpsPlan:
    """Read a data product and the contracts beside it, and work out which products it would make; writes nothing.

    Args:
        root: The workspace.
        path: The ODPS document; every ODCS document in its folder is looked into.
        domain: Of the products; otherwise the data product's own, or its name.
        owner: Who answers for the domain, where it is new; otherwise the data product's team.

    Raises:
        NotFoundError: There is no such file.
        DocumentError: It breaks the standard.
        InputError: A domain's name that is none.
    """
    if not path.is_file():
        raise NotFoundError(f"{path}: there is no such file.")
    document = read_odps(path)
    data = document.data
    home = domain or column_names([str(data.get("domain") or data.get("name") or data["id"])])[0]
    product_names(f"{home}.x")
    contracts = dict(_contracts(path.parent))
    ports: list[PortPlan] = []
    left: list[LeftOut] = []
    for entry in data.get("outputPorts", []):
        try:
            ports.append(_port(root, home, data, entry, contracts, taken={one.product for one in ports}))
        except InputError as error:
            left.append(LeftOut(port=entry["name"], version=entry["version"], reason=_told(error)))
    domain_file = root / "domains" / home / "domain.yaml"
    named = owner or _team(data)
    return OdpsPlan(
        name=str(data.get("name") or data["id"]),
        domain=home,
        domain_text=None if domain_file.exists() else domain_text(home, named),
        has_owner=bool(owner_of(domain_file) if domain_file.exists() else named),
        ports=tuple(ports),
        left_out=tuple(left),
        inputs=tuple(f"{entry['contractId']} {entry['version']}" for entry in data.get("inputPorts", [])),
    )


def write_odps_import(root: Path, plan: OdpsPlan) -> None:
    """Write the folders of what was planned, one after another.

    Raises:
        InputError: A product was made by somebody else meanwhile, or the disk does not take it.
    """
    domain_file = root / "domains" / plan.domain / "domain.yaml"
    for one in plan.ports:
        text = None if domain_file.exists() else plan.domain_text
        write_product(root, one.product, {"contract.yaml": one.text}, domain_text=text)


def _contracts(folder: Path) -> Iterator[tuple[tuple[str, str], Document]]:
    """Contracts by id and version; what is no readable contract is passed over."""
    files = sorted(one for one in folder.iterdir() if one.suffix in (".yaml", ".yml"))
    if len(files) > _FILE_LIMIT:
        raise InputError(f"{folder}: holds {len(files):,} YAML files. Put the contracts into a folder of their own.")
    for file in files:
        try:
            found = read_odcs(file)
        except DocumentError:
            continue
        yield (found.data["id"], found.data["version"]), found


def _port(
    root: Path,
    domain: str,
    data: Mapping[str, Any],
    entry: Mapping[str, Any],
    contracts: Mapping[tuple[str, str], Document],
    *,
    taken: set[str],
) -> PortPlan:
    """The product of an output port.

    Raises:
        InputError: It cannot be one; the message is the reason.
    """
    identity = entry.get("contractId")
    if identity is None:
        raise InputError("it names no contract (contractId)")
    found = contracts.get((identity, entry["version"]))
    if found is None:
        raise InputError(f"there is no contract '{identity}' {entry['version']} beside the document that can be read")
    name = f"{domain}.{column_names([entry['name']])[0]}"
    if name in taken:
        raise InputError(f"{name} is taken by another version of the port")
    if (root / "domains" / name.replace(".", "/")).exists():
        raise InputError(f"{name} exists already")
    location = _location(found.data)
    contract = _contract(found, name, location, origin=f"{data['id']} {entry['name']} {identity}")
    read_contract(Document(path=found.path, data=contract, lines=found.lines))
    return PortPlan(
        product=name, port=entry["name"], version=entry["version"], location=location, text=dump_yaml(contract)
    )


def _location(contract: Mapping[str, Any]) -> str:
    for server in contract.get("servers", []):
        found = server.get("path") or server.get("location")
        if server.get("format") == "delta" and found:
            return str(found)
    raise InputError("its contract has no server with a Delta table (format: delta, and a path or location)")


def _contract(found: Document, name: str, location: str, *, origin: str) -> dict[str, Any]:
    """The contract under the product's name; whose it was is kept as a custom property."""
    data = copy.deepcopy(as_current(found))
    domain, _, table = name.partition(".")
    if len(data.get("schema", [])) == 1:
        data["schema"][0]["name"] = table
    custom = [
        one for one in data.get("customProperties", []) if one.get("property") not in ("importedFrom", "writeMode")
    ]
    custom += [{"property": "importedFrom", "value": origin}, {"property": "writeMode", "value": "overwrite"}]
    team = data.get("team")
    return with_server(
        {**data, "id": name, "team": team or {"name": domain}, "customProperties": custom}, lake_server(location)
    )


def _team(data: Mapping[str, Any]) -> str | None:
    found = data.get("team", {}).get("name")
    return str(found) if found else None


def _told(error: InputError) -> str:
    """The reason without the path, which is the contract's and not the port's."""
    return str(error).partition(": ")[2] if isinstance(error, DocumentError) else str(error)

"""What a contract's rules read beside the batch: other products, and the last version's profile.

Asked for before the write, by the one door, so that versions are pinned and an audit event is left. Where it is not to
be had, the reason stands in its place: the checks that need it say so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mesh_catalog.access.gate import request_read
from mesh_catalog.catalog.runs import latest_version
from mesh_catalog.contracts.contract import Query, Reference
from mesh_catalog.errors import MeshError
from mesh_catalog.lake.profiles import load_profile

if TYPE_CHECKING:
    from mesh_catalog.access.gate import Ticket
    from mesh_catalog.access.mesh import Mesh
    from mesh_catalog.contracts.contract import Contract
    from mesh_catalog.lake.profile import Profile

__all__ = ["Others", "request_others"]


@dataclass(frozen=True, kw_only=True)
class Others:
    """Tickets of other products by name, and the last version's profile; a text is the reason why it is not there."""

    tickets: Mapping[str, Ticket | str] = field(default_factory=dict)
    profile: Profile | str | None = None
    """None where there is no earlier version."""


def request_others(mesh: Mesh, contract: Contract) -> Others:
    """Ask for all that the contract's set rules need; nothing is asked where there are none."""
    tickets = {name: _ticket(mesh, contract, name) for name in contract.other_products}
    compared = any(rule.kind == "distribution" for rule in contract.rules)
    return Others(tickets=tickets, profile=_profile(mesh, contract.id) if compared else None)


def _ticket(mesh: Mesh, contract: Contract, name: str) -> Ticket | str:
    try:
        return request_read(mesh, name, purpose="build", columns=_columns(contract, name))
    except MeshError as error:
        return str(error)


def _columns(contract: Contract, name: str) -> list[str] | None:
    """The key columns that references need; all where a query names the product."""
    found: list[str] = []
    for rule in contract.rules:
        if isinstance(rule.argument, Query) and name in rule.argument.reads:
            return None
        if isinstance(rule.argument, Reference) and rule.argument.product == name:
            found += rule.argument.keys
    return found


def _profile(mesh: Mesh, product: str) -> Profile | str | None:
    latest = latest_version(mesh.catalog, product)
    if latest is None:
        return None
    try:
        return load_profile(mesh, product, latest.version)
    except MeshError as error:
        return str(error)

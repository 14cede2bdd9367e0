"""Whom a domain tells: `alerts:` of its domain.yaml, as it is now."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from mesh_catalog.specs import AlertSpec

if TYPE_CHECKING:
    from mesh_catalog.access.mesh import Mesh
    from mesh_catalog.catalog.alerts import Severity

__all__ = ["alert_spec", "told_at_once", "wants_warnings"]

_QUIET = AlertSpec(tell=())
"""Of a domain that names no channel."""


def alert_spec(mesh: Mesh, domain: str) -> AlertSpec:
    """The section of a domain; one without a channel where it has none, or is not in the workspace."""
    found = mesh.workspace.domains.get(domain)
    return found.alerts if found is not None and found.alerts is not None else _QUIET


def told_at_once(spec: AlertSpec, severity: Severity) -> list[str]:
    """The channels that are told of an alert when it is raised: of a warning, those that want warnings."""
    return [channel.name for channel in spec.tell if severity == "fail" or channel.warnings]


def wants_warnings(mesh: Mesh, domains: Iterable[str]) -> bool:
    """Whether any channel of these domains asks for warnings."""
    return any(told_at_once(alert_spec(mesh, domain), "warn") for domain in domains)

"""Telling MLflow's registry what was decided: aliases as they stand, and why, as tags of version and run.

The catalog decides, MLflow shows. Telling is idempotent, and goes on where it was cut off: what was not told stays
noted in the catalog (`catalog/mirroring.py`). Where everything is told, MLflow is not even imported.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from mesh_catalog.catalog.mirroring import mark_mirrored, read_unmirrored
from mesh_catalog.errors import StorageError

if TYPE_CHECKING:
    from mesh_catalog.access.mesh import Mesh
    from mesh_catalog.catalog.decisions import DecisionRecord

__all__ = ["Mirror", "mirror_decisions", "mirror_later", "mirror_or_say"]

Mirror = Callable[["Mesh", str], object]
"""Tells the registry what it does not know of a model, as `mirror_decisions` does."""


def mirror_decisions(mesh: Mesh, model: str) -> bool:
    """Tell the registry what it does not know of a model; whether there was anything.

    Raises:
        StorageError: MLflow cannot be reached; what was not told stays noted.
    """
    pending = read_unmirrored(mesh.catalog, model)
    if not pending:
        return False
    from mesh_catalog.models.registry import open_registry  # late: MLflow takes 4 s

    registry = open_registry(mesh.settings)
    for alias, version in pending.aliases.items():
        registry.set_alias(model, alias, version)  # type: ignore[arg-type]
    for decision in pending.decisions:
        version = _version_of(decision)
        if version is not None:
            tags = {
                "mesh.decision": decision.action,
                "mesh.decision_reasons": "; ".join(decision.reasons),
                "mesh.decided_by": decision.principal,
                "mesh.decided_at": decision.at.isoformat(),
            }
            registry.tag_version(model, version, tags)
    mark_mirrored(mesh.catalog, pending)
    return True


def mirror_later(_mesh: Mesh, _model: str) -> None:
    """Leaves it to whoever tells the registry next."""


def mirror_or_say(mesh: Mesh, model: str, mirror: Mirror = mirror_decisions) -> str | None:
    """Tell the registry; where it cannot be reached, a sentence about it: what was decided stands and is told later."""
    try:
        mirror(mesh, model)
    except StorageError as error:
        return f"{error} What was decided is kept in the catalog; the next turn of mesh retrain tells MLflow."
    return None


def _version_of(decision: DecisionRecord) -> int | None:
    """The version that a decision is about: the new one, or the one that was taken back."""
    if decision.action == "rollback":
        return decision.from_version
    told = decision.evidence.get("challenger_version")
    return int(told) if told is not None else decision.to_version

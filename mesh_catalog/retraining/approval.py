"""Whether a person must let a challenger through, and a person's word on it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from mesh_catalog.catalog.approvals import ApprovalRecord, record_approval
from mesh_catalog.catalog.decisions import RetrainingRecord, open_retraining
from mesh_catalog.catalog.domains import read_domain
from mesh_catalog.catalog.inventory import read_model
from mesh_catalog.catalog.store import utc_now
from mesh_catalog.errors import AccessDeniedError, GateRefusedError, InputError

if TYPE_CHECKING:
    from mesh_catalog.access.mesh import Mesh
    from mesh_catalog.catalog.store import Catalog
    from mesh_catalog.specs import ModelSpec

__all__ = ["approval_needed", "decide_approval", "deciders", "require_decider", "waiting_version"]

_TEXT_LIMIT: Final = 1000
_WORDS: Final = {
    "health": r"health\w*|patients?|diagnos\w+|medical|clinical|disease\w*|treatments?|insur\w+",
    "credit": r"credit\w*|loans?|lending|mortgages?|debt\w*|overdraft\w*",
    "fraud": r"fraud\w*|money.laundering|scams?",
    "rights": r"hir(?:e|es|ed|ing)|applicants?|recruit\w+|dismiss\w*|parole|asylum|visas?|benefits?|tenants?|evict\w+"
    r"|polic(?:e|ing)|surveill\w+|admissions?|grad(?:es?|ing)",
}
_PATTERNS: Final = {topic: re.compile(rf"\b(?:{words})\b", re.IGNORECASE) for topic, words in _WORDS.items()}


def approval_needed(model: ModelSpec) -> str | None:
    """Why a person must approve, as words for a sentence; None where nobody must.

    `approval` in model.yaml says it; where it is silent, `touches` does; where that is silent too, words of `goal` and
    `decides` may only ask for an approval, never spare one.
    """
    if model.approval == "person":
        return "approval: person"
    if model.approval == "automatic":
        return None
    if model.touches:
        return f"it touches {', '.join(model.touches)}"
    prose = f"{model.goal} {model.decides or ''}"
    found = [topic for topic, pattern in _PATTERNS.items() if pattern.search(prose)]
    return f"its goal speaks of {', '.join(found)}" if found else None


def deciders(catalog: Catalog, model: str) -> tuple[str, ...]:
    """Who may decide for a model: its owner and the members of its domain."""
    record = read_model(catalog, model)
    return tuple(
        dict.fromkeys([*([record.owner] if record.owner else []), *read_domain(catalog, record.domain).members])
    )


def require_decider(mesh: Mesh, model: str, *, what: str) -> None:
    """Refuse whoever may not decide for the model.

    Raises:
        AccessDeniedError: The principal is neither its owner nor a member of its domain.
    """
    allowed = deciders(mesh.catalog, model)
    if mesh.principal not in allowed:
        who = " or ".join(allowed) or "nobody: name an owner in domain.yaml"
        raise AccessDeniedError(f"{model}: {mesh.principal} cannot {what}. It is for {who} to decide.")


def waiting_version(catalog: Catalog, model: str, version: int) -> RetrainingRecord:
    """The retraining whose challenger waits for a person.

    Raises:
        GateRefusedError: No version waits, or another one.
    """
    waiting = open_retraining(catalog, model)
    if waiting is None or waiting.step != "waiting_approval":
        raise GateRefusedError(f"{model}: no version waits for an approval. See: mesh show {model}")
    if int(waiting.state["challenger"]) != version:
        raise GateRefusedError(f"{model}: v{waiting.state['challenger']} waits for an approval, not v{version}.")
    return waiting


def decide_approval(mesh: Mesh, model: str, version: int, *, approved: bool, reason: str) -> ApprovalRecord:
    """Keep a person's word on the challenger that waits for it; the loop's next turn acts on it.

    Raises:
        AccessDeniedError: The principal is neither the model's owner nor a member of its domain.
        GateRefusedError: No version waits, or another one.
        ConflictError: Somebody has said the opposite.
        InputError: Too long a reason, or a rejection without one.
    """
    if len(reason) > _TEXT_LIMIT or (not approved and not reason.strip()):
        raise InputError(f"{model} v{version}: give a reason of 1 to {_TEXT_LIMIT:,} characters: --reason")
    waiting = waiting_version(mesh.catalog, model, version)
    require_decider(mesh, model, what="approve or reject a version")
    return record_approval(
        mesh.catalog,
        ApprovalRecord(
            retraining_id=waiting.id,
            model=model,
            version=version,
            approved=approved,
            principal=mesh.principal,
            reason=reason.strip() or "approved",
            at=utc_now(),
        ),
    )

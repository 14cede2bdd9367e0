"""What of a workspace breaks the organisation's policies, with the file and line that says so."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mesh_catalog.documents import Document, Place, read_document
from mesh_catalog.specs import DashboardSpec, DomainSpec, ModelSpec, ProductSpec
from mesh_catalog.workspace.policies_file import Exemption, Keep, Policies, Policy, PolicyKind, PolicySeverity

if TYPE_CHECKING:
    from mesh_catalog.contracts.contract import Column
    from mesh_catalog.workspace.workspace import Workspace

__all__ = ["PolicyFinding", "find_breaches", "product_breaches", "stale_exemptions", "unknown_purposes"]

Subject = DomainSpec | ProductSpec | ModelSpec | DashboardSpec
_PROPERTIES: Final[Mapping[str, str]] = {
    "licence": "customProperty licence",
    "allowedUses": "customProperty allowedUses",
    "purpose": "customProperty purpose",
    "allowedPurposes": "customProperty allowedPurposes",
    "consent": "customProperty consent",
}


@dataclass(frozen=True, kw_only=True)
class PolicyFinding:
    """Something that breaks a policy."""

    policy: str
    severity: PolicySeverity
    subject: str
    """`domain`, `domain.name` or `domain.name.column`."""
    sentence: str
    path: Path
    line: int | None
    excepted_until: date | None = None
    """Set where an exception covers it today; it stops nothing then."""

    @property
    def stops(self) -> bool:
        return self.severity == "error" and self.excepted_until is None


@dataclass(frozen=True, kw_only=True)
class _Breach:
    subject: str
    sentence: str
    path: Path
    place: Place = ()


def find_breaches(workspace: Workspace, *, today: date) -> list[PolicyFinding]:
    """Everything in a workspace that breaks a policy, by file and line."""
    subjects: list[Subject] = [
        *workspace.domains.values(),
        *workspace.products.values(),
        *workspace.models.values(),
        *workspace.dashboards.values(),
    ]
    found = [one for subject in subjects for one in _findings(workspace.policies, subject, today)]
    return sorted(found, key=lambda one: (str(one.path), one.line or 0))


def product_breaches(policies: Policies, product: ProductSpec, *, today: date) -> list[PolicyFinding]:
    """What of one product, and of its domain, breaks a policy."""
    return [*_findings(policies, product.domain, today), *_findings(policies, product, today)]


def stale_exemptions(workspace: Workspace, *, today: date) -> list[str]:
    """Exceptions that have ended or cover nothing, as sentences for the central team."""
    known = {*workspace.domains, *workspace.products, *workspace.models, *workspace.dashboards}
    known |= {f"{p.name}.{column.name}" for p in workspace.products.values() for column in p.contract.columns}
    told = []
    for policy in workspace.policies.policies:
        for one in policy.exemptions:
            line = workspace.policies.document.line(one.place) if workspace.policies.document else None
            place = f"conf/policies.yaml:{line}: the exception of {policy.name} for {one.of}"
            if one.of not in known:
                told.append(f"{place} covers nothing that is there. Remove it.")
            elif one.until < today:
                told.append(f"{place} ended on {one.until}. Remove it, or agree on a new day.")
    return told


def unknown_purposes(workspace: Workspace) -> Iterator[tuple[Path, Place, str]]:
    """Purposes that the central team has not named: file, place and the name."""
    if workspace.policies.purposes is None:
        return
    known = workspace.policies.purposes
    for product in workspace.products.values():
        rights = product.contract.rights
        for name in dict.fromkeys((*rights.purposes, *(rights.allowed_purposes or ()))):
            if name not in known:
                yield product.folder / "contract.yaml", ("customProperties",), name
    for model in workspace.models.values():
        for name in model.purposes:
            if name not in known:
                yield model.path, ("purpose",), name


# One subject -------------------------------------------------------------------------------------------------------


def _findings(policies: Policies, subject: Subject, today: date) -> Iterator[PolicyFinding]:
    for policy in policies.policies:
        if not _applies(policy, subject):
            continue
        for breach in _breaches(policy, subject):
            until, ended = _exempt(policy.exemptions, breach.subject, today)
            because = f" {policy.because}" if policy.because else ""
            past = f" (its exception ended on {ended})" if ended else ""
            yield PolicyFinding(
                policy=policy.name,
                severity=policy.severity,
                subject=breach.subject,
                sentence=f"{breach.subject}: {breach.sentence} Policy {policy.name}{past}.{because}",
                path=breach.path,
                line=_line(breach.path, breach.place),
                excepted_until=until,
            )


def _kind(subject: Subject) -> PolicyKind:
    if isinstance(subject, DomainSpec):
        return "domain"
    if isinstance(subject, ProductSpec):
        return "product"
    return "model" if isinstance(subject, ModelSpec) else "dashboard"


def _applies(policy: Policy, subject: Subject) -> bool:
    domain = subject.name if isinstance(subject, DomainSpec) else subject.domain.name
    if _kind(subject) not in policy.kinds or (policy.domains and domain not in policy.domains):
        return False
    return not policy.status or not isinstance(subject, ProductSpec) or subject.contract.status in policy.status


def _exempt(exemptions: tuple[Exemption, ...], subject: str, today: date) -> tuple[date | None, date | None]:
    """Until when it is excepted, or when it was."""
    ends = [one.until for one in exemptions if one.covers(subject)]
    if not ends:
        return None, None
    return (max(ends), None) if max(ends) >= today else (None, max(ends))


def _line(path: Path, place: Place) -> int | None:
    return _document_lines(path, path.stat().st_mtime_ns).line(place) if path.exists() else None


@cache
def _document_lines(path: Path, _changed: int) -> Document:
    return read_document(path)


def _breaches(policy: Policy, subject: Subject) -> Iterator[_Breach]:
    yield from _unnamed(policy, subject)
    for word in policy.require:
        yield from _missing(word, subject)
    if isinstance(subject, ProductSpec):
        yield from _misclassified(policy, subject)
        yield from _kept_wrong(policy, subject)


def _unnamed(policy: Policy, subject: Subject) -> Iterator[_Breach]:
    kind = _kind(subject)
    own = subject.name.rpartition(".")[2]
    path, place = _file(subject)
    if (pattern := policy.names.get(kind)) and not re.fullmatch(pattern, own):
        sentence = f"the name '{own}' does not match {pattern}."
        yield _Breach(subject=subject.name, sentence=sentence, path=path, place=place)
    pattern = policy.names.get("column")
    if pattern and isinstance(subject, ProductSpec):
        for index, column in enumerate(subject.contract.columns):
            if not re.fullmatch(pattern, column.name):
                yield _of_column(subject, column, index, f"the name does not match {pattern}.", "name")


def _file(subject: Subject) -> tuple[Path, Place]:
    if isinstance(subject, ProductSpec):
        return subject.folder / "contract.yaml", ("id",)
    return subject.path, ("name",) if isinstance(subject, DomainSpec) else ()


def _of_column(product: ProductSpec, column: Column, index: int, sentence: str, *place: str) -> _Breach:
    return _Breach(
        subject=f"{product.name}.{column.name}",
        sentence=sentence,
        path=product.folder / "contract.yaml",
        place=("schema", 0, "properties", index, *place),
    )


def _missing(word: str, subject: Subject) -> Iterator[_Breach]:
    domain = subject if isinstance(subject, DomainSpec) else subject.domain
    path, place = _file(subject)
    if word in ("owner", "onCall"):
        owner = subject.owner if isinstance(subject, DashboardSpec) else domain.owner
        if not (owner if word == "owner" else domain.on_call):
            yield _Breach(subject=subject.name, sentence=f"has no {word}. Name one in domain.yaml.", path=domain.path)
        return
    if isinstance(subject, ProductSpec):
        yield from _missing_of_product(word, subject)
        return
    values = {
        "description": getattr(subject, "description", None),
        "decides": getattr(subject, "decides", None),
        "purpose": getattr(subject, "purposes", None),
        "url": getattr(subject, "url", None),
    }
    if word in values and not values[word]:
        yield _Breach(subject=subject.name, sentence=f"has no {word}. Add one.", path=path, place=place)


def _missing_of_product(word: str, product: ProductSpec) -> Iterator[_Breach]:
    contract = product.contract
    path, place = _file(product)
    if word.startswith("columns."):
        yield from _missing_of_columns(word.partition(".")[2], product)
        return
    if word.startswith("sla"):
        names = {str(level.get("property")) for level in contract.service_levels}
        wanted = word.partition(".")[2]
        if not names or (wanted and wanted not in names):
            told = f"service level '{wanted}'" if wanted else "service level"
            yield _Breach(
                subject=product.name, sentence=f"has no {told}. Add it to slaProperties.", path=path, place=place
            )
        return
    rights = contract.rights
    there: Mapping[str, object] = {
        "description": contract.description,
        "tags": contract.tags,
        "licence": rights.licence,
        "allowedUses": rights.allowed_uses is not None,
        "purpose": rights.purposes,
        "allowedPurposes": rights.allowed_purposes is not None,
        "consent": rights.consent or rights.consent_not_needed or not contract.personal_columns,
    }
    if word in there and not there[word]:
        yield _Breach(
            subject=product.name, sentence=f"has no {_PROPERTIES.get(word, word)}. Add it.", path=path, place=place
        )


def _missing_of_columns(word: str, product: ProductSpec) -> Iterator[_Breach]:
    for index, column in enumerate(product.contract.columns):
        if word == "classification":
            if column.classification is None:
                yield _of_column(product, column, index, "has no classification. Add one.")
            elif column.classification.endswith("?"):
                sentence = f"nobody has decided about {column.classification}. Write the word without ?, or another."
                yield _of_column(product, column, index, sentence, "classification")
        elif not (column.description if word == "description" else column.tags):
            yield _of_column(product, column, index, f"has no {word}. Add it.")


def _misclassified(policy: Policy, product: ProductSpec) -> Iterator[_Breach]:
    if policy.classify is None:
        return
    for index, column in enumerate(product.contract.columns):
        word = (column.classification or "none").rstrip("?")
        if re.search(policy.classify.columns, column.name) and word not in policy.classify.words:
            allowed = " or ".join(policy.classify.words)
            sentence = f"a column of this name is {allowed}; its classification is {word}."
            yield _of_column(product, column, index, sentence, "classification")


def _kept_wrong(policy: Policy, product: ProductSpec) -> Iterator[_Breach]:
    keep, contract = policy.keep, product.contract
    if keep is None or not _holds(contract.columns, keep.classification):
        return
    path, kept = product.folder / "contract.yaml", contract.retention_seconds
    place: Place = ("slaProperties",) if contract.service_levels else ("id",)
    bounds = " and ".join(
        f"{word} {_days(bound)}" for word, bound in (("at least", keep.least), ("at most", keep.most)) if bound
    )
    if kept is None:
        sentence = f"says no retention, which must be {bounds}. Add it to slaProperties."
    elif not _within(timedelta(seconds=kept), keep):
        sentence = f"its retention is {_days(timedelta(seconds=kept))}, but must be {bounds}."
    else:
        return
    yield _Breach(subject=product.name, sentence=sentence, path=path, place=place)


def _within(kept: timedelta, keep: Keep) -> bool:
    return (keep.most is None or kept <= keep.most) and (keep.least is None or kept >= keep.least)


def _holds(columns: Collection[Column], words: tuple[str, ...]) -> bool:
    """Whether a column is of one of the classifications; any product where none is named."""
    return not words or any((column.classification or "").rstrip("?") in words for column in columns)


def _days(length: timedelta) -> str:
    hours = length.total_seconds() / 3600
    return f"{hours / 24:g} days" if hours % 24 == 0 else f"{hours:g} hours"

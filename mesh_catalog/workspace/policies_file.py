"""conf/policies.yaml: what the organisation asks of every domain, as values of a closed grammar.

No file: no policies. A file that cannot be read, or says anything that is not known here, is an error of the whole
workspace, so that nothing is published by half of the rules.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final, Literal, get_args

from mesh_catalog.contracts.contract import CLASSIFICATIONS
from mesh_catalog.contracts.patterns import check_pattern
from mesh_catalog.documents import Document, Place, read_document
from mesh_catalog.errors import DocumentError, listed, nearest
from mesh_catalog.workspace.paths import require_inside
from mesh_catalog.workspace.section import Section, list_entries

__all__ = [
    "NO_POLICIES",
    "Classify",
    "Exemption",
    "Keep",
    "Policies",
    "Policy",
    "PolicyKind",
    "PolicySeverity",
    "Unspecified",
    "load_policies",
]

PolicyKind = Literal["domain", "product", "model", "dashboard"]
PolicySeverity = Literal["error", "warning"]
_FILE: Final = "conf/policies.yaml"
_OWNED: Final = ("owner", "onCall", "description")
REQUIRABLE: Final[Mapping[PolicyKind, tuple[str, ...]]] = {
    "domain": _OWNED,
    "product": (
        *_OWNED,
        *("tags", "sla", "licence", "allowedUses", "purpose", "allowedPurposes", "consent"),
        *("columns.description", "columns.classification", "columns.tags"),
    ),
    "model": ("owner", "onCall", "decides", "purpose"),
    "dashboard": (*_OWNED, "url"),
}
_SLA: Final = re.compile(r"sla\.[A-Za-z][A-Za-z0-9]{0,62}")
_NAMED: Final = ("domain", "product", "model", "dashboard", "column")
_RULES: Final = ("require", "names", "classify", "retention")
_POLICY_KEYS: Final = ("name", "severity", "because", "domains", "kinds", "status", *_RULES, "exceptions")
_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_LIMIT: Final = 500
"""Policies of a file, and entries of a list."""


@dataclass(frozen=True, kw_only=True)
class Exemption:
    """Something that a policy does not hold for, for a while."""

    of: str
    """A domain, or `domain.name` or `domain.name.column`."""
    until: date
    """The last day."""
    reason: str
    place: Place

    def covers(self, subject: str) -> bool:
        return subject == self.of or subject.startswith(f"{self.of}.")


@dataclass(frozen=True, kw_only=True)
class Classify:
    """Columns of a name are of one of these classifications."""

    columns: str
    """A pattern that is found in the column's name."""
    words: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Keep:
    """How long a version may, or must, stay readable where the product holds such a column."""

    classification: tuple[str, ...]
    most: timedelta | None
    least: timedelta | None


@dataclass(frozen=True, kw_only=True)
class Policy:
    """One rule over many products; one of require, names, classify and keep is set."""

    name: str
    severity: PolicySeverity
    because: str | None
    domains: tuple[str, ...]
    """All where empty."""
    kinds: tuple[PolicyKind, ...]
    status: tuple[str, ...]
    """Of the contract; any where empty."""
    exemptions: tuple[Exemption, ...]
    require: tuple[str, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)
    """domain, product, model, dashboard, column → the pattern of the whole name."""
    classify: Classify | None = None
    keep: Keep | None = None
    place: Place = ()


@dataclass(frozen=True, kw_only=True)
class Unspecified:
    """Whether what a contract does not say is denied."""

    licence: bool = False
    uses: bool = False
    purposes: bool = False


@dataclass(frozen=True, kw_only=True)
class Policies:
    """What the central team wrote."""

    policies: tuple[Policy, ...] = ()
    denied: Unspecified = Unspecified()
    purposes: Mapping[str, str] | None = None
    """Name and description of each purpose; None: any name may be written."""
    document: Document | None = None


NO_POLICIES: Final = Policies()


def load_policies(root: Path) -> Policies:
    """Read the organisation's policies.

    Raises:
        DocumentError: The file cannot be read, or says what is not known; with its line.
    """
    path = root / _FILE
    if other := next((path.with_name(name) for name in ("policies.yml", "policy.yaml") if _is(root, name)), None):
        raise DocumentError(f"is not read, so its policies would not hold. Call it {_FILE}.", path=other)
    if not path.exists() and not path.is_symlink():
        return NO_POLICIES
    document = read_document(require_inside(path, root))
    section = Section(document, ("policies", "rights", "purposes"))
    purposes = _purposes(section)
    return Policies(policies=_policies(section), denied=_denied(section), purposes=purposes, document=document)


def _is(root: Path, name: str) -> bool:
    return (root / "conf" / name).exists()


def _denied(section: Section) -> Unspecified:
    rights = section.section("rights", ("unspecified",))
    parts = tuple(Unspecified.__dataclass_fields__)
    if isinstance(rights.data.get("unspecified"), dict):
        said = rights.section("unspecified", parts)
        return Unspecified(**{part: said.choice(part, ("allow", "deny"), default="allow") == "deny" for part in parts})
    deny = rights.choice("unspecified", ("allow", "deny"), default="allow") == "deny"
    return Unspecified(**dict.fromkeys(parts, deny))


def _purposes(section: Section) -> dict[str, str] | None:
    if "purposes" not in section:
        return None
    found = section.data["purposes"]
    if not isinstance(found, dict) or not all(isinstance(text, str) and text.strip() for text in found.values()):
        raise section.error("purposes maps the name of each purpose to what it means.", "purposes")
    for name in found:
        if not _NAME.fullmatch(name):
            raise section.error(f"'{name[:40]}' is no name. Use lower-case letters, digits, - and _.", "purposes", name)
    return dict(found)


def _policies(section: Section) -> tuple[Policy, ...]:
    entries = section.data.get("policies") or []
    if not isinstance(entries, list) or len(entries) > _LIMIT:
        raise section.error(f"policies must be a list of at most {_LIMIT} policies.", "policies")
    return tuple(list_entries(section, "policies", _POLICY_KEYS, lambda one, _index: _policy(one)))


def _policy(one: Section) -> Policy:
    name = one.text("name")
    if not _NAME.fullmatch(name):
        raise one.error(f"'{name[:40]}' is no name. Use lower-case letters, digits, - and _.", "name")
    rules = [word for word in _RULES if word in one]
    if len(rules) != 1:
        raise one.error(f"a policy has one of {listed(_RULES)}; '{name}' has {listed(rules) or 'none'}.")
    names, classify, keep = _names(one), _classify(one), _keep(one)
    kinds = _words(one, "kinds", get_args(PolicyKind))
    if not kinds:  # what the rule speaks of
        told = tuple(word for word in get_args(PolicyKind) if word in names)
        kinds = tuple(dict.fromkeys((*told, *(("product",) if "column" in names or not told else ()))))
    return Policy(
        name=name,
        severity="error" if one.choice("severity", get_args(PolicySeverity), default="error") == "error" else "warning",
        because=one.optional_text("because"),
        domains=one.names("domains"),
        kinds=kinds,
        status=one.names("status"),
        exemptions=_exemptions(one),
        require=_required(one, kinds),
        names=names,
        classify=classify,
        keep=keep,
        place=one.place,
    )


def _words(section: Section, key: str, allowed: tuple[Any, ...]) -> tuple[Any, ...]:
    found = section.names(key)
    for index, word in enumerate(found):
        if word not in allowed:
            raise section.error(f"{key} '{word[:40]}' is not known. Allowed: {listed(allowed)}.", key, index)
    return found


def _required(one: Section, kinds: tuple[PolicyKind, ...]) -> tuple[str, ...]:
    found = one.names("require")
    known = tuple(dict.fromkeys(word for kind in kinds for word in REQUIRABLE[kind]))
    for index, word in enumerate(found):
        if word not in known and not ("product" in kinds and _SLA.fullmatch(word)):
            raise one.error(
                f"'{word[:40]}' cannot be required of {listed(kinds)}.{nearest(word, known)}", "require", index
            )
    return found


def _pattern(section: Section, key: str) -> str:
    text = section.text(key)
    try:
        check_pattern(text)
    except ValueError as error:
        raise section.error(f"the pattern of {key} {error}", key) from error
    return text


def _names(one: Section) -> dict[str, str]:
    if "names" not in one:
        return {}
    section = one.section("names", _NAMED)
    if not section.data:
        raise one.error(f"names has a pattern for one of {listed(_NAMED)}.", "names")
    return {what: _pattern(section, what) for what in section.data}


def _classify(one: Section) -> Classify | None:
    if "classify" not in one:
        return None
    section = one.section("classify", ("columns", "as"))
    words = _words(section, "as", CLASSIFICATIONS)
    if not words:
        raise section.error(f"'as' is missing. Add one or more of {listed(CLASSIFICATIONS)}.")
    return Classify(columns=_pattern(section, "columns"), words=words)


def _keep(one: Section) -> Keep | None:
    if "retention" not in one:
        return None
    section = one.section("retention", ("classification", "most", "least"))
    most, least = section.duration("most"), section.duration("least")
    if most is None and least is None:
        raise section.error("retention has most, least, or both, for example most: 30d.")
    if most is not None and least is not None and least > most:
        raise section.error("least is longer than most.", "least")
    return Keep(classification=_words(section, "classification", CLASSIFICATIONS), most=most, least=least)


def _exemptions(one: Section) -> tuple[Exemption, ...]:
    entries = one.data.get("exceptions") or []
    if not isinstance(entries, list) or len(entries) > _LIMIT:
        raise one.error(f"exceptions must be a list of at most {_LIMIT}.", "exceptions")
    found = []
    for index, entry in enumerate(entries):
        place: Place = (*one.place, "exceptions", index)
        section = Section(one.document, ("of", "until", "reason"), place=place, data=entry)
        text = section.text("until")
        try:
            until = date.fromisoformat(text)
        except ValueError as error:
            raise section.error(f"until '{text[:40]}' is no day. Write for example 2027-03-31.", "until") from error
        found.append(Exemption(of=section.text("of"), until=until, reason=section.text("reason"), place=place))
    return tuple(found)

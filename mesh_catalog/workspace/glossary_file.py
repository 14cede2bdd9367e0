"""glossary.yaml, of a domain or, in conf/, of the whole organisation: words, what they mean, and where they are."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final

from mesh_catalog.contracts.formulas import require_columns
from mesh_catalog.documents import read_document
from mesh_catalog.errors import DocumentError, nearest
from mesh_catalog.specs import DomainSpec, ProductSpec, TermSpec, is_name
from mesh_catalog.workspace.section import Section, read_entries

__all__ = ["GLOSSARY_FILE", "check_term", "read_glossary_file"]

GLOSSARY_FILE: Final = "glossary.yaml"
_KEYS: Final = ("name", "labels", "definition", "synonyms", "links", "owner")
_LANGUAGE: Final = re.compile(r"[a-z]{2,3}")


def read_glossary_file(path: Path, domain: DomainSpec | None) -> list[TermSpec]:
    """Read the words of a domain, or of the organisation where `domain` is None.

    Raises:
        DocumentError: An unknown key, a name that is none or stands twice, no definition, a label that is no text; with
            file and line. Whether its links lead anywhere is checked later, by `check_term`.
    """
    return read_entries(path, "terms", _KEYS, lambda section, index: _term(section, domain, path, index))


def _term(section: Section, domain: DomainSpec | None, path: Path, index: int) -> TermSpec:
    name = section.text("name")
    if not is_name(name):
        raise section.error(
            f"'{name[:40]}' cannot name a term. Use lower-case letters, digits and _, a letter first; how people write"
            " it goes under labels.",
            "name",
        )
    labels = section.data.get("labels") or {}
    if not isinstance(labels, dict):
        raise section.error("labels must be a mapping, for example {en: Turnover, ko: 매출}.", "labels")
    for language, label in labels.items():
        if not _LANGUAGE.fullmatch(str(language)) or not isinstance(label, str) or not label.strip():
            raise section.error("a label is a text under a language's code, for example ko: 매출.", "labels")
    return TermSpec(
        name=f"{domain.name}.glossary.{name}" if domain else f"glossary.{name}",
        domain=domain,
        labels={str(language): str(label).strip() for language, label in labels.items()},
        definition=section.text("definition"),
        synonyms=section.names("synonyms"),
        links=section.names("links"),
        declared_owner=section.optional_text("owner"),
        index=index,
        path=path,
    )


def check_term(term: TermSpec, products: Mapping[str, ProductSpec], others: Collection[str]) -> None:
    """Check that what a term is linked to is there.

    Args:
        others: Names beside those of products that may be linked: KPIs, datasets of models, what could not be read.

    Raises:
        DocumentError: A link leads nowhere.
    """
    for index, link in enumerate(term.links):
        if link in products or link in others:
            continue
        owner, _, column = link.rpartition(".")
        product = products.get(owner)
        try:
            if product is None:
                if owner in others:
                    continue
                known = [*products, *others]
                raise ValueError(f"leads to '{link[:80]}', which is no product, column or KPI.{nearest(link, known)}")
            require_columns([column], product.contract.columns)
        except ValueError as error:
            raise _error(term, f"the link {error}", "links", index) from error


def _error(term: TermSpec, message: str, *place: str | int) -> DocumentError:
    return read_document(term.path).error(f"{term.name}: {message}", "terms", term.index, *place)

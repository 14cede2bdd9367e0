"""What may be done with a product's rows: licence, uses, purposes, consent, and where personal data ends.

customProperties of the contract: `licence` (a text, best an SPDX identifier), `allowedUses` (of analysis, build, train,
score), `purpose` (what this product is made for), `allowedPurposes` (what others may make of it), `consent` (the column
that says whether a row's person agrees). Of a column: `deidentified` (why it is no longer personal though it is made of
personal data). What a contract does not say is unspecified; the organisation's policies decide what that means. Pure.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NoReturn, get_args

from mesh_catalog.contracts.contract import Column, Consent, Deidentified, DeidentifiedBy, Rights, Rule, Use
from mesh_catalog.documents import Document, Place
from mesh_catalog.errors import listed, nearest

__all__ = ["group_rules", "read_rights", "written_uses"]

Custom = Mapping[str, tuple[Any, Place]]
_WORDS: Final = ("licence", "allowedUses", "allowedPurposes", "purpose", "consent")
_PURPOSE: Final = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_PRODUCT: Final = re.compile(r"[a-z][a-z0-9_]{0,62}\.[a-z][a-z0-9_]{0,62}")
_TEXT_LIMIT: Final = 500
_CONSENT_TYPES: Final = ("boolean", "timestamp", "timestamp_ntz", "date")
_LEAST_GROUP: Final = 2


def read_rights(document: Document, columns: Sequence[Column], custom: Custom, place: Place) -> Rights:
    """What the contract's customProperties say of rights.

    Args:
        custom: Property → its value and its place.
        place: Of the table.

    Raises:
        DocumentError: A word is not known, written otherwise, or its value is not allowed; with file and line.
    """
    reader = _Reader(document=document, columns=columns, custom=custom)
    reader.check_words()
    return Rights(
        licence=reader.text("licence"),
        allowed_uses=reader.uses(),
        purposes=reader.purposes("purpose") or (),
        allowed_purposes=reader.purposes("allowedPurposes"),
        consent=reader.consent(),
        consent_not_needed=reader.consent_not_needed(),
        deidentified=_deidentified(document, columns, place),
    )


def written_uses(document: Mapping[str, Any]) -> tuple[str, ...] | None:
    """The `allowedUses` of a contract's document that was read before; None where it does not say."""
    found: tuple[str, ...] | None = None
    for holder in (document, *document.get("schema", ())[:1]):
        for custom in holder.get("customProperties", ()):
            if custom["property"] == "allowedUses":
                value = custom["value"]
                found = (value,) if isinstance(value, str) else tuple(value)
    return found


def group_rules(rights: Rights) -> tuple[Rule, ...]:
    """Rules that hold a column de-identified by aggregation to its word: no group of fewer rows than it says."""
    least: dict[str, int] = {}
    for one in rights.deidentified.values():
        if one.counted_by and one.least_rows:
            least[one.counted_by] = max(one.least_rows, least.get(one.counted_by, 0))
    return tuple(
        Rule(id=f"{name}.least_group", kind="minimum", column=name, argument=k, text=f"{name} >= {k} (de-identified)")
        for name, k in least.items()
    )


@dataclass(frozen=True, kw_only=True)
class _Reader:
    document: Document
    columns: Sequence[Column]
    custom: Custom

    def refuse(self, name: str, sentence: str) -> NoReturn:
        raise self.document.error(sentence, *self.custom[name][1])

    def check_words(self) -> None:
        """A right that is misspelt would silently be none."""
        plain = {word.lower(): word for word in (*_WORDS, "deidentified")}
        for name in self.custom:
            if name in _WORDS:
                continue
            folded = name.replace("_", "").replace("-", "").lower()
            close = difflib.get_close_matches(folded, plain, n=1, cutoff=0.85)
            if close:
                of = " of a column" if plain[close[0]] == "deidentified" else ""
                self.refuse(name, f"customProperty '{name[:40]}' is not known. Did you mean '{plain[close[0]]}'{of}?")

    def text(self, name: str) -> str | None:
        if name not in self.custom:
            return None
        value = self.custom[name][0]
        if not isinstance(value, str) or not 0 < len(value.strip()) <= _TEXT_LIMIT or not value.isprintable():
            self.refuse(name, f"{name} must be one line of text, for example CC-BY-4.0.")
        return value.strip()

    def _list(self, name: str) -> list[str] | None:
        if name not in self.custom:
            return None
        value = self.custom[name][0]
        found = [value] if isinstance(value, str) else value
        if not isinstance(found, list) or not all(isinstance(one, str) and one for one in found):
            self.refuse(name, f"{name} must be a list of words.")
        return list(dict.fromkeys(found))

    def uses(self) -> tuple[Use, ...] | None:
        known: dict[str, Use] = {word: word for word in get_args(Use)}
        found = self._list("allowedUses")
        for word in found or ():
            if word not in known:
                hint = nearest(word, known)
                self.refuse("allowedUses", f"allowedUses '{word[:40]}' is not known. Allowed: {listed(known)}.{hint}")
        return None if found is None else tuple(known[word] for word in found)

    def purposes(self, name: str) -> tuple[str, ...] | None:
        found = self._list(name)
        for word in found or ():
            if not _PURPOSE.fullmatch(word):
                self.refuse(
                    name, f"{name} '{word[:40]}' is no name of a purpose. Use lower-case letters, digits, - and _."
                )
        return None if found is None else tuple(found)

    def consent_not_needed(self) -> str | None:
        value = self.custom["consent"][0] if "consent" in self.custom else None
        if not isinstance(value, dict) or "notNeeded" not in value:
            return None
        reason = value["notNeeded"]
        if len(value) > 1 or not isinstance(reason, str) or not 0 < len(reason.strip()) <= _TEXT_LIMIT:
            self.refuse("consent", "consent: notNeeded stands alone and says why, for example {notNeeded: daily sums}.")
        return reason.strip()

    def consent(self) -> Consent | None:
        if "consent" not in self.custom or self.consent_not_needed() is not None:
            return None
        value: Any = self.custom["consent"][0]
        said: dict[str, Any] = {"column": value} if isinstance(value, str) else value if isinstance(value, dict) else {}
        if set(said) not in ({"column"}, {"column", "product", "key"}) or not isinstance(said["column"], str):
            self.refuse(
                "consent",
                "consent names a column of this table, or where it stands: {product: shop.consents, key: customer_id,"
                " column: agreed}; or {notNeeded: why}.",
            )
        if "product" not in said:
            self._check_own(said["column"])
            return Consent(column=said["column"])
        if not isinstance(said["product"], str) or not _PRODUCT.fullmatch(said["product"]):
            self.refuse("consent", f"consent: '{str(said['product'])[:80]}' is no product. Write domain.product.")
        return Consent(column=said["column"], product=said["product"], keys=self._keys(said["key"]))

    def _check_own(self, name: str) -> None:
        column = next((one for one in self.columns if one.name == name), None)
        if column is None:
            hint = nearest(name, [one.name for one in self.columns])
            self.refuse("consent", f"consent: '{name[:40]}' is no column of this table.{hint}")
        if column.spark_type not in _CONSENT_TYPES:
            self.refuse(
                "consent",
                f"consent: '{name}' is {column.spark_type}. It is a boolean (true: agrees), or the time of withdrawal.",
            )

    def _keys(self, value: Any) -> tuple[tuple[str, str], ...]:
        """Pairs of a column here and the one there."""
        names = [value] if isinstance(value, str) else value
        pairs = list(names.items()) if isinstance(names, dict) else [(name, name) for name in names or ()]
        known = [one.name for one in self.columns]
        if not pairs or not all(isinstance(there, str) and there for _, there in pairs):
            self.refuse("consent", "consent: key names a column, several, or {column here: column there}.")
        for here, _ in pairs:
            if here not in known:
                self.refuse(
                    "consent", f"consent: '{str(here)[:40]}' is no column of this table.{nearest(str(here), known)}"
                )
        return tuple((str(here), str(there)) for here, there in pairs)


# Columns -----------------------------------------------------------------------------------------------------------


def _deidentified(document: Document, columns: Sequence[Column], place: Place) -> dict[str, Deidentified]:
    found: dict[str, Deidentified] = {}
    for index, entry in enumerate(document.data["schema"][0]["properties"]):
        for number, custom in enumerate(entry.get("customProperties", [])):
            if custom["property"] == "deidentified":
                here: Place = (*place, "properties", index, "customProperties", number)
                column = columns[index]
                found[column.name] = _read_deidentified(document, columns, column, custom["value"], here)
    return found


def _read_deidentified(
    document: Document, columns: Sequence[Column], column: Column, value: Any, place: Place
) -> Deidentified:
    def refuse(sentence: str) -> NoReturn:
        raise document.error(f"deidentified of '{column.name}': {sentence}", *place)

    said: dict[str, Any] = value if isinstance(value, dict) else {}
    ways: dict[str, DeidentifiedBy] = {word: word for word in get_args(DeidentifiedBy)}
    way = ways.get(str(said.get("by")))
    wanted = {"by", "reason", "leastRows", "countedBy"} if way == "aggregate" else {"by", "reason"}
    if way is None or set(said) != wanted:
        refuse(
            "write {by: hash, reason: …}, {by: generalise, reason: …} or {by: aggregate, leastRows: 20, countedBy:"
            " column, reason: …}."
        )
    reason = said["reason"]
    if not isinstance(reason, str) or not 0 < len(reason.strip()) <= _TEXT_LIMIT:
        refuse(f"reason must be a text of at most {_TEXT_LIMIT} characters.")
    if column.personal:
        refuse(f"the column is {column.classification} all the same. Make it internal, or leave this out.")
    if way != "aggregate":
        return Deidentified(by=way, reason=reason.strip())
    least, counted_by = said["leastRows"], said["countedBy"]
    if type(least) is not int or not _LEAST_GROUP <= least <= 10**9:
        refuse(f"leastRows must be a whole number from {_LEAST_GROUP} on.")
    counter = next((one for one in columns if one.name == counted_by), None)
    if counter is None or counter.logical_type != "integer":
        fit = [one.name for one in columns if one.logical_type == "integer"]
        refuse(
            f"countedBy '{str(counted_by)[:40]}' must be an integer column that counts the group's rows, for example"
            f" count(*).{nearest(str(counted_by), fit)}"
        )
    return Deidentified(by=way, reason=reason.strip(), least_rows=least, counted_by=counter.name)

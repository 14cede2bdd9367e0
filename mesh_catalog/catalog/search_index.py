"""The index that search reads: which words an asset is found by, and how much it is about each.

An asset's places (its name, its columns, its tags…) are folded into one number a word, its impact, so that a search
reads the heaviest assets of a word first and stops early, however many there are. Facets are words too: `domain:sales`.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

from sqlalchemy import Connection, delete, func, select

from mesh_catalog.catalog.store import among, insert_rows, insert_values
from mesh_catalog.catalog.tables import search_assets, search_parts, search_postings, search_typos, search_words
from mesh_catalog.catalog.words import letters_of, words

__all__ = [
    "FACETS",
    "AssetKind",
    "Entry",
    "Indexed",
    "drop_words",
    "facet_word",
    "index_assets",
    "index_words",
    "lock_index",
    "stored_entries",
    "typo_keys",
    "weigh_entry",
]

AssetKind = Literal["product", "model", "dashboard", "kpi", "term", "dataset"]
Field = Literal["name", "tag", "domain", "owner", "column", "description", "detail", "status", "classification"]
FACETS = ("kind", "domain", "owner", "tag", "classification", "status")
_WEIGHTS = {"name": 10.0, "tag": 6.0, "domain": 4.0, "owner": 4.0, "column": 5.0, "description": 3.0, "detail": 1.5}
_IMPACTS_A_WEIGHT = 20
_LOCK = 7_260_116
"""Key of PostgreSQL's advisory lock under which one process at a time adds to the index, as with SQLite anyway."""
_TYPO_LETTERS = 7
"""Only so many letters at a word's start are looked at; what comes after is compared in full anyway."""
_PART_LETTERS = 3


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A text to find an asset by; of a status and of a classification, a facet to narrow a search by."""

    field: Field
    label: str
    """What is shown when it matched, for example `column tx_amount`."""
    text: str


@dataclass(frozen=True, kw_only=True)
class Indexed:
    """An asset as search is to know it."""

    kind: AssetKind
    name: str
    entries: Sequence[Entry]
    weight: float = 1.0
    """Below one for what whoever searches seldom means, as datasets that the framework writes itself."""


def index_words(
    connection: Connection, kind: AssetKind, name: str, entries: Sequence[Entry], *, weight: float = 1.0
) -> None:
    """Replace the words that an asset is found by."""
    index_assets(connection, [Indexed(kind=kind, name=name, entries=entries, weight=weight)])


def index_assets(connection: Connection, assets: Sequence[Indexed]) -> None:
    """Replace the words that assets are found by; many at once cost less each."""
    lock_index(connection)
    renewed: dict[_Key, Indexed] = {(one.kind, one.name): one for one in assets}
    facets = {key: _facets(one) for key, one in renewed.items()}
    ids = _renew_assets(connection, renewed, facets)
    impacts = {key: _impacts(one, facets[key]) for key, one in renewed.items()}
    vocabulary = _word_ids(connection, {word for found in impacts.values() for word in found})
    rows = [(vocabulary[word], impact, ids[key]) for key, found in impacts.items() for word, impact in found.items()]
    insert_values(connection, search_postings, ("word_id", "impact", "asset_id"), sorted(rows))


def drop_words(connection: Connection, kind: AssetKind, name: str) -> None:
    """Forget an asset; the vocabulary stays."""
    a = search_assets.c
    lock_index(connection)
    found = connection.execute(select(a.id).where(a.name == name, a.kind == kind)).scalar()
    if found is not None:
        connection.execute(delete(search_postings).where(search_postings.c.asset_id == found))
        connection.execute(delete(search_assets).where(a.id == found))


def lock_index(connection: Connection) -> None:
    """Wait for whoever else is adding to the index; held until the transaction ends, so take it first."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))


def facet_word(facet: str, value: str) -> str:
    return f"{facet}:{value}"


def weigh_entry(field: str, text: str) -> dict[str, float]:
    """Words of an entry, and what each is worth there; a name's word is worth more where the name has few."""
    weight = _WEIGHTS.get(field, 0.0)
    found = words(text) if weight else []
    if field == "name" and found:
        weight *= 0.75 + 0.25 / len(found)
    return dict.fromkeys(found, weight)


def typo_keys(word: str, *, asked: bool = False) -> set[int]:
    """Keys of which words share one that are a typo or two apart; those of a query's word where it is `asked`.

    Empty for numbers and for words too short to forgive anything.
    """
    if word.isdecimal():
        return set()
    starts = [letters_of(word)]
    if not asked and not word.isascii():  # particles: 결제내역과 may be meant by 겔제
        starts += [letters_of(word[:count]) for count in (2, 3) if count < len(word)]
    return {zlib.crc32(text.encode()) >> 1 for start in starts for text in _cut_letters(start)}


def _cut_letters(letters: str) -> Iterator[str]:
    if len(letters) < 4:
        return
    start = letters[:_TYPO_LETTERS]
    for missing in range((1 if len(letters) < 8 else 2) + 1):
        for kept in combinations(start, len(start) - missing):
            yield "".join(kept)


def _impacts(asset: Indexed, facets: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """Word → impact: of its best place, and a little for the others. Facets weigh nothing."""
    best: dict[str, float] = {}
    total: dict[str, float] = {}
    for entry in asset.entries:
        for word, weight in weigh_entry(entry.field, entry.text).items():
            total[word] = total.get(word, 0.0) + weight
            if weight > best.get(word, 0.0):
                best[word] = weight
    found = {
        word: round((weight + min(0.1 * (total[word] - weight), weight)) * asset.weight * _IMPACTS_A_WEIGHT)
        for word, weight in best.items()
    }
    for facet, values in facets.items():
        found.update({facet_word(facet, value): 0 for value in values})
    return found


def _facets(asset: Indexed) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {"kind": [asset.kind]}
    for entry in asset.entries:
        if entry.field in FACETS and entry.text and entry.text not in found.setdefault(entry.field, []):
            found[entry.field].append(entry.text)
    return found


def stored_entries(asset: Indexed) -> list[list[str]]:
    """What an asset is found by, as it is kept with it."""
    return [[entry.field, entry.label, entry.text] for entry in asset.entries if entry.text]


_Key = tuple[AssetKind, str]


def _renew_assets(
    connection: Connection, assets: Mapping[_Key, Indexed], facets: Mapping[_Key, Mapping[str, Sequence[str]]]
) -> dict[_Key, int]:
    """Write the assets' own rows, without postings; returns their ids."""
    a = search_assets.c
    known = _asset_ids(connection, assets.keys())
    if known:
        connection.execute(
            delete(search_postings).where(among(connection, search_postings.c.asset_id, list(known.values())))
        )
    rows = {
        (kind, name): {
            "kind": kind,
            "name": name,
            "entries": stored_entries(one),
            "facets": facets[kind, name],
        }
        for (kind, name), one in assets.items()
    }
    fresh = [row for key, row in rows.items() if key not in known]
    insert_rows(connection, search_assets, fresh)
    for key, found in known.items():
        changed = search_assets.update().where(a.id == found)
        connection.execute(changed.values(entries=rows[key]["entries"], facets=rows[key]["facets"]))
    return _asset_ids(connection, assets.keys()) if fresh else known


def _asset_ids(connection: Connection, wanted: Collection[_Key]) -> dict[_Key, int]:
    a = search_assets.c
    query = select(a.kind, a.name, a.id).where(among(connection, a.name, sorted({name for _, name in wanted})))
    rows = connection.execute(query).tuples().all()
    ids: dict[tuple[str, str], int] = {(kind, name): found for kind, name, found in rows}
    return {key: ids[key] for key in wanted if key in ids}


def _word_ids(connection: Connection, wanted: set[str]) -> Mapping[str, int]:
    """Ids of words; those that are new join the vocabulary."""
    known = _known_words(connection, wanted)
    fresh = sorted(wanted - known.keys())
    if not fresh:
        return known
    insert_values(connection, search_words, ("word",), [(word,) for word in fresh])
    added = _known_words(connection, fresh)
    plain = {word: found for word, found in added.items() if ":" not in word}
    parts = sorted((part, found) for word, found in plain.items() for part in _parts(word))
    insert_values(connection, search_parts, ("part", "word_id"), parts)
    typos = sorted((key, found) for word, found in plain.items() for key in typo_keys(word))
    insert_values(connection, search_typos, ("key", "word_id"), typos)
    return known | added


def _known_words(connection: Connection, wanted: Iterable[str]) -> dict[str, int]:
    w = search_words.c
    query = select(w.word, w.id).where(among(connection, w.word, sorted(wanted)))
    return dict(connection.execute(query).tuples().all())


def _parts(word: str) -> list[str]:
    least = _PART_LETTERS if word.isascii() else 1
    return [word[start:] for start in range(1, len(word) - least + 1)]

"""Finding products, models, dashboards, KPIs, terms and datasets outside by words: ranked, forgiving a typo or two.

A query word finds its equals, words that begin with it, words that contain it (a Korean compound, a long name); only
where all that finds nothing does it find itself without a plural or a particle, and words that are a typo away. Rare
words weigh more; assets that match more of the query's words come first. Of a word that very many assets have, only
those are looked at that are most about it: their first thousands. The same on SQLite and PostgreSQL, in this order.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field

from sqlalchemy import Connection, RowMapping, func, select, union_all

from mesh_catalog.catalog.postings import (
    Posting,
    heaviest,
    impacts_of,
    word_ids,
    words_around,
    words_from,
    words_sharing,
)
from mesh_catalog.catalog.search_index import (
    FACETS,
    AssetKind,
    Entry,
    drop_words,
    facet_word,
    index_words,
    typo_keys,
    weigh_entry,
)
from mesh_catalog.catalog.store import Catalog, among, in_bytes
from mesh_catalog.catalog.tables import search_assets
from mesh_catalog.catalog.words import near_words, shortened, words
from mesh_catalog.errors import InputError, listed

__all__ = ["FACETS", "AssetKind", "Entry", "Found", "Hit", "drop_words", "find", "index_words", "search"]

_MEANT = 16
"""So many words of the vocabulary may be meant by one that was typed."""
_SPELT = 128
"""So many words that begin with one that was typed, and so many that contain it, are candidates for that."""
_LOOKED_AT = 2_000
"""So many assets of one word are looked at, the heaviest first; a word that more have counts as no rarer."""
_TO_NARROW = 5_000
"""The same, where a facet that many assets share narrows the search."""
_OTHERS = 300
"""Of words that are not the rarest of the query."""
_TIES = 500
_QUERY_WORDS = 16

_Meant = Mapping[int, tuple[float, str]]
"""Id of a word of the vocabulary → how close it is to the one typed, and how it is spelt."""


@dataclass(frozen=True, kw_only=True)
class Hit:
    """A product, a model, a dashboard, a KPI, a term, or a dataset outside the mesh that matches."""

    name: str
    kind: AssetKind
    domain: str | None
    """None for a term of the whole organisation, and for a dataset outside."""
    owner: str | None
    description: str | None
    score: float
    matched: tuple[str, ...]
    """Where the words were found, the best first."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """The answer to a search."""

    hits: tuple[Hit, ...]
    facets: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Facet → value → how many of the assets that were looked at have it, most frequent first."""
    whole: bool = True
    """False where more assets match than were looked at: then the counts are of the best ones."""


@dataclass(kw_only=True)
class _Word:
    """A word that was typed, and what was found for it."""

    meant: Mapping[int, float]
    """Id of a word of the vocabulary → how close it is to the one typed, up to 1."""
    texts: Mapping[str, float]
    scores: dict[int, float]
    """Asset → score."""
    cut: dict[int, Set[int]]
    """Id of a word of the vocabulary that more assets have than were looked at → those that were."""
    count: int
    """Assets that were looked at."""

    @property
    def whole(self) -> bool:
        return not self.cut

    def take(self, word: int, found: Iterable[Posting]) -> None:
        """Assets that have a word of the vocabulary, with the impact of each."""
        closeness, scores = self.meant[word], self.scores
        for impact, asset in found:
            score = impact * closeness
            if score >= scores.get(asset, 0.0):
                scores[asset] = score


def search(catalog: Catalog, text: str, *, limit: int = 20) -> list[Hit]:
    """The assets that match `text` best, best first; retired ones are left out."""
    return list(find(catalog, text, limit=limit).hits) if words(text) else []


def find(
    catalog: Catalog,
    text: str,
    *,
    limit: int = 20,
    where: Mapping[str, Collection[str]] | None = None,
    counts: bool = False,
) -> Found:
    """Search, narrowed by facets and with the counts of each.

    Args:
        text: Words; where there is none, everything that `where` leaves, by name.
        where: Facet → values of which an asset has one: kind, domain, owner, tag, classification, status. `personal`
            finds `personal?` too.
        counts: Count the facets of what was found.

    Raises:
        InputError: There is no such facet.
    """
    wanted = {facet: sorted(values) for facet, values in (where or {}).items() if values}
    if "classification" in wanted:  # what nobody has decided about counts as what it may be
        wanted["classification"] += [f"{value}?" for value in wanted["classification"]]
    if unknown := sorted(wanted.keys() - set(FACETS)):
        raise InputError(f"search: {listed(unknown)} is no facet. There are {', '.join(FACETS)}.")
    asked = words(text)[:_QUERY_WORDS]
    if limit < 1 or not (asked or wanted):
        return Found(hits=())
    with catalog.read() as connection:
        narrow = _facets(connection, wanted)
        reach = _TO_NARROW if any(not one.whole for one in narrow) else _LOOKED_AT
        typed = _typed(connection, asked, reach)
        pool = _pool(connection, typed, narrow)
        scores = _scores(connection, typed, pool)
        rows = _best(connection, scores, limit)
        hits = tuple(_hit(row, scores[row["id"]], typed) for row in rows)
        told = _count_facets(connection, sorted(scores, key=lambda one: -scores[one])[:_LOOKED_AT]) if counts else {}
    whole = all(one.whole for one in typed) if typed else any(one.whole for one in narrow)
    return Found(hits=hits, facets=told, whole=whole)


def _facets(connection: Connection, wanted: Mapping[str, Sequence[str]]) -> list[_Word]:
    found = [word_ids(connection, [facet_word(facet, value) for value in values]) for facet, values in wanted.items()]
    return _listed(connection, [dict.fromkeys(ids, (1.0, "")) for ids in found], _LOOKED_AT)


def _typed(connection: Connection, asked: Sequence[str], reach: int) -> list[_Word]:
    """Everything that each typed word may mean, the surest reading that finds an asset."""
    if not asked:
        return []
    around = words_around(connection, asked, _SPELT)
    spelt = [
        {i: (_closeness(word, text), text) for i, text in found.items()}
        for word, found in zip(asked, around, strict=True)
    ]
    found = _listed(connection, spelt, reach)
    unknown = [index for index, one in enumerate(found) if not one.scores]
    maybe = _listed(connection, [_maybe(connection, asked[index]) for index in unknown], reach)
    for index, one in zip(unknown, maybe, strict=True):
        found[index] = one
    return found


def _maybe(connection: Connection, word: str) -> _Meant:
    """Words that are a typo away, and the word without a plural or a particle."""
    candidates = words_sharing(connection, typo_keys(word, asked=True))
    found = {candidates[text]: (0.6 * near, text) for text, near in near_words(word, candidates).items()}
    for shorter in shortened(word):
        if stems := words_from(connection, shorter, _SPELT):
            for i, text in stems.items():
                found[i] = max(found.get(i, (0.0, text)), (0.7 if text == shorter else 0.4, text))
            break
    return found


def _closeness(word: str, text: str) -> float:
    if text == word:
        return 1.0
    if text in (f"{word}s", f"{word}es"):
        return 0.97
    share = len(word) / len(text)
    return 0.6 + 0.3 * share if text.startswith(word) else 0.3 + 0.3 * share


def _listed(connection: Connection, meant: Sequence[_Meant], reach: int) -> list[_Word]:
    """The assets of the words that are meant, of each the heaviest first."""
    several = []
    wanted: dict[int, int] = {}
    for one in meant:
        chosen = sorted(one.items(), key=lambda item: (-item[1][0], item[1][1]))[:_MEANT]
        several.append(
            _Word(
                meant={i: closeness for i, (closeness, _) in chosen},
                texts={text: closeness for _, (closeness, text) in chosen},
                scores={},
                cut={},
                count=0,
            )
        )
        for i, _ in chosen:
            wanted[i] = max(wanted.get(i, _OTHERS), reach // len(chosen))
    found = heaviest(connection, wanted)
    for word in several:
        for i in word.meant:
            word.take(i, found[i])
            if len(found[i]) == wanted[i]:
                word.cut[i] = {asset for _, asset in found[i]}
        word.count = len(word.scores)
    return several


def _pool(connection: Connection, typed: Sequence[_Word], narrow: Sequence[_Word]) -> set[int]:
    """The assets to weigh."""
    exact = [one for one in narrow if one.whole]
    if exact:
        pool = set.intersection(*(set(one.scores) for one in exact))
        _learn(connection, [one for one in typed if not one.whole], pool)
    elif not typed:
        pool = set(min(narrow, key=lambda one: one.count).scores)
    else:
        rarest = min((one for one in typed if one.scores), key=lambda one: (not one.whole, one.count), default=typed[0])
        pool = set(rarest.scores)
        for one in typed:
            if one is not rarest:
                best = sorted(zip(one.scores.values(), one.scores, strict=True), reverse=True)
                pool.update(asset for _, asset in best[:_OTHERS])
        if len(typed) > 1:
            _learn(connection, [one for one in typed if not one.whole], pool)
    rest = [one for one in narrow if not one.whole]
    _learn(connection, rest, pool)
    for one in rest:
        pool &= one.scores.keys()
    if not typed:
        return pool
    return pool & set().union(*(one.scores for one in typed))


def _learn(connection: Connection, several: Sequence[_Word], pool: Set[int]) -> None:
    """Look up what assets have of the words whose lists were not read to their ends."""
    of: dict[int, list[_Word]] = {}
    unknown: dict[int, list[int]] = {}
    for one in several:
        for word, known in one.cut.items():
            of.setdefault(word, []).append(one)
            unknown[word] = sorted(pool - known)
    for word, rows in impacts_of(connection, unknown, pool).items():
        for one in of[word]:
            one.take(word, rows)


def _scores(connection: Connection, typed: Sequence[_Word], pool: Set[int]) -> dict[int, float]:
    """Of each asset: the sum over the query's words, by their rarity; the more of them match the better."""
    if not typed:
        return dict.fromkeys(pool, 0.0)
    assets = connection.execute(select(func.max(search_assets.c.id))).scalar() or 1
    rarity = [1.0 + math.log(max(assets / max(one.count, 1), 1.0)) for one in typed]
    if len(typed) == 1:
        return {asset: score * rarity[0] for asset, score in typed[0].scores.items() if asset in pool}
    total, matched = dict.fromkeys(pool, 0.0), dict.fromkeys(pool, 0)
    for one, rare in zip(typed, rarity, strict=True):
        for asset, score in one.scores.items():
            if asset in total:
                total[asset] += score * rare
                matched[asset] += 1
    return {asset: score * (matched[asset] / len(typed)) ** 2 for asset, score in total.items()}


def _best(connection: Connection, scores: Mapping[int, float], limit: int) -> list[RowMapping]:
    """The best assets' rows; among equals by name, and where many are equal those that were registered last."""
    if not scores:
        return []
    order = sorted(zip(scores.values(), scores, strict=True), reverse=True)
    edge = order[limit - 1][0] if len(order) >= limit else -1.0
    sure = [asset for score, asset in order[:limit] if score > edge]
    equal = [asset for score, asset in order[len(sure) : max(_TIES, limit)] if score == edge]
    a = search_assets.c
    rows = select(a.id, a.kind, a.name, a.entries)
    tied = rows.where(among(connection, a.id, equal)).order_by(in_bytes(connection, a.name)).limit(limit - len(sure))
    query = union_all(rows.where(among(connection, a.id, sure)), select(tied.subquery()))
    found = connection.execute(query).mappings()
    return sorted(found, key=lambda row: (-scores[row["id"]], row["name"], row["id"]))


def _hit(row: RowMapping, score: float, typed: Sequence[_Word]) -> Hit:
    first: dict[str, str] = {}
    for kind, _, text in row["entries"]:
        first.setdefault(kind, text)
    return Hit(
        name=row["name"],
        kind=row["kind"],
        domain=first.get("domain") or None,
        owner=first.get("owner"),
        description=first.get("description"),
        score=round(score / 20, 3),
        matched=_matched(row["entries"], typed),
    )


def _matched(entries: Iterable[Sequence[str]], typed: Sequence[_Word]) -> tuple[str, ...]:
    """The best place of each of the query's words, the heaviest first."""
    places: dict[str, dict[int, float]] = {}
    for kind, label, text in entries:
        weights = weigh_entry(kind, text)
        for index, one in enumerate(typed):
            worth = max((weights[word] * one.texts[word] for word in weights.keys() & one.texts.keys()), default=0.0)
            if worth:
                place = places.setdefault(label, {})
                place[index] = max(worth, place.get(index, 0.0))
    best = [
        min((-place[index], -len(place), label) for label, place in places.items() if index in place)
        for index in range(len(typed))
        if any(index in place for place in places.values())
    ]
    return tuple(dict.fromkeys(label for _, _, label in sorted(best)))


def _count_facets(connection: Connection, assets: Sequence[int]) -> dict[str, dict[str, int]]:
    counters: dict[str, Counter[str]] = {facet: Counter() for facet in FACETS}
    a = search_assets.c
    for facets in connection.execute(select(a.facets).where(among(connection, a.id, assets))).scalars():
        for facet, values in facets.items():
            counters[facet].update(values)
    return {
        facet: dict(sorted(counter.items(), key=lambda item: (-item[1], item[0])))
        for facet, counter in counters.items()
        if counter
    }

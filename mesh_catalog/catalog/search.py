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
from typing import get_args

from sqlalchemy import Connection, Integer, RowMapping, func, select, true

from mesh_catalog.catalog.arrays import array_of
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
from mesh_catalog.catalog.store import Catalog, among, value_list
from mesh_catalog.catalog.tables import search_assets, search_parts, search_postings, search_typos, search_words
from mesh_catalog.catalog.words import near_words, shortened, words
from mesh_catalog.errors import InputError, listed

__all__ = ["FACETS", "AssetKind", "Entry", "Found", "Hit", "drop_words", "find", "index_words", "search"]

_MEANT = 16
"""So many words of the vocabulary may be meant by one that was typed."""
_LOOKED_AT = 2_000
"""So many assets of one word are looked at, the heaviest first."""
_TO_NARROW = 5_000
"""The same, where a facet that many assets share narrows the search."""
_COUNTED = 5_000
"""A word that is in more assets than this counts as no rarer."""
_OTHERS = 300
"""Of words that are not the rarest of the query."""
_TIES = 500
_POINTS = 6
"""Of so few words a look an asset and word is faster than all words of each asset."""
_AFTER = "\U0010ffff"
"""Greater than any letter."""
_QUERY_WORDS = 16


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

    @property
    def whole(self) -> bool:
        return not self.cut

    def take(self, word: int, found: Iterable[tuple[int, int]]) -> None:
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
        InputError: There is no such facet, or no such kind.
    """
    wanted = {facet: sorted(values) for facet, values in (where or {}).items() if values}
    if "classification" in wanted:  # what nobody has decided about counts as what it may be
        wanted["classification"] += [f"{value}?" for value in wanted["classification"]]
    if unknown := sorted(wanted.keys() - set(FACETS)):
        raise InputError(f"search: {listed(unknown)} is no facet. There are {', '.join(FACETS)}.")
    if unknown := sorted(set(wanted.get("kind", ())) - set(get_args(AssetKind))):
        raise InputError(f"search: {listed(unknown)} is no kind. There are {', '.join(get_args(AssetKind))}.")
    asked = words(text)[:_QUERY_WORDS]
    if limit < 1 or not (asked or wanted):
        return Found(hits=())
    with catalog.read() as connection:
        narrow = [_facet(connection, facet, values) for facet, values in wanted.items()]
        reach = _TO_NARROW if any(not one.whole for one in narrow) else _LOOKED_AT
        typed = [_word(connection, word, reach) for word in asked]
        pool = _pool(connection, typed, narrow)
        scores = _scores(connection, typed, pool)
        rows = _best(connection, scores, limit)
        hits = tuple(_hit(row, scores[row["id"]], typed) for row in rows)
        told = _count_facets(connection, sorted(scores, key=lambda one: -scores[one])[:_LOOKED_AT]) if counts else {}
    whole = all(one.whole for one in typed) if typed else any(one.whole for one in narrow)
    return Found(hits=hits, facets=told, whole=whole)


def _facet(connection: Connection, facet: str, values: Sequence[str]) -> _Word:
    w = search_words.c
    query = select(w.id).where(among(connection, w.word, [facet_word(facet, value) for value in values]))
    return _listed(connection, dict.fromkeys(connection.execute(query).scalars(), (1.0, "")), _LOOKED_AT)


def _word(connection: Connection, word: str, reach: int) -> _Word:
    """Everything that a typed word may mean, the surest reading that finds an asset."""
    found = _listed(connection, _direct(connection, word), reach)
    if found.scores:
        return found
    maybe = _near(connection, word)
    for shorter in shortened(word):
        if stems := _prefixed(connection, shorter):
            for i, text in stems.items():
                maybe[i] = max(maybe.get(i, (0.0, text)), (0.7 if text == shorter else 0.4, text))
            break
    return _listed(connection, maybe, reach)


def _direct(connection: Connection, word: str) -> dict[int, tuple[float, str]]:
    """Words that equal, begin with or contain the one typed."""
    w, p = search_words.c, search_parts.c
    found = _prefixed(connection, word)
    inside = (
        select(w.id, w.word)
        .join(search_parts, p.word_id == w.id)
        .where(p.part >= word, p.part < word + _AFTER)
        .order_by(p.part, p.word_id)
        .limit(_MEANT * 8)
    )
    found |= dict(connection.execute(inside).tuples().all())
    return {i: (_closeness(word, text), text) for i, text in found.items()}


def _prefixed(connection: Connection, start: str) -> dict[int, str]:
    w = search_words.c
    query = select(w.id, w.word).where(w.word >= start, w.word < start + _AFTER).order_by(w.word).limit(_MEANT * 8)
    return {i: text for i, text in connection.execute(query) if ":" not in text}


def _near(connection: Connection, word: str) -> dict[int, tuple[float, str]]:
    w, t = search_words.c, search_typos.c
    keys = sorted(typo_keys(word, asked=True))
    if not keys:
        return {}
    query = select(w.id, w.word).join(search_typos, t.word_id == w.id).where(t.key.in_(keys)).distinct().limit(1_000)
    candidates = {text: i for i, text in connection.execute(query)}
    return {candidates[text]: (0.6 * near, text) for text, near in near_words(word, candidates).items()}


def _closeness(word: str, text: str) -> float:
    if text == word:
        return 1.0
    if text in (f"{word}s", f"{word}es"):
        return 0.97
    share = len(word) / len(text)
    return 0.6 + 0.3 * share if text.startswith(word) else 0.3 + 0.3 * share


def _listed(connection: Connection, meant: Mapping[int, tuple[float, str]], reach: int) -> _Word:
    """The assets of the words that are meant, of each the heaviest first."""
    chosen = sorted(meant.items(), key=lambda item: (-item[1][0], item[1][1]))[:_MEANT]
    word = _Word(
        meant={i: closeness for i, (closeness, _) in chosen},
        texts={text: closeness for _, (closeness, text) in chosen},
        scores={},
        cut={},
        count=0,
    )
    if not chosen:
        return word
    each = max(_OTHERS, reach // len(chosen))
    for found, rows in _postings(connection, list(word.meant), each).items():
        word.take(found, rows)
        if len(rows) == each:
            word.cut[found] = {asset for _, asset in rows}
    word.count = len(word.scores)
    return word


def _postings(connection: Connection, ids: list[int], each: int) -> dict[int, list[tuple[int, int]]]:
    """Of each word its heaviest assets: (impact, asset)."""
    p = search_postings.c
    found: dict[int, list[tuple[int, int]]] = {one: [] for one in ids}
    order = (p.impact.desc(), p.asset_id.desc())
    if connection.dialect.name == "postgresql":
        asked = value_list(connection, ids)
        best = select(p.impact, p.asset_id).where(p.word_id == asked.c.value).order_by(*order).limit(each).lateral()
        query = select(asked.c.value, best.c.impact, best.c.asset_id).select_from(asked.join(best, asked.c.value > 0))
        for word, impact, asset in connection.execute(query).all():
            found[word].append((impact, asset))
        return found
    for word in ids:
        one = select(p.impact, p.asset_id).where(p.word_id == word).order_by(*order).limit(each)
        found[word] = [(impact, asset) for impact, asset in connection.execute(one).all()]
    return found


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
                heaviest = sorted(zip(one.scores.values(), one.scores, strict=True), reverse=True)
                pool.update(asset for _, asset in heaviest[:_OTHERS])
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
    for word, rows in _impacts_of(connection, unknown, pool).items():
        for one in of[word]:
            one.take(word, rows)


def _impacts_of(
    connection: Connection, unknown: Mapping[int, Sequence[int]], pool: Set[int]
) -> dict[int, list[tuple[int, int]]]:
    """Of each word (impact, asset) for those of its assets that have it; of many words perhaps more of the pool's."""
    p = search_postings.c
    found: dict[int, list[tuple[int, int]]] = {word: [] for word in unknown}
    mine = select(p.word_id, p.impact, p.asset_id)
    pairs = [(asset, word) for word, assets in unknown.items() for asset in assets]
    if not pairs:
        return found
    if connection.dialect.name != "postgresql":
        query = mine.where(among(connection, p.asset_id, sorted(pool)), p.word_id.in_(sorted(unknown)))
    elif len(pairs) <= _POINTS * len(pool):  # it never reads all that a word has, which may be a million
        lists = [array_of(column, Integer()) for column in zip(*pairs, strict=True)]
        asked = func.unnest(*lists).table_valued("asset", "word", name="v").render_derived()
        each = mine.where(p.asset_id == asked.c.asset, p.word_id == asked.c.word).limit(1).lateral()
        query = select(each.c.word_id, each.c.impact, each.c.asset_id).select_from(asked.join(each, true()))
    else:
        some = value_list(connection, sorted(pool))
        words_of = mine.where(p.asset_id == some.c.value, (p.word_id + 0).in_(sorted(unknown)))
        each = words_of.limit(len(unknown)).lateral()
        query = select(each.c.word_id, each.c.impact, each.c.asset_id).select_from(some.join(each, true()))
    for word, impact, asset in connection.execute(query).tuples().all():
        found[word].append((impact, asset))
    return found


def _scores(connection: Connection, typed: Sequence[_Word], pool: Set[int]) -> dict[int, float]:
    """Of each asset: the sum over the query's words, by their rarity; the more of them match the better."""
    if not typed:
        return dict.fromkeys(pool, 0.0)
    assets = connection.execute(select(func.max(search_assets.c.id))).scalar() or 1
    rarity = [1.0 + math.log(max(assets / max(_count(connection, one), 1), 1.0)) for one in typed]
    if len(typed) == 1:
        return {asset: score * rarity[0] for asset, score in typed[0].scores.items() if asset in pool}
    total, matched = dict.fromkeys(pool, 0.0), dict.fromkeys(pool, 0)
    for one, rare in zip(typed, rarity, strict=True):
        for asset, score in one.scores.items():
            if asset in total:
                total[asset] += score * rare
                matched[asset] += 1
    return {asset: score * (matched[asset] / len(typed)) ** 2 for asset, score in total.items()}


def _count(connection: Connection, word: _Word) -> int:
    """In how many assets a word is, up to a bound."""
    if word.whole:
        return word.count
    p = search_postings.c
    some = select(p.asset_id).where(p.word_id == next(iter(word.meant))).limit(_COUNTED).subquery()
    return max(word.count, connection.execute(select(func.count()).select_from(some)).scalar_one())


def _best(connection: Connection, scores: Mapping[int, float], limit: int) -> list[RowMapping]:
    """The best assets' rows; among equals by name, and where many are equal those that were registered last."""
    if not scores:
        return []
    order = sorted(zip(scores.values(), scores, strict=True), reverse=True)
    edge = order[limit - 1][0] if len(order) >= limit else -1.0
    chosen = [asset for score, asset in order[: max(_TIES, limit)] if score >= edge]
    a = search_assets.c
    names = select(a.id, a.name).where(among(connection, a.id, chosen))
    ranked = sorted((-scores[found], name, found) for found, name in connection.execute(names))
    place = {found: index for index, (_, _, found) in enumerate(ranked[:limit])}
    query = select(a.id, a.kind, a.name, a.entries).where(among(connection, a.id, list(place)))
    return sorted(connection.execute(query).mappings(), key=lambda row: place[row["id"]])


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

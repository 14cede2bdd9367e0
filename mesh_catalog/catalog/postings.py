"""What search reads: the vocabulary, and of each word the assets that have it, with the impact of each.

Each function answers for all the words of a query, since on PostgreSQL a trip to the server costs more than a look at
an index, and a row more than a number in an array: one statement, and one row a word. SQLite, which is in this
process, is asked word by word.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from functools import cache

from sqlalchemy import (
    BindParameter,
    CompoundSelect,
    Connection,
    TextClause,
    bindparam,
    literal,
    select,
    text,
    union_all,
)

from mesh_catalog.catalog.arrays import array_text
from mesh_catalog.catalog.store import among
from mesh_catalog.catalog.tables import search_parts, search_postings, search_typos, search_words

__all__ = ["Posting", "heaviest", "impacts_of", "word_ids", "words_around", "words_from", "words_sharing"]

Posting = tuple[int, int]
"""(impact, asset)."""
_AFTER = "\U0010ffff"
"""Greater than any letter."""
_POINTS = 6
"""Of so few words a look an asset and word is faster than all words of each asset."""
_CANDIDATES = 1_000

_HEAVIEST = text("""
    SELECT v.word, h.impacts, h.assets
    FROM unnest(CAST(:words AS integer[]), CAST(:counts AS integer[])) AS v (word, count)
    CROSS JOIN LATERAL (
        SELECT array_agg(b.impact) AS impacts, array_agg(b.asset_id) AS assets
        FROM (
            SELECT impact, asset_id FROM search_postings WHERE word_id = v.word
            ORDER BY impact DESC, asset_id DESC LIMIT v.count
        ) AS b
    ) AS h""")
_PAIRS = text("""
    SELECT p.word_id, array_agg(p.impact), array_agg(p.asset_id)
    FROM unnest(CAST(:words AS integer[]), CAST(:assets AS integer[])) AS v (word, asset)
    CROSS JOIN LATERAL (
        SELECT word_id, impact, asset_id FROM search_postings
        WHERE asset_id = v.asset AND word_id = v.word LIMIT 1
    ) AS p
    GROUP BY p.word_id""")
_ALL_WORDS = text("""
    SELECT p.word_id, array_agg(p.impact), array_agg(p.asset_id)
    FROM unnest(CAST(:assets AS integer[])) AS v (asset)
    CROSS JOIN LATERAL (
        SELECT word_id, impact, asset_id FROM search_postings
        WHERE asset_id = v.asset AND word_id + 0 = ANY(CAST(:words AS integer[])) LIMIT :count
    ) AS p
    GROUP BY p.word_id""")


def word_ids(connection: Connection, words: Sequence[str]) -> list[int]:
    """Ids of those words that are in the vocabulary."""
    w = search_words.c
    return list(connection.execute(select(w.id).where(among(connection, w.word, words))).scalars())


def words_around(connection: Connection, parts: Sequence[str], limit: int) -> list[dict[int, str]]:
    """Of each text the words that begin with it, and the words that contain it: id → word, up to so many of each."""
    found: list[dict[int, str]] = [{} for _ in parts]
    asked = {f"from{index}": part for index, part in enumerate(parts)}
    asked |= {f"to{index}": part + _AFTER for index, part in enumerate(parts)}
    for index, word, spelt in connection.execute(_around(len(parts)), {**asked, "most": limit}).tuples():
        found[index][word] = spelt
    return found


@cache
def _around(count: int) -> CompoundSelect[int, int, str]:
    w, p = search_words.c, search_parts.c
    most: BindParameter[int] = bindparam("most")
    several = []
    for index in range(count):
        start: BindParameter[str] = bindparam(f"from{index}")
        end: BindParameter[str] = bindparam(f"to{index}")
        begin = select(w.id, w.word).where(w.word >= start, w.word < end).order_by(w.word).limit(most).subquery()
        inside = (
            select(w.id, w.word)
            .join(search_parts, p.word_id == w.id)
            .where(p.part >= start, p.part < end)
            .order_by(p.part, p.word_id)
            .limit(most)
            .subquery()
        )
        plain = select(literal(index), begin.c.id, begin.c.word).where(begin.c.word.not_like("%:%"))
        several += [plain, select(literal(index), inside.c.id, inside.c.word)]
    return union_all(*several)


def words_from(connection: Connection, start: str, limit: int) -> dict[int, str]:
    """Words that begin so: id → word."""
    w = search_words.c
    query = select(w.id, w.word).where(w.word >= start, w.word < start + _AFTER).order_by(w.word).limit(limit)
    return {word: spelt for word, spelt in connection.execute(query) if ":" not in spelt}


def words_sharing(connection: Connection, keys: Collection[int]) -> dict[str, int]:
    """Words that have one of these keys of typos: word → id."""
    w, t = search_words.c, search_typos.c
    if not keys:
        return {}
    near = select(w.id, w.word).join(search_typos, t.word_id == w.id).where(t.key.in_(sorted(keys)))
    return {spelt: word for word, spelt in connection.execute(near.distinct().limit(_CANDIDATES))}


def heaviest(connection: Connection, wanted: Mapping[int, int]) -> dict[int, list[Posting]]:
    """Of each word up to so many of its assets: those with the greatest impact."""
    if not wanted:
        return {}
    if connection.dialect.name == "postgresql":
        asked = {"words": array_text(list(wanted)), "counts": array_text(list(wanted.values()))}
        return _unpacked(connection, _HEAVIEST, asked)
    p = search_postings.c
    found = {}
    for word, count in wanted.items():
        query = select(p.impact, p.asset_id).where(p.word_id == word)
        query = query.order_by(p.impact.desc(), p.asset_id.desc()).limit(count)
        found[word] = list(connection.execute(query).tuples().all())
    return found


def impacts_of(
    connection: Connection, unknown: Mapping[int, Sequence[int]], pool: Set[int]
) -> dict[int, list[Posting]]:
    """Of each word those of its assets that have it; of many words perhaps more of the pool's.

    Args:
        unknown: Word → assets to look at.
        pool: All these assets, and others.
    """
    pairs = sorted((asset, word) for word, assets in unknown.items() for asset in assets)
    if not pairs:
        return {}
    if connection.dialect.name != "postgresql":
        p = search_postings.c
        query = select(p.word_id, p.impact, p.asset_id)
        query = query.where(among(connection, p.asset_id, sorted(pool)), p.word_id.in_(sorted(unknown)))
        found: dict[int, list[Posting]] = {}
        for word, impact, asset in connection.execute(query).tuples():
            found.setdefault(word, []).append((impact, asset))
        return found
    if len(pairs) <= _POINTS * len(pool):  # it never reads all that a word has, which may be a million
        assets, words = zip(*pairs, strict=True)
        return _unpacked(connection, _PAIRS, {"words": array_text(words), "assets": array_text(assets)})
    several = {"assets": array_text(sorted(pool)), "words": array_text(sorted(unknown)), "count": len(unknown)}
    return _unpacked(connection, _ALL_WORDS, several)


def _unpacked(connection: Connection, query: TextClause, asked: Mapping[str, object]) -> dict[int, list[Posting]]:
    rows: Iterable[tuple[int, list[int] | None, list[int] | None]]
    rows = connection.execute(query, asked).tuples()
    return {word: list(zip(impacts or (), assets or (), strict=True)) for word, impacts, assets in rows}

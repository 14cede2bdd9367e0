"""Tables to find assets by: an inverted index with the heaviest places first, and the vocabulary to forgive typos by.

The order of letters decides about prefixes, so words compare byte by byte on both databases.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, Column, Index, Named, SmallInteger, String, Table, TypedColumns, UniqueConstraint

from mesh_catalog.catalog.tables.base import Counted, metadata

__all__ = ["search_assets", "search_parts", "search_postings", "search_typos", "search_words"]

_Word = String().with_variant(String(collation="C"), "postgresql")


class _SearchWords(TypedColumns):
    id: Named[int] = Column(Counted, primary_key=True)
    word = Column(_Word, unique=True, nullable=False)
    """A word, or a facet's value as `facet:value`."""


class _SearchParts(TypedColumns):
    part = Column(_Word, primary_key=True)
    """A word without its first letters: what a part of it is found by."""
    word_id: Named[int] = Column(primary_key=True, autoincrement=False)


class _SearchTypos(TypedColumns):
    key: Named[int] = Column(primary_key=True, autoincrement=False)
    """Of a word without a letter or two: two words that are a typo apart share one."""
    word_id: Named[int] = Column(primary_key=True, autoincrement=False)


class _SearchAssets(TypedColumns):
    id: Named[int] = Column(Counted, primary_key=True)
    kind: Named[str]
    name: Named[str]
    entries: Named[list[list[str]]] = Column(JSON)
    """What it is found by: field, label, text."""
    facets: Named[dict[str, Any]] = Column(JSON)


class _SearchPostings(TypedColumns):
    word_id: Named[int] = Column(primary_key=True, autoincrement=False)
    impact: Named[int] = Column(SmallInteger, primary_key=True, autoincrement=False)
    """How much the asset is about the word."""
    asset_id: Named[int] = Column(primary_key=True, autoincrement=False)


search_words = Table("search_words", metadata, _SearchWords)
search_parts = Table("search_parts", metadata, _SearchParts, sqlite_with_rowid=False)
search_typos = Table("search_typos", metadata, _SearchTypos, sqlite_with_rowid=False)
search_assets = Table("search_assets", metadata, _SearchAssets, UniqueConstraint("name", "kind"))
search_postings = Table(
    "search_postings",
    metadata,
    _SearchPostings,
    Index(None, "asset_id", "word_id", "impact"),
    sqlite_with_rowid=False,
)

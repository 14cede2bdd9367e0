"""Words of a text, for searching: any script, no stop words, and how near two words are.

Pure. A word is a run of letters and digits, case folded and composed, so that Hangul typed on a Mac matches. Names are
cut at `_`, `.` and `-`. Nearness counts Hangul by its letters (jamo): a wrong vowel is one typo, not a wrong syllable.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable

__all__ = ["letters_of", "near_words", "nearness", "shortened", "words"]

_WORD = re.compile(r"[^\W_]+")
_LENGTH_LIMIT = 64
_NEAR = 0.75
_PREFIX = 0.9


def words(text: str) -> list[str]:
    """The words of `text` in order, each once."""
    folded = text.lower() if text.isascii() else unicodedata.normalize("NFKC", text).casefold()
    found = _WORD.findall(folded)
    if len(folded) > _LENGTH_LIMIT:
        found = [word[:_LENGTH_LIMIT] for word in found]
    return list(dict.fromkeys(found))


def shortened(word: str) -> list[str]:
    """The word without its last letters: a plural, or a Korean particle, that the catalog does not write.

    Nearest first; nothing where too little would be left.
    """
    if _is_hangul(word):
        return [word[:-cut] for cut in (1, 2, 3) if len(word) - cut >= 2]
    return [word[:-cut] for cut in (1, 2, 3) if len(word) - cut >= 4]


def nearness(left: str, right: str) -> float:
    """1 for equal words, down to 0; 0 where they differ by more than a typo or two."""
    return _nearness(letters_of(left), letters_of(right))


def near_words(word: str, vocabulary: Iterable[str]) -> dict[str, float]:
    """The vocabulary's words that `word` may have meant, with their nearness."""
    letters, hangul = letters_of(word), _is_hangul(word)
    found: dict[str, float] = {}
    for known in vocabulary:
        score = _nearness(letters, letters_of(known))
        if hangul:  # what follows may be a particle: 결제내역과 for 결제내역
            score = max(score, _PREFIX * _nearness(letters, letters_of(known[: len(word)])))
        if score > 0:
            found[known] = score
    return found


def letters_of(word: str) -> str:
    """What typos are counted in: letters, of Hangul its jamo."""
    return word if word.isascii() else unicodedata.normalize("NFD", word)


def _nearness(a: str, b: str) -> float:
    if a == b:
        return 1.0
    short = min(len(a), len(b))
    typos = 1 if short < 8 else 2
    if short < 4 or abs(len(a) - len(b)) > typos or len(set(a) - set(b)) > typos or _distance(a, b, typos) > typos:
        return 0.0
    return max(difflib.SequenceMatcher(None, a, b, autojunk=False).ratio(), _NEAR)


def _is_hangul(word: str) -> bool:
    return any("가" <= letter <= "힣" for letter in word)


def _distance(a: str, b: str, limit: int) -> int:
    """Edits between two words, a swap of neighbours being one; stops counting above `limit`."""
    before: list[int] = []
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, start=1):
        older, before, row = before, row, [i]
        for j, y in enumerate(b, start=1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and a[i - 2] == y:
                cost = min(cost, older[j - 2] + 1)
            row.append(cost)
        if min(row) > limit:
            return limit + 1
    return row[-1]

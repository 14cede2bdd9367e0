"""Regular expressions of contracts: the part that Java (Spark) and Python read alike, and that cannot run for ever.

A pattern holds where it is *found in* the value, as in JSON Schema and Spark's `rlike`; write ^ and $ for all of it.
The grammar is closed: literals, classes, groups, alternatives, quantifiers, look-ahead, anchors. No back-references.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

__all__ = ["check_pattern"]

_LENGTH_LIMIT: Final = 1_000
_REPEAT_LIMIT: Final = 1_000
_MANY: Final = 20
"""From so many rounds on, a repetition that may vary costs like one without end."""
_ESCAPES: Final = "dDwWsStnrf"
_GROUPS: Final = ("?:", "?=", "?!")
_QUANTIFIER = re.compile(r"(?:[*+?]|\{(\d{1,6})(,(\d{0,6}))?\})[?+]?")
_SAMPLE: Final = "".join(map(chr, range(256))) + "éЖ한字"


@dataclass(frozen=True, kw_only=True)
class _Piece:
    """One atom with its quantifier: its characters, its least length, whether it may repeat without end."""

    characters: frozenset[str]
    least: int
    endless: bool


def check_pattern(pattern: str) -> None:
    """Check a regular expression of a contract.

    Raises:
        ValueError: It does not compile, is read differently by Java and Python, or nests repetitions so that one value
            could keep a worker busy for ever. The message is a sentence.
    """
    if len(pattern) > _LENGTH_LIMIT:
        raise ValueError(f"is longer than {_LENGTH_LIMIT} characters.")
    reader = _Reader(pattern.removeprefix("(?i)"))
    reader.alternatives(0)
    if reader.at != len(reader.text):
        raise ValueError("has a ')' without a '('.")
    try:
        re.compile(pattern)
    except (re.error, RecursionError) as error:
        raise ValueError(f"is no regular expression: {error}.") from error


class _Reader:
    """Recursive descent over the closed grammar."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def _peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def alternatives(self, depth: int) -> list[list[_Piece]]:
        if depth > 20:
            raise ValueError("nests its groups more than 20 deep.")
        branches: list[list[_Piece]] = [[]]
        while (char := self._peek()) and char != ")":
            if char == "|":
                self.at += 1
                branches.append([])
                continue
            inner, characters = self._atom(depth)
            piece = self._quantified(inner, characters)
            branches[-1].append(piece)
        return branches

    def _atom(self, depth: int) -> tuple[list[list[_Piece]] | None, frozenset[str]]:
        """The branches of a group, or None; and the characters that the atom can take."""
        start, char = self.at, self._peek()
        if char == "(":
            return self._group(depth)
        if char == "[":
            self._class()
        elif char == "\\":
            self._escape(in_class=False)
        elif char in "^$":
            self.at += 1
            return [[]], frozenset()
        elif char in "*+?{}":
            raise ValueError(f"has a '{char}' that repeats nothing. Write \\{char} for the character itself.")
        else:
            self.at += 1
        return None, _taken(self.text[start : self.at])

    def _group(self, depth: int) -> tuple[list[list[_Piece]], frozenset[str]]:
        self.at += 1
        looks = False
        if self._peek() == "?":
            if not self.text.startswith(_GROUPS, self.at):
                raise ValueError(
                    "has a group that Java and Python read differently. Allowed: (…), (?:…), (?=…), (?!…)."
                )
            looks = self.text[self.at + 1] in "=!"
            self.at += 2
        branches = self.alternatives(depth + 1)
        if self._peek() != ")":
            raise ValueError("has a '(' without a ')'.")
        self.at += 1
        if looks:
            return [[]], frozenset()
        return branches, frozenset().union(*(piece.characters for branch in branches for piece in branch))

    def _class(self) -> None:
        self.at += 1
        if self._peek() == "^":
            self.at += 1
        first = True
        while (char := self._peek()) != "]" or first:
            if not char:
                raise ValueError("has a '[' without a ']'.")
            if char == "[" or (char == "]" and first) or self.text.startswith(("&&", "--", "~~", "||"), self.at):
                raise ValueError(f"has a '{char}' inside […] that Java and Python read differently. Write \\{char}.")
            if char == "\\":
                self._escape(in_class=True)
            else:
                self.at += 1
            first = False
        self.at += 1

    def _escape(self, *, in_class: bool) -> None:
        char = self.text[self.at + 1 : self.at + 2]
        hexadecimal = re.compile(r"\\(?:x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4})").match(self.text, self.at)
        if hexadecimal:
            self.at = hexadecimal.end()
        elif char and (char in _ESCAPES or (char.isascii() and not char.isalnum()) or (char in "bB" and not in_class)):
            self.at += 2
        else:
            raise ValueError(f"has '\\{char}', which Java and Python read differently or this project does not take.")

    def _quantified(self, inner: list[list[_Piece]] | None, characters: frozenset[str]) -> _Piece:
        match = _QUANTIFIER.match(self.text, self.at)
        least = 1 if inner is None else min(sum(piece.least for piece in branch) for branch in inner)
        endless = inner is not None and any(piece.endless for branch in inner for piece in branch)
        if match is None:
            if self._peek() == "{":
                raise ValueError("has a '{' that is no quantifier. Write \\{ for the character itself.")
            return _Piece(characters=characters, least=least, endless=endless)
        self.at = match.end()
        low, high = _bounds(match)
        unbounded = high is None or (high > low and high > _MANY)
        if inner is not None and (high is None or high > 1):
            _check_repeated(inner, unbounded=unbounded)
        return _Piece(characters=characters, least=least * low, endless=endless or unbounded)


def _taken(atom: str) -> frozenset[str]:
    if atom in ("\\b", "\\B"):
        return frozenset()
    try:
        found = re.compile(atom, re.DOTALL)
    except re.error as error:
        raise ValueError(f"is no regular expression: {error}.") from error
    return frozenset(char for char in _SAMPLE if found.fullmatch(char))


def _bounds(match: re.Match[str]) -> tuple[int, int | None]:
    """How often at least and at most; None for without end."""
    sign = match[0][0]
    if sign != "{":
        return (1 if sign == "+" else 0), (1 if sign == "?" else None)
    low = int(match[1])
    high = low if match[2] is None else (int(match[3]) if match[3] else None)
    if max(low, high or 0) > _REPEAT_LIMIT:
        raise ValueError(f"repeats more than {_REPEAT_LIMIT} times.")
    if high is not None and high < low:
        raise ValueError(f"has the quantifier {match[0]}, whose end is before its start.")
    return low, high


def _check_repeated(branches: Sequence[Sequence[_Piece]], *, unbounded: bool) -> None:
    """Refuse (a+)+ and its like: an endless part in a repeated group, with nothing certain to tell two rounds apart."""
    for branch in branches:
        for place, piece in enumerate(branch):
            if not piece.endless:
                continue
            others = [other for index, other in enumerate(branch) if index != place]
            if not any(other.least and not other.characters & piece.characters for other in others):
                raise ValueError(
                    "repeats a part that repeats itself, like (a+)+: one value could keep a worker busy for ever."
                    " Remove one of the two quantifiers."
                )
    if not unbounded:
        return
    if any(sum(piece.least for piece in branch) == 0 for branch in branches if branch):
        raise ValueError("repeats a group that may be empty, like (a*)*. Remove one of the two quantifiers.")
    firsts = [branch[0].characters for branch in branches if branch]
    for index, left in enumerate(firsts):
        if any(left & right for right in firsts[index + 1 :]) and any(len(branch) == 1 for branch in branches):
            raise ValueError("repeats alternatives that begin alike, like (a|a)*. Make them begin differently.")

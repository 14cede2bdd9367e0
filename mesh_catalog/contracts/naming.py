"""Names of columns as SQL takes them without quotes: lower-case ASCII, digits and `_`."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Final

__all__ = ["column_names"]

_LENGTH_LIMIT: Final = 60
_LETTERS: Final = (
    "g kk n d tt r m b pp s ss - j jj ch k t p h",
    "a ae ya yae eo e yeo ye o wa wae oe yo u wo we wi yu eu ui i",
    "- k k k n n n t l k m l l l p l m p p t t ng t t k t p t",
)
"""Revised Romanisation of Hangul's first, middle and last letters, in the order of Unicode's composed syllables."""


def column_names(originals: Sequence[str]) -> list[str]:
    """One name for each, all different: `CO(GT)` is co_gt, `customerID` customer_id, `고객 이메일` gogaek_imeil.

    What has no letter of Latin or Hangul is named by its place, column_3; a repeated name is numbered.
    """
    found: list[str] = []
    for place, original in enumerate(originals, start=1):
        name = _plain(original) or f"column_{place}"
        number, unique = 1, name
        while unique in found:
            number += 1
            unique = f"{name}_{number}"
        found.append(unique)
    return found


def _plain(original: str) -> str:
    text = "".join(_romanised(char) for char in unicodedata.normalize("NFC", original))
    text = unicodedata.normalize("NFKD", text.replace("ß", "ss").replace("ø", "o").replace("Ø", "O"))
    text = "".join(char for char in text if not unicodedata.combining(char))
    text = re.sub(r"(?<=[a-z0-9])(?=[A-Z][a-z])|(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", text)
    name = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")[:_LENGTH_LIMIT].rstrip("_")
    return f"c_{name}" if name[:1].isdigit() else name


def _romanised(char: str) -> str:
    code = ord(char) - 0xAC00
    if not 0 <= code < 11_172:
        return char
    places = code // 588, code % 588 // 28, code % 28
    parts = (letters.split()[place] for letters, place in zip(_LETTERS, places, strict=True))
    return "".join(part for part in parts if part != "-")

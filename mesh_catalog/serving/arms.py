"""Which version decides over an entity: a salted hash, the same in Spark and in Python.

An entity's text is each of its columns as `length:text`, joined; its number is the first 32 bits of the SHA-256 of salt
and text. It belongs to the challenger where the number lies under the challenger's share of all numbers: so an entity
stays in its arm as the share grows, and another salt makes other arms. An entity with an unknown part has no arm: the
champion decides.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyspark.sql import Column

__all__ = ["CHALLENGER", "CHAMPION", "arm_column", "arm_of", "can_be_hashed"]

CHAMPION, CHALLENGER = "champion", "challenger"
_NUMBERS = 2**32
_HASHED = ("string", "char", "varchar", "boolean", "tinyint", "smallint", "int", "bigint", "date", "decimal")


def can_be_hashed(spark_type: str) -> bool:
    """Whether a column of this type has one text everywhere; fractions and times have not."""
    return spark_type.split("(")[0] in _HASHED


def arm_of(entity: Mapping[str, Any], *, salt: str, share: float) -> str | None:
    """The arm of one entity: `champion`, `challenger`, or None where a part of it is unknown.

    Args:
        entity: Column → value, in the order of model.yaml's `entity`.
        share: The challenger's, 0..1.

    Raises:
        TypeError: A value of a type that has no one text.
    """
    if any(value is None for value in entity.values()):
        return None
    texts = [_text(value) for value in entity.values()]
    joined = "".join(f"{len(text)}:{text}" for text in texts)
    digest = hashlib.sha256(f"{salt}|{joined}".encode()).hexdigest()
    return CHALLENGER if int(digest[:8], 16) < _bound(share) else CHAMPION


def arm_column(entity: Sequence[str], *, salt: str, share: float) -> Column:
    """The arm of each row, as `arm_of` says it; null where a part of the entity is."""
    from pyspark.sql import functions as F

    texts = [F.col(f"`{name}`").cast("string") for name in entity]
    joined = F.concat(F.lit(f"{salt}|"), *(part for text in texts for part in (F.length(text), F.lit(":"), text)))
    number = F.conv(F.substring(F.sha2(joined, 256), 1, 8), 16, 10).cast("bigint")
    arm = F.when(number < F.lit(_bound(share)), CHALLENGER).otherwise(CHAMPION)
    return F.when(joined.isNotNull(), arm)


def _bound(share: float) -> int:
    return round(share * _NUMBERS)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, (str, int)):
        return str(value)
    if isinstance(value, date) and not isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no one text, so it cannot be hashed alike everywhere")

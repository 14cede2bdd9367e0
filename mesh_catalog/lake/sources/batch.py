"""What one publish takes from outside: the rows, where they came from, and which of them could not be read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, Observation

__all__ = ["BROKEN_METRIC", "SourceBatch"]

BROKEN_METRIC = "broken_source_rows"


def _nothing_changes() -> None:
    return


@dataclass(frozen=True, kw_only=True)
class SourceBatch:
    """Lazy: nothing is read until the batch is written."""

    frame: DataFrame
    """The rows that can be read."""
    origins: tuple[str, ...]
    """Where they came from, one text each: a file with size and time of change, a version of a table, a query. The
    catalog keeps them with the version, and a batch of later days leaves out what is among them."""
    observation: Observation | None = None
    """How many rows could not be read: metric BROKEN_METRIC. None where every row can."""
    broken_rows: Literal["refuse", "quarantine"] = "refuse"
    broken: DataFrame | None = None
    """Those rows: file, line (from 1; null where it is not known), reason, raw text. None where there can be none."""
    personal: bool = False
    """Whether a column of the source looks as if it told of people."""
    require_unchanged: Callable[[], None] = _nothing_changes
    """Raises ConflictError where a file has changed or gone since it was listed; called before the commit."""

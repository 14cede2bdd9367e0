"""Column lineage out of OpenLineage's Spark listener.

The listener writes one JSON event a line into a file. What a write emitted counts only where the write was committed:
a refused one emits COMPLETE too. Events name tables by location; here they become products again.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from mesh_catalog.catalog.edges import ColumnEdge

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["EventMark", "column_edges", "mark_events"]

_log = logging.getLogger(__name__)
_WAIT_SECONDS = 60
_UNKNOWN = "UNKNOWN"
_BY_CONDITION = 1
"""JOIN, FILTER, SORT…: the column decided about the rows, which says less than what became of its values."""
_STRENGTH = {_UNKNOWN: 0, "IDENTITY": 2, "TRANSFORMATION": 3, "AGGREGATION": 4}


class EventMark:
    """A place in the listener's file: events after it are of the write that follows."""

    def __init__(self, path: Path, offset: int) -> None:
        self.path = path
        self.offset = offset


def mark_events(path: Path) -> EventMark:
    return EventMark(path, path.stat().st_size if path.exists() else 0)


def column_edges(
    spark: SparkSession, mark: EventMark, *, product: str, outputs: Sequence[str], inputs: Mapping[str, str]
) -> list[ColumnEdge]:
    """The column edges of the write that was committed since the mark.

    Args:
        product: The product written.
        outputs: The folders that its rows were written to, or into a folder of: its table, and where they were staged.
        inputs: Location → product, for every input that was read.
    """
    from py4j.protocol import Py4JJavaError

    jvm_context: Any = spark._jsc.sc()
    try:
        jvm_context.listenerBus().waitUntilEmpty(_WAIT_SECONDS * 1000)
    except Py4JJavaError:  # it throws where other publishers of this session keep the listener busy
        _log.warning("%s: Spark's listeners are still busy; columns may be missing in the lineage of this run", product)
    folders = {_path(folder) for folder in outputs}
    names = {_path(place): name for place, name in inputs.items()}
    found: dict[tuple[str, str, str], ColumnEdge] = {}
    for event in _events(mark):
        for dataset in event.get("outputs", ()) if event.get("eventType") == "COMPLETE" else ():
            path = _path(dataset["name"])
            if path in folders or path.rpartition("/")[0] in folders:
                for edge in _dataset_edges(dataset, product, names):
                    key = (edge.from_product, edge.from_column, edge.to_column)
                    found[key] = max(found.get(key, edge), edge, key=lambda one: _strength(one.kind))
    return list(found.values())


def _events(mark: EventMark) -> Iterator[dict[str, Any]]:
    if not mark.path.exists():
        return
    with mark.path.open("rb") as file:
        file.seek(mark.offset)
        for line in file:
            if line.endswith(b"\n"):
                yield json.loads(line)


def _dataset_edges(dataset: Mapping[str, Any], product: str, names: Mapping[str, str]) -> Iterator[ColumnEdge]:
    fields = dataset.get("facets", {}).get("columnLineage", {}).get("fields", {})
    for column, lineage in fields.items():
        for source in lineage.get("inputFields", ()):
            origin = names.get(_path(source["name"]))
            if origin is not None and origin != product and not column.startswith("_mesh_"):
                yield ColumnEdge(
                    from_product=origin,
                    from_column=source["field"],
                    to_product=product,
                    to_column=column,
                    kind=_strongest(source.get("transformations", ())),
                )


def _strongest(steps: Sequence[Mapping[str, Any]]) -> str:
    """What was done to a column, of all that was done on its way the furthest from the value itself."""
    kinds = [str(step.get("subtype") or step.get("type") or _UNKNOWN) for step in steps]
    return max(kinds, key=_strength, default=_UNKNOWN)


def _strength(kind: str) -> int:
    return _STRENGTH.get(kind, _BY_CONDITION)


def _path(location: str) -> str:
    """A location without scheme and closing slash: the listener and the settings write them differently."""
    split = urlsplit(location)
    return unquote(f"{split.netloc}{split.path}").rstrip("/") if split.scheme else location.rstrip("/")

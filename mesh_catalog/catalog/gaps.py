"""What the catalog knows that it does not know of lineage, each as a phrase that follows "It leads to".

A run that began and never ended may have written; a transform that Spark's plan cannot look into hides which columns
it made of which.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Connection, func, select

from mesh_catalog.catalog.openlineage.events import RUN_STATES
from mesh_catalog.catalog.openlineage.naming import is_outside
from mesh_catalog.catalog.tables import models, openlineage_datasets, openlineage_flows, openlineage_runs
from mesh_catalog.errors import StorageError

if TYPE_CHECKING:
    from mesh_catalog.catalog.lineage import ColumnLink, Direction, Link

__all__ = ["Gap", "IncompleteLineageError", "hidden_columns", "unfinished_runs"]

_ENDED = RUN_STATES.index("ABORT")


class IncompleteLineageError(StorageError):
    """A part of the lineage is known to be missing."""


@dataclass(frozen=True, kw_only=True)
class Gap:
    """Something that is missing between `sources` and `target`; where both are empty, anywhere."""

    text: str
    sources: tuple[str, ...] = ()
    target: str | None = None


def unfinished_runs(connection: Connection, keys: Iterable[tuple[str, str]], direction: Direction) -> list[Gap]:
    """Runs outside that touched one of these datasets and have not ended, where no later run of their job has."""
    names = {name for kind, name in keys if kind in ("dataset", "product")}
    d, f, r = openlineage_datasets.c, openlineage_flows.c, openlineage_runs.c
    end = f.to_name if direction == "upstream" else f.from_name
    found: dict[tuple[str, str], Gap] = {}
    query = (  # they are few, however many datasets there are
        select(r.run_id, r.job, r.started_at, d.canonical)
        .join(openlineage_flows, (f.run_id == r.run_id) & (f.job == r.job))
        .join(openlineage_datasets, d.name == end)
        .where(r.state < _ENDED, r.streaming.is_(False))
    )
    for run, job, started_at, name in connection.execute(query):
        if name not in names:
            continue
        later = select(func.count()).where(r.job == job, r.state >= _ENDED, r.started_at > started_at)
        if not connection.execute(later).scalar():
            verb = "writes" if direction == "upstream" else "reads"
            text = f"run {run} of {job}, which {verb} {name} and has not ended"
            found[run, job] = Gap(text=text, sources=(name,), target=name)
    return [found[key] for key in sorted(found)]


def hidden_columns(connection: Connection, links: Sequence[Link], columns: Sequence[ColumnLink]) -> list[Gap]:
    """Tables that came from others without anybody having seen which of their columns from which.

    What a model was trained on and what it predicts, in a rollout too, is not among them: their contracts say it.
    """
    m = models.c
    names = connection.execute(select(m.name, m.training_name, m.predictions_name))
    of_models = {one for name, *datasets in names for one in (*datasets, f"{name}__shadow")}
    seen: dict[str, set[str]] = defaultdict(set)
    for column in columns:
        seen[column.to_product].add(column.from_product)
    unknown: set[Gap] = set()
    sources: dict[str, set[str]] = defaultdict(set)
    for link in links:
        if link.source[0] in ("product", "dataset") and link.target[0] == "job":
            sources[link.target[1]].add(link.source[1])
    for link in links:
        (kind, source), (target_kind, target) = link.source, link.target
        if target_kind not in ("product", "dataset") or link.planned or target in of_models:
            continue
        if kind == "job" and sources[source] and not seen[target]:
            text = f"columns of {target}, which job {source} made without telling from which"
            unknown.add(Gap(text=text, sources=tuple(sorted(sources[source])), target=target))
        elif kind == "product" and source not in (target, *seen[target]) and not is_outside(target):
            text = f"columns of {target}, whose transform hides which of {source} they came from"
            unknown.add(Gap(text=text, sources=(source,), target=target))
    return sorted(unknown, key=lambda gap: gap.text)

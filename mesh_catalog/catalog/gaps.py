"""What the catalog knows that it does not know of lineage, each as a phrase that follows "It leads to".

A run that began and never ended may have written; a transform that Spark's plan cannot look into hides which columns
it made of which.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from sqlalchemy import Connection, func, select

from mesh_catalog.catalog.edges import SOURCE
from mesh_catalog.catalog.openlineage.events import ALL_COLUMNS, RUN_STATES
from mesh_catalog.catalog.openlineage.naming import is_outside
from mesh_catalog.catalog.store import among
from mesh_catalog.catalog.tables import (
    contract_columns,
    models,
    openlineage_datasets,
    openlineage_flows,
    openlineage_runs,
)
from mesh_catalog.errors import StorageError

if TYPE_CHECKING:
    from mesh_catalog.catalog.links import ColumnLink, Direction, Link

__all__ = [
    "Gap",
    "GapKind",
    "IncompleteLineageError",
    "hidden_columns",
    "incomplete",
    "stranger_columns",
    "strangers",
    "unfinished_runs",
]

GapKind = Literal["stranger", "unfinished", "hidden"]
"""Something that the catalog does not know; a run that has not ended; columns that a transform hides."""
_TOLD = 10

_ENDED = RUN_STATES.index("ABORT")


class IncompleteLineageError(StorageError):
    """A part of the lineage is known to be missing."""


@dataclass(frozen=True, kw_only=True)
class Gap:
    """Something that is missing between `sources` and `target`; where both are empty, anywhere."""

    kind: GapKind
    text: str
    sources: tuple[str, ...] = ()
    target: str | None = None


def strangers(keys: Iterable[tuple[str, str]]) -> list[Gap]:
    """Ends of links that are nodes of nothing that was ever registered."""
    return [
        Gap(kind="stranger", text=f"{kind} '{name}', which the catalog does not know") for kind, name in sorted(keys)
    ]


def incomplete(name: str, direction: Direction, gaps: Sequence[Gap]) -> IncompleteLineageError:
    told = "; ".join(gap.text for gap in gaps[:_TOLD]) + (
        f"; and {len(gaps) - _TOLD} more" if len(gaps) > _TOLD else ""
    )
    return IncompleteLineageError(
        f"{name}: its {direction} lineage is incomplete. It leads to {told}. Publish it, bring back the folder that "
        "declared it, or take what is known with --allow-incomplete."
    )


def unfinished_runs(connection: Connection, keys: Set[tuple[str, str]], direction: Direction) -> list[Gap]:
    """Runs outside that touched one of these datasets and have not ended, where no later run of their job has."""
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
        if not keys & {("dataset", name), ("product", name)}:
            continue
        later = select(func.count()).where(r.job == job, r.state >= _ENDED, r.started_at > started_at)
        if not connection.execute(later).scalar():
            verb = "writes" if direction == "upstream" else "reads"
            text = f"run {run} of {job}, which {verb} {name} and has not ended"
            found[run, job] = Gap(kind="unfinished", text=text, sources=(name,), target=name)
    return [found[key] for key in sorted(found)]


def stranger_columns(connection: Connection, links: Sequence[ColumnLink]) -> list[Gap]:
    """Ends of column links that no contract of their product has ever had."""
    ends = {(link.to_product, link.to_column) for link in links}
    ends |= {(link.from_product, link.from_column) for link in links if link.from_product != SOURCE}
    ends = {(name, column) for name, column in ends if not is_outside(name) and column != ALL_COLUMNS}
    known: dict[str, set[str]] = defaultdict(set)
    c = contract_columns.c
    of = {product for product, _ in ends}
    for product, column in connection.execute(
        select(c.product, c.name).where(among(connection, c.product, of)).distinct()
    ):
        known[product].add(column)
    names = sorted(f"{product}.{column}" for product, column in ends if column not in known[product])
    return [Gap(kind="stranger", text=f"column '{name}', which no contract has") for name in names]


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
            unknown.add(Gap(kind="hidden", text=text, sources=tuple(sorted(sources[source])), target=target))
        elif kind == "product" and source not in (target, *seen[target]) and not is_outside(target):
            text = f"columns of {target}, whose transform hides which of {source} they came from"
            unknown.add(Gap(kind="hidden", text=text, sources=(source,), target=target))
    return sorted(unknown, key=lambda gap: gap.text)

"""Who breaks when a dataset loses a column: those that read it, those that read what they make of it, and so on.

One search over consumers, wherever they are known from: what a workspace declares, or the catalog's lineage. What is
not known is never taken for "does not read": it may read any column, and says so. Likewise who breaks when a use is
allowed no more: those that make this use of it, or of what is made of it.

Pure: no Spark, no files, no clock.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from mesh_catalog.contracts.compatibility import Difference

__all__ = ["Consumer", "Origin", "Reader", "readers_of_changes", "readers_of_columns"]

Origin = tuple[str, str]
"""A dataset and one of its columns."""
_USES: Final = {"model": {"train", "score"}, "dashboard": {"analysis"}, "kpi": {"analysis"}}
"""What each kind of consumer does with rows; the others build."""


@dataclass(frozen=True, kw_only=True)
class Consumer:
    """Something that reads datasets: a product, a model, a dashboard, or the rules of a product's contract."""

    kind: str
    """`product`, `model`, `dashboard`, or `check of`."""
    name: str
    owner: str | None
    reads: Mapping[str, frozenset[str] | None]
    """Columns by dataset; None: it is not known which, so it may read any."""
    dataset: str | None = None
    """What it makes, under the name by which others read it."""
    columns: frozenset[str] = frozenset()
    """Of that dataset, where they are known."""
    makes: Mapping[str, frozenset[Origin]] | None = None
    """Each column of its dataset with those that its values come from; None: not known, so each may come from any."""
    mentions: frozenset[str] = frozenset()
    """Names that stand in its code, where it is not known what it reads."""


@dataclass(frozen=True, kw_only=True)
class Reader:
    """A consumer that a change of a dataset concerns."""

    kind: str
    name: str
    owner: str | None
    columns: tuple[str, ...]
    """Columns that it is known to read; empty where that is not known: then it may read any. Of the changed dataset
    where it reads that itself, of the last of `via` otherwise."""
    via: tuple[str, ...] = ()
    """The datasets between, the nearest to the changed one first."""
    lost: tuple[str, ...] = ()
    """Of the changed dataset, the columns on which it depends."""

    def __str__(self) -> str:
        read = f"reads {', '.join(self.columns)}" if self.columns else "may read any column"
        through = f" of {self.via[-1]}" if self.via else ""
        if self.via and self.lost:
            through += f", which comes from {', '.join(self.lost)}"
        if len(self.via) > 1:
            through += f" by {' and '.join(self.via[:-1])}"
        return f"{self.kind} {self.name} {read}{through} (owner {self.owner or 'nobody'})"


@dataclass(kw_only=True)
class _Loss:
    """Columns of a dataset that are gone, or that nobody can make any more."""

    dataset: str
    columns: dict[str, frozenset[str]] = field(default_factory=dict)
    """With the columns of the changed dataset that each depends on."""
    any_of: frozenset[str] | None = None
    """Not None: any column of it may be concerned, by these."""
    via: tuple[str, ...] = ()

    @property
    def all(self) -> frozenset[str]:
        """The columns of the changed dataset that any of it depends on."""
        return frozenset(self.any_of or ()).union(*self.columns.values())


class _Search:
    """What was found, and what was followed already, so that a circle ends."""

    def __init__(self) -> None:
        self.found: dict[tuple[str, str], Reader] = {}
        self._followed: dict[str, set[str]] = defaultdict(set)
        self._followed_whole: set[str] = set()

    def note(self, consumer: Consumer, loss: _Loss, hit: Mapping[str, frozenset[str]]) -> None:
        """A consumer is told by the first way to it; what it reads on that way is put together."""
        key = consumer.kind, consumer.name
        before = self.found.get(key)
        if before is not None and before.via != loss.via:
            return
        lost = frozenset[str]().union(*hit.values()) if hit else loss.all
        self.found[key] = Reader(
            kind=consumer.kind,
            name=consumer.name,
            owner=consumer.owner,
            columns=tuple(sorted({*hit, *(before.columns if before else ())})),
            via=loss.via,
            lost=tuple(sorted({*lost, *(before.lost if before else ())})),
        )

    def fresh(self, loss: _Loss | None) -> list[_Loss]:
        """The loss, where it tells of columns that were not followed before."""
        if loss is None:
            return []
        followed = self._followed[loss.dataset]
        new = bool(loss.columns.keys() - followed)
        followed.update(loss.columns)
        if loss.any_of is not None and loss.dataset not in self._followed_whole:
            self._followed_whole.add(loss.dataset)
            new = True
        return [loss] if new else []


def readers_of_changes(consumers: Iterable[Consumer], dataset: str, lost: Sequence[Difference]) -> tuple[Reader, ...]:
    """The consumers that breaking differences of a dataset concern, each once.

    Of a column those that depend on it; of a use that is allowed no more those that make it, however far downstream;
    of anything else of the table those that read the table itself.
    """
    known = tuple(consumers)
    uses = frozenset[str]().union(*(one.uses for one in lost))
    others = [one for one in lost if not one.uses]
    columns = {one.column for one in others if one.column is not None}
    whole = any(one.column is None for one in others)
    found = readers_of_columns(known, dataset, columns, whole=whole) if others else ()
    told = {(one.kind, one.name) for one in found}
    return (*found, *(one for one in _users(known, dataset, uses) if (one.kind, one.name) not in told))


def _users(consumers: Sequence[Consumer], dataset: str, uses: frozenset[str]) -> tuple[Reader, ...]:
    """The consumers that make one of these uses of a dataset or of what is made of it; analysis only of itself."""
    found: dict[tuple[str, str], Reader] = {}
    level: list[tuple[str, ...]] = [()] if uses else []
    seen = {dataset}
    while level:
        following: list[tuple[str, ...]] = []
        for via in level:
            source = via[-1] if via else dataset
            for consumer in sorted(consumers, key=lambda one: (one.kind, one.name)):
                if source not in consumer.reads:
                    continue
                if not uses.isdisjoint(_USES.get(consumer.kind, {"build"}) - ({"analysis"} if via else set())):
                    columns = tuple(sorted(consumer.reads[source] or ()))
                    reader = Reader(
                        kind=consumer.kind, name=consumer.name, owner=consumer.owner, columns=columns, via=via
                    )
                    found.setdefault((consumer.kind, consumer.name), reader)
                if consumer.dataset is not None and consumer.dataset not in seen:
                    seen.add(consumer.dataset)
                    following.append((*via, consumer.dataset))
        level = following
    return tuple(found.values())


def readers_of_columns(
    consumers: Iterable[Consumer], dataset: str, columns: Collection[str], *, whole: bool = False
) -> tuple[Reader, ...]:
    """The consumers that a change of columns concerns, nearest first, then by name; each once, by its shortest way.

    Args:
        columns: Those that readers lose. They are followed through every dataset made from them.
        whole: Whether everybody who reads the dataset itself is concerned, whatever they read of it.
    """
    by_dataset: dict[str, list[Consumer]] = defaultdict(list)
    for consumer in sorted(consumers, key=lambda one: (one.kind, one.name)):
        for name in consumer.reads.keys() - {consumer.dataset}:
            by_dataset[name].append(consumer)
    search = _Search()
    level = [_Loss(dataset=dataset, columns={name: frozenset((name,)) for name in columns})]
    while level:
        following: list[_Loss] = []
        for loss in level:
            for consumer in by_dataset.get(loss.dataset, ()):
                hit = _hit(consumer, loss)
                if hit is not None:
                    search.note(consumer, loss, hit)
                    following += search.fresh(_passed(consumer, loss, hit))
                elif whole and not loss.via:
                    search.note(consumer, loss, dict.fromkeys(consumer.reads[dataset] or (), frozenset()))
        level = following
    return tuple(search.found.values())


def _hit(consumer: Consumer, loss: _Loss) -> dict[str, frozenset[str]] | None:
    """What of the lost columns it reads, with what they depend on; empty where it may read any, None where none."""
    read = consumer.reads[loss.dataset]
    if read is None:
        return {name: by for name, by in loss.columns.items() if name in consumer.mentions}
    hit = {name: by for name, by in loss.columns.items() if name in read}
    if loss.any_of is not None:
        hit |= {name: hit.get(name, frozenset()) | loss.any_of for name in read}
    return hit or None


def _passed(consumer: Consumer, loss: _Loss, hit: Mapping[str, frozenset[str]]) -> _Loss | None:
    """What of its own dataset it makes from what it lost; None where nothing, or nothing that others read."""
    if consumer.dataset is None:
        return None
    passed = _Loss(dataset=consumer.dataset, via=(*loss.via, consumer.dataset))
    if consumer.makes is not None:
        for name, origins in consumer.makes.items():
            by = [hit[column] for dataset, column in origins if dataset == loss.dataset and column in hit]
            if not hit and any(dataset == loss.dataset for dataset, _ in origins):
                by = [loss.all]
            if by:
                passed.columns[name] = frozenset[str]().union(*by)
        return passed if passed.columns else None
    if hit or loss.any_of is not None or consumer.reads[loss.dataset] is not None:
        passed.any_of = frozenset[str]().union(*hit.values()) if hit else loss.all
        return passed
    passed.columns = {name: by for name, by in loss.columns.items() if name in consumer.columns}
    return passed if passed.columns else None

"""KPIs and dashboards that are near-equal: by what they mean, not by what they are called."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Final

from mesh_catalog.catalog.words import words

if TYPE_CHECKING:
    from mesh_catalog.specs import DashboardSpec, KpiSpec

__all__ = ["DefinitionPair", "dashboard_pairs", "kpi_pairs"]

_ALIKE: Final = 0.5
"""Share of words that titles of dashboards over the same products have in common."""


@dataclass(frozen=True, kw_only=True)
class DefinitionPair:
    original: str
    copy: str
    relation: str
    """`copy`, or `subset`: with more filters."""
    score: float
    evidence: tuple[str, ...]


def kpi_pairs(kpis: Sequence[KpiSpec], same_tables: Mapping[str, str]) -> Iterator[DefinitionPair]:
    """KPIs of one formula over one source, where neither says that it is the other.

    Args:
        same_tables: Product → the product that it duplicates: their KPIs are over one source.
    """
    groups: dict[tuple[str, str], list[KpiSpec]] = defaultdict(list)
    for kpi in sorted(kpis, key=lambda one: one.name):
        if kpi.same_as is None and kpi.formulas:
            formula = kpi.formulas[-1].canonical[0]
            groups[same_tables.get(kpi.source, kpi.source), formula].append(kpi)
    for group in groups.values():
        for one, other in combinations(group, 2):
            filters = frozenset(one.formulas[-1].canonical[1:]), frozenset(other.formulas[-1].canonical[1:])
            if filters[0] <= filters[1]:
                original, copy = one, other
            elif filters[1] < filters[0]:
                original, copy = other, one
            else:
                continue
            fewer = filters[0] != filters[1]
            evidence = [f"both are {original.formulas[-1].formula} over {original.source}"]
            evidence += [f"{copy.source} holds the same rows"] if copy.source != original.source else []
            evidence += ["one has more filters"] if fewer else []
            evidence += [f"by {original.grain} and by {copy.grain}"] if original.grain != copy.grain else []
            yield DefinitionPair(
                original=original.name,
                copy=copy.name,
                relation="subset" if fewer else "copy",
                score=1.0 - 0.2 * fewer - 0.1 * (original.grain != copy.grain),
                evidence=tuple(evidence),
            )


def dashboard_pairs(dashboards: Sequence[DashboardSpec], same_tables: Mapping[str, str]) -> Iterator[DefinitionPair]:
    """Dashboards at one address, or over the same products and with much the same words."""
    ordered = sorted(dashboards, key=lambda one: one.name)
    groups: dict[object, list[DashboardSpec]] = defaultdict(list)
    for one in ordered:
        groups[frozenset(same_tables.get(name, name) for name in one.reads)].append(one)
        if one.url:
            groups[_address(one.url)].append(one)
    seen = set()
    for key, group in groups.items():
        for one, other in combinations(group, 2):
            if (one.name, other.name) in seen:
                continue
            seen.add((one.name, other.name))
            one_url = one.url is not None and other.url is not None and _address(one.url) == _address(other.url)
            alike = _alike(one, other)
            if not one_url and (alike < _ALIKE or not isinstance(key, frozenset)):
                continue
            told = "one address" if one_url else f"the same products and {alike:.0%} of the words"
            yield DefinitionPair(
                original=one.name,
                copy=other.name,
                relation="copy",
                score=1.0 if one_url else round(0.5 + alike / 2, 3),
                evidence=(told,),
            )


def _address(url: str) -> str:
    return url.partition("#")[0].rstrip("/").casefold()


def _alike(one: DashboardSpec, other: DashboardSpec) -> float:
    told = [
        frozenset(words(" ".join(filter(None, (which.title or which.name.partition(".")[2], which.kind)))))
        for which in (one, other)
    ]
    return len(told[0] & told[1]) / len(told[0] | told[1]) if told[0] | told[1] else 0.0

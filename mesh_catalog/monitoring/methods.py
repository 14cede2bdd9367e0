"""Evidently's drift methods: their names, thresholds and directions, and which one a column gets by default.

As in Evidently 0.7.23, where each method has its own direction: p-values mean drift below the threshold, distances
above it, and some at the threshold itself. What a method computes is `scores.py`'s and `text_drift.py`'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from mesh_catalog.specs import DriftMethod, DriftType

__all__ = ["FEW_VALUES", "METHODS", "SMALL_ROWS", "Method", "default_method", "method_named"]

SMALL_ROWS = 1000
"""A reference of so many rows or fewer, cleaned, is judged by p-values, a larger one by distances."""
FEW_VALUES = 5
"""Of both sides together; so many or fewer numbers are judged as categories are."""


@dataclass(frozen=True, kw_only=True)
class Method:
    """A drift method of Evidently's."""

    key: DriftMethod
    """As it is configured."""
    name: str
    """As it is shown."""
    threshold: float
    """Its default."""
    drifts_when: Literal["<", "<=", ">=", ">"]
    types: tuple[DriftType, ...]
    ordered: bool = False
    """Whether the score depends on the order of the rows, so that counts of values do not tell it."""

    @property
    def is_p_value(self) -> bool:
        return self.drifts_when in ("<", "<=")

    def drifted(self, score: float, threshold: float | None = None) -> bool:
        limit = self.threshold if threshold is None else threshold
        return {"<": score < limit, "<=": score <= limit, ">=": score >= limit, ">": score > limit}[self.drifts_when]


def _table() -> tuple[Method, ...]:
    number: tuple[DriftType, ...] = ("numerical",)
    category: tuple[DriftType, ...] = ("categorical",)
    both: tuple[DriftType, ...] = ("numerical", "categorical")
    text: tuple[DriftType, ...] = ("text",)
    return (
        Method(key="chisquare", name="chi-square p_value", threshold=0.05, drifts_when="<", types=category),
        Method(key="z", name="Z-test p_value", threshold=0.05, drifts_when="<", types=category),
        Method(key="ks", name="K-S p_value", threshold=0.05, drifts_when="<=", types=number),
        Method(key="jensenshannon", name="Jensen-Shannon distance", threshold=0.1, drifts_when=">=", types=both),
        Method(key="wasserstein", name="Wasserstein distance (normed)", threshold=0.1, drifts_when=">=", types=number),
        Method(key="psi", name="PSI", threshold=0.1, drifts_when=">=", types=both),
        Method(key="kl_div", name="Kullback-Leibler divergence", threshold=0.1, drifts_when=">=", types=both),
        Method(key="hellinger", name="Hellinger distance", threshold=0.1, drifts_when=">=", types=both),
        Method(key="ed", name="Energy-distance", threshold=0.1, drifts_when=">", types=number),
        Method(key="anderson", name="Anderson-Darling", threshold=0.1, drifts_when="<", types=number),
        Method(key="cramer_von_mises", name="Cramer-von Mises", threshold=0.1, drifts_when="<=", types=number),
        Method(key="mannw", name="Mann-Whitney U-rank test", threshold=0.05, drifts_when="<", types=number),
        Method(key="es", name="Epps-Singleton", threshold=0.05, drifts_when="<", types=number),
        Method(key="t_test", name="t_test", threshold=0.05, drifts_when="<", types=number),
        Method(key="empirical_mmd", name="empirical_mmd", threshold=0.1, drifts_when="<", types=number),
        Method(key="fisher_exact", name="Fisher's Exact test", threshold=0.1, drifts_when="<", types=category),
        Method(key="g_test", name="g_test", threshold=0.1, drifts_when="<", types=category),
        Method(
            key="TVD", name="Total-Variation-Distance", threshold=0.1, drifts_when="<", types=category, ordered=True
        ),
        Method(
            key="perc_text_content_drift",
            name="Percentile text content drift",
            threshold=0.95,
            drifts_when=">",
            types=text,
            ordered=True,
        ),
        Method(
            key="abs_text_content_drift",
            name="Absolute text content drift",
            threshold=0.55,
            drifts_when=">",
            types=text,
            ordered=True,
        ),
    )


METHODS: Mapping[str, Method] = {method.name: method for method in _table()}
"""By the name that is shown."""
_BY_KEY = {method.key: method for method in METHODS.values()}


def method_named(key: DriftMethod) -> Method:
    """The method that is configured as `key`."""
    return _BY_KEY[key]


def default_method(type_: DriftType, *, rows: int, distinct: int) -> Method:
    """Evidently's choice.

    Args:
        rows: Of the cleaned reference.
        distinct: Values of both sides together; of no matter for text.
    """
    small = rows <= SMALL_ROWS
    if type_ == "text":
        return _BY_KEY["perc_text_content_drift" if small else "abs_text_content_drift"]
    few = type_ == "categorical" or distinct <= FEW_VALUES
    if not small:
        return _BY_KEY["jensenshannon" if few else "wasserstein"]
    if not few:
        return _BY_KEY["ks"]
    return _BY_KEY["chisquare" if distinct > 2 else "z"]

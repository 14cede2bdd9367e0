"""Quality of type `custom`: the engine `mesh` compares with the last version; other engines are named as not run. Pure.

- type: custom
  engine: mesh
  implementation: {metric: distribution, method: jensenshannon, mustBeLessThan: 0.1}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, get_args

from mesh_catalog.contracts.contract import Column, Distribution, DistributionMethod, Rule, Severity
from mesh_catalog.contracts.limits import OPERATORS, limit_text, read_value_limit
from mesh_catalog.contracts.types import is_numeric
from mesh_catalog.documents import Document, Place
from mesh_catalog.errors import listed, nearest

__all__ = ["custom_rule"]

_ENGINE: Final = "mesh"
_METRICS: Final = ("distribution",)
_METHODS: Final[tuple[DistributionMethod, ...]] = get_args(DistributionMethod)
_LIMITS: Final = ("mustBeLessThan", "mustBeLessOrEqualTo")


def custom_rule(
    document: Document, entry: Mapping[str, Any], column: Column | None, *, severity: Severity, place: Place
) -> Rule:
    """The rule of one custom entry; of kind `not_run` where another engine would run it.

    Raises:
        DocumentError: The engine is `mesh`, and its implementation is not of its grammar, or cannot be on this column.
    """
    owner = column.name if column else "table"
    engine = str(entry["engine"])
    if engine.lower() != _ENGINE:
        name = str(entry.get("name") or entry.get("description") or f"{owner}: check of {engine}")
        return Rule(
            id=f"{owner}.custom",
            kind="not_run",
            column=column.name if column else None,
            argument=f"it is a check of the engine '{engine[:40]}', which this project does not run",
            severity=severity,
            text=name[:200],
        )
    here: Place = (*place, "implementation")
    words = _words(document, entry["implementation"], here)
    if column is None:
        raise document.error("distribution speaks of a column. Move it under the column's `quality`.", *place)
    method = _method(document, words, column, here)
    limit = read_value_limit(document, words, "distribution", here)
    if limit.operator not in _LIMITS:
        raise document.error(
            f"a distance has an upper limit only. Write {' or '.join(_LIMITS)}.", *here, limit.operator
        )
    return Rule(
        id=f"{column.name}.distribution",
        kind="distribution",
        column=column.name,
        argument=Distribution(method=method),
        severity=severity,
        threshold=limit,
        text=f"{column.name} as in the last version ({method} {limit_text(limit).replace('fewer', 'less')})",
    )


def _words(document: Document, found: Any, place: Place) -> Mapping[str, Any]:
    if not isinstance(found, Mapping):
        raise document.error(
            "the implementation must be a mapping: {metric: distribution, method: psi, mustBeLessThan: 0.2}.", *place
        )
    known = ("metric", "method", *OPERATORS)
    for word in found:
        if word not in known:
            raise document.error(f"'{str(word)[:40]}' is not known here.{nearest(str(word), known)}", *place, word)
    if found.get("metric") not in _METRICS:
        raise document.error(
            f"the metric '{str(found.get('metric'))[:40]}' is not known. Allowed: {listed(_METRICS)}.", *place, "metric"
        )
    return found


def _method(document: Document, words: Mapping[str, Any], column: Column, place: Place) -> DistributionMethod:
    """The method that is written; Wasserstein for numbers and Jensen-Shannon for the rest where none is."""
    number = is_numeric(column.spark_type)
    if column.personal:
        raise document.error(
            f"'{column.name}' is personal: its values are in no profile, so there is nothing to compare."
            " Remove the rule.",
            *place,
        )
    if not (number or column.spark_type in ("string", "boolean")):
        raise document.error(
            f"'{column.name}' is {column.spark_type}; distributions of numbers, strings and booleans are compared.",
            *place,
        )
    method = words.get("method", "wasserstein" if number else "jensenshannon")
    if method not in _METHODS:
        raise document.error(
            f"the method '{str(method)[:40]}' is not known. Allowed: {listed(_METHODS)}.", *place, "method"
        )
    if method == "wasserstein" and not number:
        raise document.error(
            f"'{column.name}' is {column.spark_type}; wasserstein is for numbers. Write jensenshannon or psi.",
            *place,
            "method",
        )
    return method  # type: ignore[no-any-return]

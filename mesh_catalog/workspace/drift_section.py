"""`monitor.drift` of model.yaml: which drift methods and thresholds hold, for all columns, a type of them, or one.

drift: {method: psi, threshold: 0.2, correction: fdr, categorical: {method: chisquare},
        columns: {amount: {method: wasserstein, threshold: 0.1}}}
"""

from __future__ import annotations

from typing import Final, cast, get_args

from mesh_catalog.errors import nearest
from mesh_catalog.specs import DriftMethod, DriftSpec, DriftType, MethodChoice
from mesh_catalog.workspace.section import Section

__all__ = ["DRIFT_KEYS", "read_drift"]

_CHOICE: Final = ("method", "threshold")
_TYPES: Final = get_args(DriftType)
DRIFT_KEYS: Final = (*_CHOICE, "correction", *_TYPES, "columns")
"""What may stand under `drift`."""


def read_drift(section: Section) -> DriftSpec:
    """Read a section of DRIFT_KEYS.

    Raises:
        DocumentError: An unknown key, method or correction, or a threshold that is no positive number.
    """
    correction = section.choice("correction", ("fdr", "none"), default="none")
    names = section.data.get("columns")
    columns = section.section("columns", tuple(map(str, names)) if isinstance(names, dict) else ())
    return DriftSpec(
        every=_choice(section),
        types={cast("DriftType", name): _choice(section.section(name, _CHOICE)) for name in _TYPES if name in section},
        columns={name: _choice(columns.section(name, _CHOICE)) for name in columns.data},
        correction="fdr" if correction == "fdr" else None,
    )


def _choice(section: Section) -> MethodChoice:
    method = section.data.get("method")
    if method is not None and method not in get_args(DriftMethod):
        known = get_args(DriftMethod)
        near = nearest(str(method), known) or f" Allowed: {', '.join(known)}."
        raise section.error(f"method '{str(method)[:40]}' is not known.{near}", "method")
    if section.data.get("threshold") is None:
        return MethodChoice(method=method)
    return MethodChoice(method=method, threshold=section.number("threshold", least=0, most=1e9, default=0))

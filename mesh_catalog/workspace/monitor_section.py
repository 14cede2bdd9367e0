"""`monitor:` of model.yaml and monitor.yaml of a product: window, limits, slices, and what each monitor is asked.

monitor: {window: 7d, drift_share: 0.25, slices: [channel, {column: amount, edges: [0, 100]}],
          performance: {at_least: {roc_auc: 0.8}, labels: {share: 0.5}}, bias: {facets: [sex]}}
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from mesh_catalog.documents import read_document
from mesh_catalog.specs import (
    EXPECTED_COST,
    MONITOR_METRICS,
    AttributionSpec,
    BiasSpec,
    FacetSpec,
    MonitorSpec,
    OperationsSpec,
    PerformanceSpec,
    SliceSpec,
    Span,
)
from mesh_catalog.workspace.drift_section import DRIFT_KEYS, read_drift
from mesh_catalog.workspace.gate_section import read_limits
from mesh_catalog.workspace.paths import require_inside
from mesh_catalog.workspace.retrain_section import whole_number
from mesh_catalog.workspace.section import Section

__all__ = ["BIAS_METRICS", "MODEL_KEYS", "MONITOR_FILE", "read_monitor", "read_monitor_file"]

MONITOR_FILE: Final = "monitor.yaml"
_BOTH: Final = ("window", "drift_share", "drift", "slices", "operations")
_PRODUCT_KEYS: Final = (*_BOTH, "reference")
MODEL_KEYS: Final = (*_BOTH, "performance", "estimate", "bias", "attribution")
"""What may stand under `monitor` of a model."""
_METRICS: Final = (*(name for metrics in MONITOR_METRICS.values() for name in metrics), EXPECTED_COST)
BIAS_METRICS: Final = ("DPPL", "DI", "DPL", "AD", "RD", "SD", "DAR", "DRR")
"""SageMaker Clarify's names; RD is the equal opportunity difference, DPPL the demographic parity difference."""


def read_monitor(section: Section) -> MonitorSpec:
    """Read a section of MODEL_KEYS, or of those that a product knows.

    Raises:
        DocumentError: An unknown key, metric or slice, or a number out of its bounds.
    """
    default = MonitorSpec()
    window = section.duration("window")
    if window is not None and not window:
        raise section.error("window must be longer than nothing.", "window")
    return MonitorSpec(
        window=window or default.window,
        drift_share=section.number("drift_share", least=0, most=1, default=default.drift_share),
        drift=read_drift(section.section("drift", DRIFT_KEYS)),
        reference=_reference(section),
        slices=_slices(section),
        performance=_performance(section, "performance"),
        estimate=_performance(section, "estimate"),
        bias=_bias(section),
        attribution=_attribution(section),
        operations=_operations(section),
    )


def read_monitor_file(folder: Path, root: Path) -> MonitorSpec | None:
    """A product's monitor.yaml; None where there is none."""
    path = folder / MONITOR_FILE
    if not path.exists():
        return None
    document = read_document(require_inside(path, root))
    return read_monitor(Section(document, _PRODUCT_KEYS))


def _reference(section: Section) -> Span | None:
    if "reference" not in section:
        return None
    try:
        return Span.parse(str(section.data["reference"]))
    except ValueError as error:
        raise section.error(f"reference: {error}", "reference") from error


def _slices(section: Section) -> tuple[SliceSpec, ...]:
    written = section.data.get("slices")
    if written is None:
        return ()
    if not isinstance(written, list):
        raise section.error("'slices' must be a list of columns.", "slices")
    found = []
    for index, one in enumerate(written):
        if isinstance(one, str) and one:
            found.append(SliceSpec(column=one))
            continue
        inner = Section(section.document, ("column", "edges"), place=(*section.place, "slices", index), data=one)
        found.append(SliceSpec(column=inner.text("column"), edges=_edges(inner)))
    if len({one.column for one in found}) < len(found):
        raise section.error("slices: a column stands twice. Keep one.", "slices")
    return tuple(found)


def _edges(section: Section) -> tuple[float, ...]:
    edges = section.data.get("edges")
    if edges is None:
        return ()
    numbers = edges if isinstance(edges, list) else []
    good = [one for one in numbers if isinstance(one, int | float) and not isinstance(one, bool) and math.isfinite(one)]
    if not good or len(good) != len(numbers) or sorted(set(good)) != good or len(good) > 50:
        raise section.error("edges must be a list of at most 50 ascending numbers.", "edges")
    return tuple(map(float, good))


def _numbers(section: Section, key: str, known: Sequence[str], *, most: float) -> dict[str, float]:
    inner = section.section(key, known)
    return {name: inner.number(name, least=0, most=most, default=0) for name in inner.data}


def _performance(section: Section, key: str) -> PerformanceSpec:
    test = () if key == "estimate" else ("by", "significance", "windows")
    inner, default = section.section(key, ("at_least", "at_most", "loses", "labels", *test)), PerformanceSpec()
    by = inner.choice("by", ("metric", "losses"), default=default.by)
    for word in ("significance", "windows"):
        if word in inner and by != "losses":
            raise inner.error(f"'{word}' is of a test of losses. Add by: losses, or remove it.", word)
    labels = inner.section("labels", ("share", "rows"))
    return PerformanceSpec(
        at_least=read_limits(inner, "at_least", _METRICS),
        at_most=read_limits(inner, "at_most", _METRICS),
        by=by,  # type: ignore[arg-type]
        loses=inner.number("loses", least=0, most=1, default=default.loses),
        significance=inner.number("significance", least=1e-6, most=0.5, default=default.significance),
        windows=whole_number(inner, "windows", least=1, most=100, default=default.windows),
        labels_share=labels.number("share", least=0, most=1, default=default.labels_share),
        labels_rows=int(labels.number("rows", least=1, most=10**9, default=default.labels_rows)),
    )


def _bias(section: Section) -> BiasSpec:
    inner, default = section.section("bias", ("facets", "limits", "cut", "least_rows")), BiasSpec()
    written = inner.data.get("facets")
    facets = [_facet(inner, index, one) for index, one in enumerate(written if isinstance(written, list) else [])]
    if "bias" in section and not facets:
        raise inner.error("'facets' must be a list of columns, for example [sex].", "facets")
    return BiasSpec(
        facets=tuple(facets),
        limits=_numbers(inner, "limits", BIAS_METRICS, most=1),
        cut=inner.number("cut", least=0, most=1, default=default.cut),
        least_rows=int(inner.number("least_rows", least=5, most=10**9, default=default.least_rows)),
    )


def _facet(section: Section, index: int, written: Any) -> FacetSpec:
    if isinstance(written, str) and written:
        return FacetSpec(column=written)
    place = (*section.place, "facets", index)
    inner = Section(section.document, ("column", "groups"), place=place, data=written)
    return FacetSpec(column=inner.text("column"), groups=inner.names("groups"))


def _attribution(section: Section) -> AttributionSpec | None:
    if section.data.get("attribution") is None:
        return None
    inner, default = section.section("attribution", ("ndcg", "rows")), AttributionSpec()
    return AttributionSpec(
        ndcg=inner.number("ndcg", least=0, most=1, default=default.ndcg),
        rows=int(inner.number("rows", least=100, most=10**7, default=default.rows)),
    )


def _operations(section: Section) -> OperationsSpec:
    inner, default = section.section("operations", ("latency", "freshness", "volume")), OperationsSpec()
    volume = inner.section("volume", ("least", "most"))
    least = volume.number("least", least=0, most=1, default=default.volume_least)
    return OperationsSpec(
        latency=inner.duration("latency"),
        freshness=inner.duration("freshness"),
        volume_least=least,
        volume_most=volume.number("most", least=1, most=1e6, default=default.volume_most),
    )

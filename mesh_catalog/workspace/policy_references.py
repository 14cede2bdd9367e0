"""Whether what a policy names is there: columns of slices, facets and methods, KPIs, and monitors that are asked for.

A word that no one checks is a monitor that never speaks. Asked by `mesh check`, and before a model is trained; a slip
in one team's policy stops no other command: where such a word is met at work, the verdict says so.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from mesh_catalog.contracts.contract import Column
from mesh_catalog.contracts.types import is_numeric
from mesh_catalog.documents import Document, Place, read_document
from mesh_catalog.errors import DocumentError, nearest
from mesh_catalog.specs import EXPECTED_COST, MONITOR_METRICS, ModelSpec, MonitorSpec, ProductSpec
from mesh_catalog.workspace.monitor_section import MONITOR_FILE

__all__ = ["check_kpi_words", "check_model_policy", "check_product_policy"]

_SCORED = ("score", "model_version")
"""What a prediction has beside the row that was scored."""
_ASKED_FOR = {"bias": "bias: {facets: [column]}", "attribution": "attribution: {ndcg: 0.9}"}
"""Monitors that run only where the section asks for them, and how it does."""


def check_product_policy(product: ProductSpec) -> Iterator[DocumentError]:
    """What is wrong with a product's monitor.yaml."""
    if product.monitor is not None:
        columns = {column.name: column for column in product.contract.columns}
        words = _Words(product.folder / MONITOR_FILE, columns, f"{product.name} has")
        yield from words.monitor(product.monitor, ())


def check_model_policy(model: ModelSpec, products: Mapping[str, ProductSpec]) -> Iterator[DocumentError]:
    """What is wrong with what a model.yaml says of monitors, gate, retraining and rollout.

    Args:
        products: Every product that could be read; of a model that reads another one nothing is said here.
    """
    if any(name not in products for name in model.input_products):
        return
    words = _Words(model.path, _columns(model, products), f"the rows of {model.name} have")
    yield from words.monitor(model.monitor, ("monitor",), scored=_SCORED)
    yield from words.metrics(model)
    yield from words.bias(model)
    yield from words.gate(model)
    yield from words.asked_for(model)


def check_kpi_words(model: ModelSpec, kpis: Collection[str]) -> Iterator[DocumentError]:
    """KPIs that a model's retraining or rollout names, and that no kpis.yaml defines."""
    named: list[tuple[str, Place]] = []
    if model.retrain.kpi is not None:
        named.append((model.retrain.kpi.name, ("retrain", "kpi", "name")))
    for index, alarm in enumerate(model.rollout.alarms if model.rollout else ()):
        if alarm.kpi is not None:
            named.append((alarm.kpi, ("rollout", "alarms", index)))
    for name, place in named:
        if name not in kpis:
            hint = nearest(name, kpis) if kpis else " Define it in its domain's kpis.yaml."
            yield read_document(model.path).error(f"there is no KPI '{name[:80]}'.{hint}", *place)


def _columns(model: ModelSpec, products: Mapping[str, ProductSpec]) -> dict[str, Column]:
    """The columns that a model's rows have: keys, entity, event time and features."""
    source = products[model.target_product].contract
    names = [*source.primary_key, *model.entity, model.event_time]
    found = {name: column for name in names if (column := source.column(name)) is not None}
    for feature in model.features:
        contract = products[feature.product].contract
        hidden = {*contract.primary_key, contract.event_time, model.target}
        for column in contract.columns:
            named = column.name == feature.column
            if named or (feature.column is None and not column.personal and column.name not in hidden):
                found.setdefault(column.name, column)
    return found


class _Words:
    """The words of one file, held against the columns that there are."""

    def __init__(self, path: Path, columns: Mapping[str, Column], whose: str) -> None:
        self.document: Document = read_document(path)
        self.columns = columns
        self.whose = whose

    def monitor(self, spec: MonitorSpec, place: Place, *, scored: Collection[str] = ()) -> Iterator[DocumentError]:
        for index, one in enumerate(spec.slices):
            yield from self._slice(one.column, bool(one.edges), (*place, "slices", index), scored)
        for name in spec.drift.columns:
            yield from self._missing(name, (*place, "drift", "columns", name), scored)

    def metrics(self, model: ModelSpec) -> Iterator[DocumentError]:
        known = (*MONITOR_METRICS[model.kind], *([EXPECTED_COST] if model.costs is not None else []))
        for key, spec in (("performance", model.monitor.performance), ("estimate", model.monitor.estimate)):
            for word, limits in (("at_least", spec.at_least), ("at_most", spec.at_most)):
                for name in limits:
                    if name not in known:
                        told = f"'{name}' is no metric of a {model.kind} model. There is: {', '.join(known)}."
                        yield self.document.error(told, "monitor", key, word, name)

    def bias(self, model: ModelSpec) -> Iterator[DocumentError]:
        facets = model.monitor.bias.facets
        if facets and model.kind != "binary":
            told = "bias is of decisions, which only a binary model makes. Remove it."
            yield self.document.error(told, "monitor", "bias")
            return
        for index, facet in enumerate(facets):
            place: Place = ("monitor", "bias", "facets", index)
            yield from self._missing(facet.column, place)
            column = self.columns.get(facet.column)
            if column is not None and column.personal and not facet.groups:
                told = f"'{facet.column}' is personal. Name its groups: {{column: {facet.column}, groups: […]}}"
                yield self.document.error(told, *place)

    def gate(self, model: ModelSpec) -> Iterator[DocumentError]:
        gate = model.gate
        for index, name in enumerate(gate.slices.by if gate.slices else ()):
            yield from self._missing(name, ("gate", "slices", "by", index))
        if gate.fairness is not None:
            if model.kind != "binary":
                told = "fairness compares rates, which only a binary model has. Remove it."
                yield self.document.error(told, "gate", "fairness")
            yield from self._missing(gate.fairness.by, ("gate", "fairness", "by"))

    def asked_for(self, model: ModelSpec) -> Iterator[DocumentError]:
        """Triggers and alarms of monitors that would never run."""
        asked = {"bias": bool(model.monitor.bias.facets), "attribution": model.monitor.attribution is not None}
        rings: list[tuple[str, str, Place]] = [
            (word, "retraining on", ("retrain", "on", index)) for index, word in enumerate(model.retrain.on)
        ]
        for index, alarm in enumerate(model.rollout.alarms if model.rollout else ()):
            rings.append((alarm.name, "the alarm", ("rollout", "alarms", index)))
        for word, what, place in rings:
            if word in asked and not asked[word]:
                told = f"{what} {word} needs its monitor. Add to monitor: {_ASKED_FOR[word]}"
                yield self.document.error(told, *place)

    def _slice(self, name: str, edges: bool, place: Place, scored: Collection[str]) -> Iterator[DocumentError]:
        if name in scored:
            return
        yield from self._missing(name, place)
        column = self.columns.get(name)
        if column is not None and column.personal:
            yield self.document.error(f"'{name}' is personal, so its values are no slices. Remove it.", *place)
        elif column is not None and edges and not is_numeric(column.spark_type):
            yield self.document.error(f"edges need a number, and '{name}' is {column.spark_type}. Remove them.", *place)

    def _missing(self, name: str, place: Place, scored: Collection[str] = ()) -> Iterator[DocumentError]:
        if name not in self.columns and name not in scored:
            hint = nearest(name, self.columns)
            yield self.document.error(f"{self.whose} no column '{name[:80]}'.{hint}", *place)

"""Everything in a workspace that reads a product, column by column where its files tell: for gates on changes.

Products by their transforms and the consents they follow, contracts by their rules, models by target, features, keys
and event time, dashboards by what they name, KPIs by their definitions.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from mesh_catalog.contracts.consumers import Consumer
from mesh_catalog.contracts.contract import Contract, Query, Reference
from mesh_catalog.errors import DocumentError
from mesh_catalog.specs import DashboardSpec, KpiSpec, ModelSpec, ProductSpec
from mesh_catalog.workspace.column_reads import ColumnReads, sql_column_reads
from mesh_catalog.workspace.transforms import SOURCE, product_reads
from mesh_catalog.workspace.workspace import Workspace

__all__ = ["rule_readers", "workspace_consumers"]

_Columns = frozenset[str] | None


def workspace_consumers(workspace: Workspace, before: Mapping[str, Contract] | None = None) -> list[Consumer]:
    """All consumers that a workspace declares.

    Args:
        before: Contracts as they were: their columns are known too, so that a reader of one that is gone is seen.
    """
    schemas = _schemas(workspace, before or {})
    found: list[Consumer] = []
    for product in workspace.products.values():
        consumer = _product(product, schemas)
        if consumer is not None:
            found.append(consumer)
        found += _consents(product, workspace)
        found += rule_readers(product)
    found += [_model(model, workspace, schemas) for model in workspace.models.values()]
    found += [_dashboard(dashboard) for dashboard in workspace.dashboards.values()]
    found += [_kpi(kpi, schemas) for kpi in workspace.kpis.values()]
    return found


def _schemas(workspace: Workspace, before: Mapping[str, Contract]) -> dict[str, Sequence[str] | None]:
    """Columns of everything that a transform may name; of datasets that models write they are not known here."""
    found: dict[str, Sequence[str] | None] = dict.fromkeys(workspace.model_datasets)
    contracts = {name: [contract] for name, contract in before.items()}
    for name, product in workspace.products.items():
        contracts.setdefault(name, []).append(product.contract)
    for name, several in contracts.items():
        found[name] = tuple(dict.fromkeys(column.name for contract in several for column in contract.columns))
    return found


# Products ----------------------------------------------------------------------------------------------------------


def _product(product: ProductSpec, schemas: Mapping[str, Sequence[str] | None]) -> Consumer | None:
    """None where it reads nothing but its own files, or where its transform cannot be read: that is told elsewhere."""
    try:
        reads = product_reads(product)
    except DocumentError:
        return None
    if not set(reads) - {SOURCE} or product.build is None:
        return None
    columns = frozenset(column.name for column in product.contract.columns)
    text = product.build.read_text(encoding="utf-8")
    if product.build.suffix == ".sql":
        own = {column.name.lower(): column.name for column in product.contract.columns}
        told = sql_column_reads(text, {name: _input(product, name, schemas) for name in reads}, own=own)
        mentions = frozenset[str]()
    else:
        told = ColumnReads(reads=dict.fromkeys(reads), makes=None)
        mentions = _words(product.build, text)
    return Consumer(
        kind="product",
        name=product.name,
        owner=product.owner,
        reads={name: found for name, found in told.reads.items() if name != SOURCE},
        dataset=product.name,
        columns=columns,
        makes=told.makes,
        mentions=mentions,
    )


def _consents(product: ProductSpec, workspace: Workspace) -> list[Consumer]:
    """Where consent to its rows and to those that it reads stands: rows are chosen by it, and no value goes on."""
    if product.build is None:
        return []
    try:
        names = [product.name, *product_reads(product)]
    except DocumentError:
        return []
    reads: dict[str, frozenset[str]] = {}
    for name in names:
        consent = workspace.products[name].contract.rights.consent if name in workspace.products else None
        if consent is not None and consent.product is not None:
            reads[consent.product] = reads.get(consent.product, frozenset()).union(consent.their_columns)
    reads.pop(product.name, None)
    return [Consumer(kind="product", name=product.name, owner=product.owner, reads=reads)] if reads else []


def _input(product: ProductSpec, name: str, schemas: Mapping[str, Sequence[str] | None]) -> Sequence[str] | None:
    if name == SOURCE:
        return tuple(product.source.columns) or None if product.source else None
    return schemas.get(name)


def _words(path: Path, text: str) -> frozenset[str]:
    """Every text and every attribute that stands in Python: among them are the columns that it names."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(text, filename=path.name)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found |= set(_identifiers(node.value))
        elif isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.keyword) and node.arg:
            found.add(node.arg)
    return frozenset(found)


def _identifiers(text: str) -> Iterator[str]:
    word = ""
    for char in f"{text} ":
        if char.isalnum() or char == "_":
            word += char
        elif word:
            yield word
            word = ""


def rule_readers(product: ProductSpec) -> list[Consumer]:
    """The contract's rules that read other products, as one consumer; none where no rule does."""
    reads: dict[str, _Columns] = {}
    for rule in product.contract.rules:
        if isinstance(rule.argument, Query):
            reads |= dict.fromkeys(rule.argument.reads)
        elif isinstance(rule.argument, Reference):
            before = reads.get(rule.argument.product, frozenset())
            reads[rule.argument.product] = None if before is None else before | set(rule.argument.keys)
    reads.pop(product.name, None)
    if not reads:
        return []
    return [Consumer(kind="check of", name=product.name, owner=product.owner, reads=reads)]


# Models and dashboards ---------------------------------------------------------------------------------------------


def _model(model: ModelSpec, workspace: Workspace, schemas: Mapping[str, Sequence[str] | None]) -> Consumer:
    """Rows come from the target's product, by keys and event time; features of others are joined as of that time."""
    reads: dict[str, set[str]] = {model.target_product: {model.target, model.event_time, *model.entity}}
    for feature in model.features:
        read = reads.setdefault(feature.product, set(_joined_by(model, feature.product, workspace)))
        read |= {feature.column} if feature.column else set(schemas.get(feature.product) or ())
    return Consumer(
        kind="model",
        name=model.name,
        owner=model.domain.owner,
        reads={name: frozenset(columns) for name, columns in reads.items()},
        dataset=model.predictions_name,
    )


def _joined_by(model: ModelSpec, product: str, workspace: Workspace) -> Iterator[str]:
    yield from model.entity
    found = workspace.products.get(product)
    if found is not None and found.contract.event_time:
        yield found.contract.event_time


def _dashboard(dashboard: DashboardSpec) -> Consumer:
    return Consumer(
        kind="dashboard",
        name=dashboard.name,
        owner=dashboard.owner,
        reads=dict.fromkeys(dashboard.reads),
    )


def _kpi(kpi: KpiSpec, schemas: Mapping[str, Sequence[str] | None]) -> Consumer:
    known = {name.lower(): name for name in schemas.get(kpi.source) or ()}
    used = {*(name for one in kpi.formulas for name in one.columns), *kpi.dimensions, *([kpi.time] if kpi.time else [])}
    columns = frozenset(known.get(name.lower(), name) for name in used)
    return Consumer(kind="kpi", name=kpi.name, owner=kpi.owner, reads={kpi.source: columns})

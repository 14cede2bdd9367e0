"""The rows a model learns from or scores: the target product's, with each feature as it was known at the row's time.

Which columns come from where is decided on the contracts, before anything is read. Data are read through the access
gate only, at the versions it pins. Features of the target product are taken from the row itself; those of other
products are joined point in time on `entity`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from mesh_catalog.access.gate import Ticket, request_read
from mesh_catalog.contracts.contract import Column, Contract, WriteMode
from mesh_catalog.contracts.odcs_writing import contract_document
from mesh_catalog.contracts.rules import implied_rules
from mesh_catalog.contracts.types import is_numeric
from mesh_catalog.errors import InputError, listed, nearest
from mesh_catalog.features.join import join_point_in_time
from mesh_catalog.lake.consent import consent_of, consenting_rows
from mesh_catalog.lake.read import read_table
from mesh_catalog.models.algorithms import feature_kind
from mesh_catalog.specs import ModelKind

if TYPE_CHECKING:
    from pyspark.sql import Column as SparkColumn
    from pyspark.sql import DataFrame, SparkSession

    from mesh_catalog.access.mesh import Mesh
    from mesh_catalog.specs import ModelSpec

__all__ = ["MODEL_VERSION", "SCORE", "SPLIT", "Frame", "FramePlan", "ViewPlan", "build_frame", "plan_frame"]

SPLIT, SCORE, MODEL_VERSION = "split", "score", "model_version"
_TIMES = ("date", "timestamp", "timestamp_ntz")
_ASKED: Mapping[ModelKind, str] = {
    "binary": "A binary target is 0 or 1, or a boolean",
    "regression": "The target of a regression is a number",
}


@dataclass(frozen=True, kw_only=True)
class ViewPlan:
    """Columns of a product that are joined point in time."""

    product: str
    event_time: str
    columns: tuple[Column, ...]


@dataclass(frozen=True, kw_only=True)
class FramePlan:
    """Where each column of a model's frame comes from."""

    model: str
    product: str
    """The target's product: each of its rows is a row of the frame."""
    keys: tuple[Column, ...]
    """Its primary key, then what of `entity` is not in it."""
    event_time: Column
    own: tuple[Column, ...]
    """Features that are the target product's columns."""
    views: tuple[ViewPlan, ...]
    target: Column
    entity: tuple[str, ...]
    contract_versions: Mapping[str, str]

    @property
    def features(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.feature_columns)

    @property
    def feature_columns(self) -> tuple[Column, ...]:
        return (*self.own, *(column for view in self.views for column in view.columns))

    @property
    def columns(self) -> tuple[Column, ...]:
        """Keys, event time, features, each once."""
        return tuple({c.name: c for c in (*self.keys, self.event_time, *self.feature_columns)}.values())

    @property
    def key_names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.keys)

    def contract(self, name: str, extra: Sequence[Column], *, write_mode: WriteMode, description: str) -> Contract:
        """The contract of a dataset of these rows: each column as its source promises it, its classification too."""
        primary = {column.name for column in self.keys if column.primary_key_position is not None}
        known = {*self.key_names, self.event_time.name, *(column.name for column in self.own)}
        columns = (
            *(
                replace(
                    column,
                    required=column.required
                    and column.name in known,  # a joined value may be unknown at the row's time
                    unique=column.unique and column.name in primary,
                    primary_key_position=column.primary_key_position if column.name in primary else None,
                    suggested=(),
                )
                for column in self.columns
            ),
            *extra,
        )
        contract = Contract(
            id=name,
            version="1.0.0",
            status="active",
            columns=columns,
            rules=implied_rules(columns),
            description=description,
            write_mode=write_mode,
            event_time=self.event_time.name,
        )
        return replace(contract, document=contract_document(contract))


@dataclass(frozen=True, kw_only=True)
class Frame:
    """A frame as it was built."""

    data: DataFrame
    """Keys, event time, features, and the target where labelled (int: 0, 1, or -1 for any other value). Lazy."""
    rows: DataFrame
    """The same rows without the joined features: cheap to count."""
    plan: FramePlan
    inputs: Mapping[str, int]
    """Version of each product that it reads."""


def plan_frame(mesh: Mesh, model: ModelSpec) -> FramePlan:
    """Decide where every column comes from, on the contracts alone.

    Raises:
        InputError: A column is missing, of a type that cannot be used, or would stand twice.
        NotFoundError: A product does not exist.
    """
    contracts = {name: mesh.workspace.product(name).contract for name in model.input_products}
    source = contracts[model.target_product]
    target = _required(model, source, model.target, "target")
    if not is_numeric(target.spark_type) and (model.kind, target.spark_type) != ("binary", "boolean"):
        raise InputError(
            f"{model.name}: the target '{target.name}' is {target.spark_type}. "
            f"{_ASKED[model.kind]}: make it so in the product's transform."
        )
    event_time = _required(model, source, model.event_time, "event_time")
    if event_time.spark_type not in _TIMES:
        raise InputError(f"{model.name}: event_time '{event_time.name}' is {event_time.spark_type}, which is no time.")
    keys = [*source.primary_key, *(name for name in model.entity if name not in source.primary_key)]
    plan = FramePlan(
        model=model.name,
        product=model.target_product,
        keys=tuple(_required(model, source, name, "entity") for name in keys),
        event_time=event_time,
        own=tuple(_picked(model, source, hidden={model.target, model.event_time, *keys})),
        views=tuple(_view(model, contracts[name]) for name in model.input_products if name != model.target_product),
        target=target,
        entity=model.entity,
        contract_versions={name: contract.version for name, contract in contracts.items()},
    )
    _require_distinct(plan)
    return plan


def build_frame(
    spark: SparkSession,
    mesh: Mesh,
    model: ModelSpec,
    *,
    start: datetime | None = None,
    end: datetime | None = None,
    labelled: bool = True,
    versions: Mapping[str, int] | None = None,
) -> Frame:
    """Build the rows a model learns from, or scores; without those whose people have not agreed, or have withdrawn.

    Args:
        start: First event time that belongs to the frame (UTC where it has no zone).
        end: First event time after it.
        labelled: Whether the target is read; rows without one are left out then. Without labels the target's column
            is not read at all.
        versions: Versions to read; the newest of each product that is not named.

    Raises:
        InputError: As of `plan_frame`, or a table does not hold what its contract says.
        NotFoundError: A product or version does not exist, or was never published.
        AccessDeniedError: The principal may not read a product.

    Cost: lazy; one shuffle for each product that is joined. One audit event a product.
    """
    from pyspark.sql import functions as F

    plan = plan_frame(mesh, model)
    purpose: Literal["train", "score"] = "train" if labelled else "score"
    pinned = versions or {}

    consented: dict[str, int] = {}

    def read(product: str, columns: Iterable[str]) -> tuple[DataFrame, Ticket]:
        wanted, consent = tuple(dict.fromkeys(columns)), consent_of(mesh, product)
        asked = tuple(dict.fromkeys((*wanted, *(consent.own_columns if consent else ()))))
        ticket = request_read(mesh, product, purpose=purpose, version=pinned.get(product), columns=asked)
        rows = _checked(read_table(spark, ticket), ticket, asked)
        found = consenting_rows(spark, mesh, product, rows, consent)
        consented.update(found.inputs)
        return found.rows.select(*(F.col(f"`{name}`") for name in wanted)), ticket

    names = [*plan.key_names, plan.event_time.name, *(column.name for column in plan.own)]
    rows, ticket = read(plan.product, [*names, plan.target.name] if labelled else names)
    inputs = {plan.product: ticket.version}
    rows = _within(rows, plan.event_time.name, start, end).dropna(subset=[plan.event_time.name])
    if labelled:
        target = F.col(f"`{plan.target.name}`")
        rows = rows.where(target.isNotNull()).withColumn(plan.target.name, _label(target, model.kind))
    frame = rows
    for view in plan.views:
        features, ticket = read(view.product, [*plan.entity, view.event_time, *(c.name for c in view.columns)])
        inputs[view.product] = ticket.version
        frame = join_point_in_time(
            frame,
            _within(features, view.event_time, None, end),
            keys=plan.entity,
            time=plan.event_time.name,
            view_time=view.event_time,
            columns=[column.name for column in view.columns],
        )
    order = [column.name for column in plan.columns] + ([plan.target.name] if labelled else [])
    data = frame.select(*(F.col(f"`{name}`") for name in order))
    return Frame(data=data, rows=rows, plan=plan, inputs=consented | inputs)


def _label(target: SparkColumn, kind: ModelKind) -> SparkColumn:
    """0, 1 or, for anything else, -1 as an int; of a regression the number as a double."""
    from pyspark.sql import functions as F

    number = target.cast("double")
    if kind == "regression":
        return number
    return F.when(number == 1, 1).when(number == 0, 0).otherwise(-1).cast("int")


def _required(model: ModelSpec, contract: Contract, name: str, part: str) -> Column:
    column = contract.column(name)
    if column is None:
        known = [found.name for found in contract.columns]
        raise InputError(f"{model.name}: {part}: {contract.id} has no column '{name}'.{nearest(name, known)}")
    return column


def _picked(model: ModelSpec, contract: Contract, *, hidden: Iterable[str]) -> Iterable[Column]:
    """The features that model.yaml takes from one product, each once, in the order they are named."""
    kept_out = set(hidden)
    found: dict[str, Column] = {}
    for reference in model.features:
        if reference.product != contract.id:
            continue
        if reference.column is None:
            found |= {c.name: c for c in contract.columns if c.name not in kept_out and not c.personal}
            continue
        column = _required(model, contract, reference.column, "features")
        if contract.id == model.target_product and column.name == model.target:
            raise InputError(f"{model.name}: the target '{column.name}' is among the features. Take it out.")
        found[column.name] = column
    for column in found.values():
        try:
            feature_kind(column.name, column.spark_type)
        except InputError as error:
            raise InputError(f"{model.name}: {contract.id}: {error}") from error
    return found.values()


def _view(model: ModelSpec, contract: Contract) -> ViewPlan:
    if not model.entity:
        raise InputError(
            f"{model.name}: features of {contract.id} are joined by `entity`, which is missing. Name its columns."
        )
    if contract.event_time is None:
        raise InputError(
            f"{model.name}: {contract.id} has no event time, so nobody knows when its values were known. "
            "Name the column in its contract: customProperties eventTime."
        )
    for name in model.entity:
        _required(model, contract, name, "entity")
    hidden = {*contract.primary_key, *model.entity, contract.event_time}
    columns = tuple(_picked(model, contract, hidden=hidden))
    if not columns:
        raise InputError(
            f"{model.name}: {contract.id} has no column left to learn from. Name them one by one in features."
        )
    return ViewPlan(product=contract.id, event_time=contract.event_time, columns=columns)


def _require_distinct(plan: FramePlan) -> None:
    if not plan.features:
        raise InputError(f"{plan.model}: no feature is left. Name at least one column in features.")
    taken = dict.fromkeys((*plan.key_names, plan.event_time.name, plan.target.name), plan.product)
    own = {column.name for column in plan.own}
    for view_product, column in ((view.product, column) for view in plan.views for column in view.columns):
        other = taken.get(column.name) or (plan.product if column.name in own else None)
        if other:
            raise InputError(
                f"{plan.model}: column '{column.name}' comes from {other} and from {view_product}. Rename one of them."
            )
        taken[column.name] = view_product
    for name in (*taken, *own):
        if name in (SPLIT, SCORE, MODEL_VERSION):
            raise InputError(f"{plan.model}: column '{name}' has a name that is kept for the framework. Rename it.")


def _checked(frame: DataFrame, ticket: Ticket, columns: Sequence[str]) -> DataFrame:
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        raise InputError(
            f"{ticket.product} v{ticket.version}: the table has no column {listed(missing)}. Publish the product again."
        )
    return frame


def _within(frame: DataFrame, time: str, start: datetime | None, end: datetime | None) -> DataFrame:
    from pyspark.sql import functions as F

    moment = F.col(f"`{time}`").cast("timestamp")
    if start is not None:
        frame = frame.where(moment >= F.lit(_utc(start)))
    if end is not None:
        frame = frame.where(moment < F.lit(_utc(end)))
    return frame


def _utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)

"""Versions of models and the aliases that point at them: what the catalog keeps beside MLflow's registry.

A version says what it was made from, so that it can be replayed, and found again from the data it learned from. Every
move of an alias is kept.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import Connection, insert, select

from mesh_catalog.catalog.edges import record_model_edges
from mesh_catalog.catalog.store import Catalog, retried
from mesh_catalog.catalog.tables import alias_moves, model_versions, models
from mesh_catalog.errors import ConflictError, NotFoundError, nearest

__all__ = [
    "AliasMove",
    "ModelVersionRecord",
    "alias_history",
    "move_alias",
    "pinned_versions",
    "read_alias",
    "read_aliases",
    "read_model_versions",
    "record_model_version",
    "require_model",
    "set_alias",
    "set_aliases",
]


@dataclass(frozen=True, kw_only=True)
class ModelVersionRecord:
    """One registered version of a model."""

    model: str
    version: int
    mlflow_run_id: str
    training_version: int | None
    """Version of `<model>__training` that it learned from."""
    inputs: Mapping[str, int]
    """Product → version that the training frame was made from."""
    contract_versions: Mapping[str, str]
    metrics: Mapping[str, float]
    algorithm: str
    code_commit: str | None
    retraining_id: str | None
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class AliasMove:
    """An alias was set to a version, or taken away (None)."""

    model: str
    alias: str
    version: int | None
    reason: str
    at: datetime


def require_model(connection: Connection, model: str) -> None:
    """Raise NotFoundError where the catalog does not know the model."""
    if connection.execute(select(models.c.name).where(models.c.name == model)).one_or_none() is None:
        known = connection.execute(select(models.c.name)).scalars()
        raise NotFoundError(f"{model}: no such model in the catalog.{nearest(model, known)}")


@retried
def record_model_version(catalog: Catalog, record: ModelVersionRecord) -> None:
    """Keep a version and its lineage; telling it again changes nothing.

    Raises:
        NotFoundError: No such model.
        ConflictError: This version is known with another MLflow run.
    """
    with catalog.write() as connection:
        require_model(connection, record.model)
        query = select(model_versions.c.mlflow_run_id).where(
            model_versions.c.model == record.model, model_versions.c.version == record.version
        )
        known = connection.execute(query).scalar()
        if known is not None and known != record.mlflow_run_id:
            raise ConflictError(
                f"{record.model} v{record.version}: is known as MLflow run {known}, now {record.mlflow_run_id} "
                "claims it. MLflow's registry and the catalog belong together: restore the one that was replaced."
            )
        if known is not None:
            return
        connection.execute(insert(model_versions).values(**asdict(record)))
        training = select(models.c.training_name).where(models.c.name == record.model)
        record_model_edges(
            connection,
            record.model,
            record.version,
            training=connection.execute(training).scalar() if record.training_version is not None else None,
            inputs=sorted(record.inputs),
        )


def read_model_versions(catalog: Catalog, model: str) -> list[ModelVersionRecord]:
    """Every version, oldest first."""
    query = select(model_versions).where(model_versions.c.model == model).order_by(model_versions.c.version)
    with catalog.read() as connection:
        rows = connection.execute(query).mappings().all()
    found = []
    for row in rows:
        metrics = {name: math.nan if value is None else value for name, value in row["metrics"].items()}
        found.append(ModelVersionRecord(**{**row, "metrics": metrics}))
    return found


def pinned_versions(catalog: Catalog, product: str) -> dict[int, tuple[str, ...]]:
    """The versions of a product that model versions were made from, each with `model v3` for all that pin it.

    A pin is a hold: upkeep keeps the files of these versions, so that the model can be replayed.
    """
    query = (
        select(model_versions.c.model, model_versions.c.version, model_versions.c.training_version)
        .add_columns(model_versions.c.inputs, models.c.training_name)
        .join(models, models.c.name == model_versions.c.model)
        .order_by(model_versions.c.model, model_versions.c.version)
    )
    found: dict[int, list[str]] = {}
    with catalog.read() as connection:
        for model, version, training, inputs, training_name in connection.execute(query):
            pins = dict(inputs) | ({training_name: training} if training is not None else {})
            if product in pins:
                found.setdefault(int(pins[product]), []).append(f"{model} v{version}")
    return {version: tuple(names) for version, names in sorted(found.items())}


@retried
def set_alias(catalog: Catalog, model: str, alias: str, version: int | None, *, reason: str, at: datetime) -> bool:
    """Point an alias at a version, or take it away (None); False where it points there already.

    Raises:
        NotFoundError: No such model, or no such version of it.
    """
    with catalog.write() as connection:
        return move_alias(connection, model, alias, version, reason=reason, at=at)


@retried
def set_aliases(catalog: Catalog, model: str, aliases: Mapping[str, int | None], *, reason: str, at: datetime) -> None:
    """As `set_alias`, all of them or none."""
    with catalog.write() as connection:
        for alias, version in aliases.items():
            move_alias(connection, model, alias, version, reason=reason, at=at)


def move_alias(
    connection: Connection, model: str, alias: str, version: int | None, *, reason: str, at: datetime
) -> bool:
    """As `set_alias`, within a transaction."""
    require_model(connection, model)
    if version is not None:
        _require_version(connection, model, version)
    if _alias(connection, model, alias) == version:
        return False
    connection.execute(insert(alias_moves).values(model=model, alias=alias, version=version, reason=reason, at=at))
    return True


def read_alias(catalog: Catalog, model: str, alias: str) -> int | None:
    """The version that an alias points at."""
    with catalog.read() as connection:
        return _alias(connection, model, alias)


def read_aliases(catalog: Catalog, model: str) -> dict[str, int]:
    """Every alias of a model that points at a version."""
    current: dict[str, int | None] = {move.alias: move.version for move in _moves(catalog, model, None)}
    return {alias: version for alias, version in sorted(current.items()) if version is not None}


def alias_history(catalog: Catalog, model: str, alias: str) -> list[AliasMove]:
    """Every move of an alias, oldest first."""
    return _moves(catalog, model, alias)


def _moves(catalog: Catalog, model: str, alias: str | None) -> list[AliasMove]:
    query = select(alias_moves).where(alias_moves.c.model == model).order_by(alias_moves.c.id)
    if alias is not None:
        query = query.where(alias_moves.c.alias == alias)
    with catalog.read() as connection:
        rows = connection.execute(query).mappings().all()
    return [AliasMove(**{name: row[name] for name in AliasMove.__dataclass_fields__}) for row in rows]


def _alias(connection: Connection, model: str, alias: str) -> int | None:
    query = (
        select(alias_moves.c.version)
        .where(alias_moves.c.model == model, alias_moves.c.alias == alias)
        .order_by(alias_moves.c.id.desc())
        .limit(1)
    )
    return connection.execute(query).scalar()


def _require_version(connection: Connection, model: str, version: int) -> None:
    query = select(model_versions.c.version).where(model_versions.c.model == model)
    known = set(connection.execute(query).scalars())
    if version not in known:
        raise NotFoundError(f"{model}: has no version {version}.{nearest(f'v{version}', (f'v{one}' for one in known))}")

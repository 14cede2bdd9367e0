"""A model with a rollout, two trained versions and traffic, without Spark and MLflow."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Literal

from mesh_catalog.access.mesh import Mesh
from mesh_catalog.catalog.assets import register_product, sync_workspace
from mesh_catalog.catalog.mirroring import mark_mirrored, read_unmirrored
from mesh_catalog.catalog.models import set_alias
from mesh_catalog.catalog.rollouts import RolloutRecord
from mesh_catalog.catalog.store import utc_now
from mesh_catalog.retraining.alarms import Signal
from mesh_catalog.retraining.judge import Observations
from mesh_catalog.specs import ModelSpec
from tests.unit.catalog.samples import NOON, dataset_contract, publish, train, write_workspace

MODEL = "payments.fraud"
PLAN = "entity: customer_id\nrollout: {steps: [shadow, 10%, 50%], bake_rows: 100}\n"
Signals = Literal["quiet", "rings", "unheard"]


class FileAliases:
    """A registry of aliases in one file, which survives its process."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def set_alias(self, alias: str, version: int | None) -> None:
        known = {**self.read(), alias: version}
        unfinished = self.path.with_suffix(f".{os.getpid()}")
        unfinished.write_text(json.dumps(known), encoding="utf-8")
        unfinished.replace(self.path)

    def mirror(self, mesh: Mesh, model: str) -> None:
        """As `mirror_decisions` tells MLflow."""
        pending = read_unmirrored(mesh.catalog, model)
        for alias, version in pending.aliases.items():
            self.set_alias(alias, version)
        mark_mirrored(mesh.catalog, pending)

    def read(self) -> dict[str, int | None]:
        return json.loads(self.path.read_text(encoding="utf-8")) if self.path.exists() else {}


def aliases_of(root: Path) -> FileAliases:
    return FileAliases(root / "aliases.json")


def write_model(root: Path, rollout: str = PLAN) -> None:
    write_workspace(root)
    path = root / "domains" / "payments" / "fraud" / "model.yaml"
    path.write_text(path.read_text() + rollout, encoding="utf-8")


def prepare(mesh: Mesh, *, rows: int = 5_000) -> None:
    """Register the workspace, versions 1 (champion) and 2, and predictions of four days."""
    sync_workspace(mesh.catalog, mesh.workspace)
    for version in (1, 2):
        train(mesh.catalog, version)
    set_alias(mesh.catalog, MODEL, "champion", 1, reason="first", at=utc_now())
    aliases_of(mesh.settings.workspace).set_alias("champion", 1)
    register_product(
        mesh.catalog, dataset_contract(f"{MODEL}__predictions", "score"), domain="payments", owner="payments-team"
    )
    times = {"event_from": NOON - timedelta(days=4), "event_to": NOON}
    publish(mesh.catalog, f"{MODEL}__predictions", 0, changes={"rows": rows, **times})


def observed(state: Signals = "quiet", *, rows: int = 100) -> Observations:
    """A step with one alarm."""
    return Observations(
        rows=rows,
        baked=timedelta(days=1),
        running=timedelta(days=1),
        event_to=NOON + timedelta(days=1),
        signals=(Signal(alarm="errors", state=state, reason=f"it {state}"),),
    )


def looking(state: Signals = "quiet", *, rows: int = 100) -> Callable[[Mesh, ModelSpec, RolloutRecord], Observations]:
    """`observed`, as `take_stock` asks for it."""

    def look(_mesh: Mesh, _model: ModelSpec, _rollout: RolloutRecord) -> Observations:
        return observed(state, rows=rows)

    return look

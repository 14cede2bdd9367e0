"""A trainer on scikit-learn and rows made up from a seed, over a real catalog and a real MLflow registry.

What is tested with it is the state machine, so it is small and fast; like the one on Spark it trains a retraining once,
found again by a tag in MLflow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from mlflow import MlflowClient
from sklearn.linear_model import LogisticRegression

from mesh_catalog.access.mesh import Mesh, open_mesh
from mesh_catalog.catalog.assets import sync_workspace
from mesh_catalog.catalog.models import ModelVersionRecord, read_model_versions, record_model_version, set_alias
from mesh_catalog.models.compare import check_gate, paired_bootstrap
from mesh_catalog.models.mirror import mirror_decisions
from mesh_catalog.models.registry import open_registry
from mesh_catalog.retraining.compare import Comparison, needed_share
from mesh_catalog.settings import load_settings
from mesh_catalog.specs import ModelSpec
from tests.unit.catalog.samples import write_workspace

__all__ = ["MODEL", "OWNER", "LocalTrainer", "Point", "make_workspace", "opened"]

Point = Callable[[str], None]
"""Told the name of every place where a process may die."""
MODEL = "payments.fraud"
OWNER = "payments-team"
ROWS = 60


@dataclass(frozen=True)
class LocalTrainer:
    """Fits a logistic regression on `ROWS` rows; `better` challengers see the true label's column."""

    folder: Path
    better: bool = True
    point: Point = lambda _name: None
    better_later: bool = False
    """On rows that came since."""

    def try_out(self, mesh: Mesh, model: ModelSpec) -> float:
        self.point("try_out")
        return 0.5 + 0.001 * len(model.left_out)

    def train(self, mesh: Mesh, model: ModelSpec, *, retraining_id: str) -> int:
        registry = open_registry(mesh.settings)
        client = MlflowClient(tracking_uri=mesh.settings.mlflow_uri, registry_uri=mesh.settings.mlflow_uri)
        experiment = client.get_experiment_by_name(model.name)
        place = experiment.experiment_id if experiment else client.create_experiment(model.name)
        found = client.search_runs([place], f"tags.`mesh.run_id` = '{retraining_id}'")
        done = [run.info.run_id for run in found if run.info.status == "FINISHED"]
        if not done:
            self.point("before the fit")
            self._fit(retraining_id)
            with (self.folder / "fits").open("a") as log:
                log.write(f"{retraining_id}\n")
            run = client.create_run(place, tags={"mesh.run_id": retraining_id})
            self.point("run begun")
            client.set_terminated(run.info.run_id, "FINISHED")
            done = [run.info.run_id]
        self.point("run stored")
        versions = [one for one in client.search_model_versions(f"run_id = '{done[0]}'") if one.name == model.name]
        if not versions:
            if not client.search_registered_models(f"name = '{model.name}'"):
                client.create_registered_model(model.name)
            versions = [client.create_model_version(model.name, "file:///none", done[0])]
        number = int(versions[0].version)
        self.point("version registered")
        _record(mesh, model, number, done[0], retraining_id)
        self.point("version recorded")
        if read_model_versions(mesh.catalog, model.name)[0].version != number:
            set_alias(mesh.catalog, model.name, "challenger", number, reason="trained", at=datetime.now(UTC))
            self.point("challenger moved")
            mirror_decisions(mesh, model.name)
        del registry
        return number

    def compare(
        self, mesh: Mesh, model: ModelSpec, *, champion: int, challenger: int, obliged: bool, again: bool = False
    ) -> Comparison:
        self.point("compare")
        rng = np.random.default_rng(challenger)
        labels = (np.arange(ROWS) % 2).astype(float)
        noise = rng.uniform(size=ROWS)
        weak, strong = np.clip(labels * 0.1 + noise * 0.9, 0, 1), np.clip(labels * 0.8 + noise * 0.2, 0, 1)
        scores = (weak, strong) if (self.better_later if again else self.better) else (strong, weak)
        found = paired_bootstrap(labels, *scores, metric=model.metric, samples=100)
        return Comparison(
            metric=model.metric,
            rows=found.rows,
            champion_version=champion,
            challenger_version=challenger,
            champion=found.champion,
            challenger=found.challenger,
            difference=found.difference,
            low=found.low,
            high=found.high,
            better_share=found.better_share,
            needed_share=needed_share(model.gate, obliged=obliged),
            unmet=check_gate({model.metric: found.challenger}, model.gate),
        )

    def _fit(self, seed: str) -> None:
        rng = np.random.default_rng(abs(hash(seed)) % 2**32)
        rows = rng.normal(size=(ROWS, 3))
        LogisticRegression().fit(rows, (rows[:, 0] > 0).astype(int))


def _record(mesh: Mesh, model: ModelSpec, number: int, mlflow_run_id: str, retraining_id: str | None) -> None:
    record_model_version(
        mesh.catalog,
        ModelVersionRecord(
            model=model.name,
            version=number,
            mlflow_run_id=mlflow_run_id,
            training_version=None,
            inputs={},
            contract_versions={},
            metrics={},
            algorithm=model.algorithm,
            code_commit=None,
            retraining_id=retraining_id,
            created_at=datetime.now(UTC),
        ),
    )


def make_workspace(root: Path) -> Path:
    """A workspace whose model has a champion."""
    write_workspace(root)
    (root / "conf/local.yaml").write_text("{}\n")
    with opened(root) as mesh:
        sync_workspace(mesh.catalog, mesh.workspace)
        _crown_first(mesh, mesh.workspace.model(MODEL))
    return root


@contextmanager
def opened(root: Path) -> Iterator[Mesh]:
    """The mesh as the model's owner sees it."""
    with open_mesh(replace(load_settings(workspace=root), principal=OWNER)) as mesh:
        yield mesh


def _crown_first(mesh: Mesh, model: ModelSpec) -> None:
    """As `mesh train` would have made it."""
    client = MlflowClient(tracking_uri=mesh.settings.mlflow_uri, registry_uri=mesh.settings.mlflow_uri)
    run = client.create_run(client.create_experiment(model.name), tags={"mesh.run_id": "first"})
    client.set_terminated(run.info.run_id, "FINISHED")
    client.create_registered_model(model.name)
    version = client.create_model_version(model.name, "file:///none", run.info.run_id)
    _record(mesh, model, int(version.version), run.info.run_id, None)
    set_alias(mesh.catalog, model.name, "champion", int(version.version), reason="first", at=datetime.now(UTC))
    mirror_decisions(mesh, model.name)

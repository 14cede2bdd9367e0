"""MLflow: runs, model versions, aliases, pipelines. The only module that talks to it.

A training run is found by its tag `mesh.run_id`, is FINISHED only when everything of it is stored, and is thrown away
and made again where it is not. Everything goes through a client with its own URIs, so that no global state of MLflow is
touched. No rows of data are stored here: no input example, no sample.
"""

from __future__ import annotations

import json
import logging
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mesh_catalog.errors import NotFoundError, StorageError

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from pyspark.ml import PipelineModel

    from mesh_catalog.models.evaluate import Curve, Evaluation
    from mesh_catalog.settings import Settings

__all__ = ["Alias", "LoggedRun", "Pins", "Registry", "open_registry"]

Alias = Literal["champion", "challenger"]
_RUN_TAG = "mesh.run_id"
_MEAN, _BASELINE, _LOW, _HIGH = "test_label_mean", "baseline_", "low_", "high_"
_PINS_FILE = "pins.json"
_MODEL_FOLDER = "model"
_LIST_LIMIT = 20


@dataclass(frozen=True, kw_only=True)
class Pins:
    """What made a model version: enough to make it again."""

    model: str
    algorithm: str
    parameters: Mapping[str, int | float]
    seed: int
    features: tuple[str, ...]
    target: str
    event_time: str
    keys: tuple[str, ...]
    training_product: str
    training_version: int
    inputs: Mapping[str, int]
    """Version of each product that was read."""
    contract_versions: Mapping[str, str]
    train_rows: int
    test_rows: int
    test_from: str
    """ISO time (UTC) of the first moment of the test window."""
    code_commit: str | None
    """Commit of the workspace's git repository, with `+changes` where files differ from it."""
    packages: Mapping[str, str]
    baseline: Mapping[str, float]

    @classmethod
    def from_json(cls, text: str) -> Pins:
        data: dict[str, Any] = json.loads(text)
        fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in data.items()}
        return cls(**fields)

    def to_json(self) -> str:
        return json.dumps(self.__dict__, indent=2, default=dict)


@dataclass(frozen=True, kw_only=True)
class LoggedRun:
    """A finished MLflow run."""

    mlflow_run_id: str
    metrics: Mapping[str, float]
    """Of the test window, by the names of `Evaluation.metrics`."""
    intervals: Mapping[str, tuple[float, float]]
    label_mean: float
    """Of the test rows; of a binary label the share of 1."""
    pins: Pins


class Registry:
    """A workspace's MLflow tracking store and model registry."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client = _client(settings)

    def _using(self, doing: str) -> AbstractContextManager[None]:
        return _storage(self._settings.mlflow_uri, doing)

    def find_run(self, model: str, run_id: str) -> LoggedRun | None:
        """The finished run of our `run_id`; what an unfinished one left is thrown away.

        Raises:
            StorageError: MLflow cannot be reached.
        """
        with self._using("looked up a run"):
            experiment = self._client.get_experiment_by_name(model)
            if experiment is None:
                return None
            found = None
            for run in self._client.search_runs([experiment.experiment_id], f"tags.`{_RUN_TAG}` = '{run_id}'"):
                if run.info.status == "FINISHED":
                    found = run
                else:
                    self._client.set_terminated(run.info.run_id, "KILLED")
                    self._client.delete_run(run.info.run_id)
            if found is None:
                return None
            stored = dict(found.data.metrics)
            mean = stored.pop(_MEAN)
            metrics = {name: value for name, value in stored.items() if not name.startswith((_BASELINE, _LOW, _HIGH))}
            return LoggedRun(
                mlflow_run_id=found.info.run_id,
                metrics=metrics,
                intervals={
                    name: (stored[_LOW + name], stored[_HIGH + name]) for name in metrics if _LOW + name in stored
                },
                label_mean=mean,
                pins=self.read_pins(found.info.run_id),
            )

    def log_run(
        self, pipeline: PipelineModel, evaluation: Evaluation, *, pins: Pins, run_id: str, principal: str
    ) -> LoggedRun:
        """Store a trained model with everything that is known of it; FINISHED when all of it is there.

        Raises:
            StorageError: MLflow cannot be reached, or its store cannot be written.
        """
        with self._using("stored a run"), tempfile.TemporaryDirectory(prefix="mesh-run-") as folder:
            experiment = self._experiment(pins.model)
            tags = {
                _RUN_TAG: run_id,
                "mlflow.runName": f"{pins.model} {run_id[:8]}",
                "mlflow.user": principal,
                "mlflow.source.name": f"mesh train {pins.model}",
                "mesh.training_dataset": f"{pins.training_product}@v{pins.training_version}",
                **({"mlflow.source.git.commit": pins.code_commit} if pins.code_commit else {}),
            }
            mlflow_run_id: str = self._client.create_run(experiment, tags=tags).info.run_id
            self._log_numbers(mlflow_run_id, pins, evaluation)
            self._log_datasets(mlflow_run_id, pins)
            _write_artifacts(Path(folder), evaluation, pins)
            self._save_pipeline(pipeline, Path(folder) / _MODEL_FOLDER, pins.packages)
            self._client.log_artifacts(mlflow_run_id, folder)
            self._client.set_terminated(mlflow_run_id, "FINISHED")
        return LoggedRun(
            mlflow_run_id=mlflow_run_id,
            metrics=dict(evaluation.metrics),
            intervals=dict(evaluation.intervals),
            label_mean=evaluation.label_mean,
            pins=pins,
        )

    def register(self, model: str, run: LoggedRun) -> int:
        """The model version of a run; made where there is none yet.

        Raises:
            StorageError: MLflow cannot be reached.
        """
        from mlflow.exceptions import MlflowException

        with self._using("registered a model"):
            for found in self._client.search_model_versions(f"run_id = '{run.mlflow_run_id}'", max_results=_LIST_LIMIT):
                if found.name == model:
                    return int(found.version)
            try:
                self._client.create_registered_model(model)
            except MlflowException as error:
                if error.error_code != "RESOURCE_ALREADY_EXISTS":
                    raise
            source = f"{self._client.get_run(run.mlflow_run_id).info.artifact_uri}/{_MODEL_FOLDER}"
            made = self._client.create_model_version(model, source, run.mlflow_run_id, await_creation_for=60)
            return int(made.version)

    def read_alias(self, model: str, alias: Alias) -> int | None:
        """The version that an alias stands for, or None."""
        from mlflow.exceptions import MlflowException

        with self._using("read an alias"):
            try:
                return int(self._client.get_model_version_by_alias(model, alias).version)
            except MlflowException as error:
                if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                    return None
                raise

    def set_alias(self, model: str, alias: Alias, version: int | None) -> None:
        """Let an alias stand for a version, or for none; idempotent."""
        with self._using("set an alias"):
            if version is not None:
                self._client.set_registered_model_alias(model, alias, str(version))
            elif self.read_alias(model, alias) is not None:
                self._client.delete_registered_model_alias(model, alias)

    def tag_version(self, model: str, version: int, tags: Mapping[str, str]) -> None:
        """Set tags of a version and of the run that made it; what they were is forgotten."""
        with self._using("tagged a model version"):
            mlflow_run_id = str(self._client.get_model_version(model, str(version)).run_id)
            for name, value in tags.items():
                text = _cut(value, 4000)
                self._client.set_model_version_tag(model, str(version), name, text)
                self._client.set_tag(mlflow_run_id, name, text)

    def read_tags(self, model: str, version: int) -> dict[str, str]:
        """The tags of a version."""
        with self._using("read a model version"):
            return dict(self._client.get_model_version(model, str(version)).tags)

    def run_of(self, model: str, version: int) -> str:
        """The MLflow run that made a version.

        Raises:
            NotFoundError: There is no such version.
        """
        from mlflow.exceptions import MlflowException

        with self._using("read a model version"):
            try:
                return str(self._client.get_model_version(model, str(version)).run_id)
            except MlflowException as error:
                if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                    raise
                raise NotFoundError(f"{model}: there is no v{version}. See: mesh show {model}") from error

    def read_pins(self, mlflow_run_id: str) -> Pins:
        """What made the run's model."""
        with self._using("read a run's pins"), tempfile.TemporaryDirectory(prefix="mesh-pins-") as folder:
            path = self._client.download_artifacts(mlflow_run_id, _PINS_FILE, folder)
            return Pins.from_json(Path(path).read_text(encoding="utf-8"))

    def load_pipeline(self, mlflow_run_id: str) -> PipelineModel:
        """The run's Spark pipeline, in the running session.

        Raises:
            StorageError: It is not there any more, or cannot be read.
        """
        import mlflow.spark

        with self._using("loaded a model"):
            artifacts: str = self._client.get_run(mlflow_run_id).info.artifact_uri
            if artifacts.startswith("file:"):  # on a disk of ours: nothing to copy
                uri = f"{artifacts}/{_MODEL_FOLDER}"
                pipeline: PipelineModel = mlflow.spark.load_model(uri, dfs_tmpdir=self._spark_folder())
                return pipeline
            with tempfile.TemporaryDirectory(prefix="mesh-model-") as folder:
                path = self._client.download_artifacts(mlflow_run_id, _MODEL_FOLDER, folder)
                pipeline = mlflow.spark.load_model(path, dfs_tmpdir=self._spark_folder())
                return pipeline

    def _experiment(self, model: str) -> str:
        from mlflow.exceptions import MlflowException

        found = self._client.get_experiment_by_name(model)
        if found is not None:
            return str(found.experiment_id)
        try:
            return str(self._client.create_experiment(model, artifact_location=self._artifacts(model)))
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            found = self._client.get_experiment_by_name(model)  # somebody else was faster
            if found is None:
                raise
            return str(found.experiment_id)

    def _artifacts(self, model: str) -> str | None:
        """A database keeps no files, so that they go to our folder; a server has a place of its own."""
        if self._settings.mlflow_uri.startswith(("http:", "https:", "databricks")):
            return None
        return (self._settings.artifacts / model).as_uri()

    def _log_numbers(self, mlflow_run_id: str, pins: Pins, evaluation: Evaluation) -> None:
        from mlflow.entities import Metric, Param

        at = self._client.get_run(mlflow_run_id).info.start_time
        values = {
            **evaluation.metrics,
            _MEAN: evaluation.label_mean,
            **{f"{_LOW}{name}": low for name, (low, _high) in evaluation.intervals.items()},
            **{f"{_HIGH}{name}": high for name, (_low, high) in evaluation.intervals.items()},
            **{f"{_BASELINE}{name}": value for name, value in pins.baseline.items()},
        }
        parameters = {
            "algorithm": pins.algorithm,
            **pins.parameters,
            "seed": pins.seed,
            "features": ", ".join(pins.features),
            "train_rows": pins.train_rows,
            "test_rows": pins.test_rows,
            "test_from": pins.test_from,
            **{f"version.{product}": f"v{version}" for product, version in pins.inputs.items()},
            **{f"contract.{product}": version for product, version in pins.contract_versions.items()},
            "training_version": f"v{pins.training_version}",
            "code_commit": pins.code_commit or "none",
        }
        self._client.log_batch(
            mlflow_run_id,
            metrics=[Metric(name, float(value), at, 0) for name, value in values.items()],
            params=[Param(name, _cut(str(value))) for name, value in parameters.items()],
        )

    def _log_datasets(self, mlflow_run_id: str, pins: Pins) -> None:
        from mlflow.entities import Dataset, DatasetInput, InputTag

        versions = {**pins.inputs, pins.training_product: pins.training_version}
        inputs = []
        for product, version in versions.items():
            source = json.dumps({"product": product, "version": version})
            dataset = Dataset(name=product, digest=f"v{version}", source_type="mesh", source=source)
            context = "training" if product == pins.training_product else "input"
            inputs.append(DatasetInput(dataset, [InputTag("mlflow.data.context", context)]))
        self._client.log_inputs(mlflow_run_id, inputs)

    def _save_pipeline(self, pipeline: PipelineModel, path: Path, packages: Mapping[str, str]) -> None:
        import mlflow.spark

        # Given requirements spare MLflow the minutes of loading the model in a second process to infer them.
        pinned = [f"{name}=={version}" for name, version in packages.items() if name != "mesh-catalog"]
        mlflow.spark.save_model(pipeline, str(path), pip_requirements=pinned, dfs_tmpdir=self._spark_folder())

    def _spark_folder(self) -> str | None:
        """Where executors and driver both write: the lake, where it is a plain folder; else Spark's default storage."""
        return None if "://" in self._settings.lake else f"{self._settings.lake}/.mlflow"


def open_registry(settings: Settings) -> Registry:
    """Connect to the workspace's MLflow; makes its database where there is none.

    Raises:
        StorageError: It cannot be reached or made.
    """
    with _storage(settings.mlflow_uri, "opened"):
        if settings.mlflow_uri.startswith("sqlite:///"):
            Path(settings.mlflow_uri.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
        return Registry(settings)


@contextmanager
def _storage(uri: str, doing: str) -> Iterator[None]:
    """Turn what MLflow, its database or Spark's file system raise into one sentence, the cause kept."""
    _quiet_mlflow()
    from mlflow.exceptions import MlflowException  # late: mlflow takes 4 s
    from py4j.protocol import Py4JJavaError
    from pyspark.errors import PySparkException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except StorageError:
        raise
    except (MlflowException, SQLAlchemyError, Py4JJavaError, PySparkException, OSError) as error:
        raise StorageError(
            f"{_place(uri)}: could not be used ({doing}): {type(error).__name__}. "
            "Check `mlflow` in conf/, that it runs, and the folder of its files."
        ) from error


def _place(uri: str) -> str:
    """`MLflow at http://mlflow:5000`: without user, password and query, which may be secret."""
    from sqlalchemy.engine import URL, make_url
    from sqlalchemy.exc import ArgumentError

    try:
        url = make_url(uri)
    except (ArgumentError, ValueError):  # a name such as databricks
        return "MLflow"
    shown = URL.create(url.drivername, host=url.host, port=url.port, database=url.database)
    return f"MLflow at {shown.render_as_string()}"


def _quiet_mlflow() -> None:
    """Few retries, no telemetry, no progress bars, no news of migrations on stderr; before mlflow is imported."""
    for name, value in {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # stdout is the command's own, also its JSON
        "GIT_PYTHON_REFRESH": "quiet",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",  # 7 are four minutes before a server that is away is said to be
    }.items():
        os.environ.setdefault(name, value)
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)


def _client(settings: Settings) -> MlflowClient:
    from mlflow import MlflowClient
    from mlflow.store.db import utils

    _quiet_mlflow()  # again: importing mlflow sets its logger's level
    utils.MAX_RETRY_COUNT = 5  # 10 are 100 s before a database that is away is said to be, these are 3
    return MlflowClient(tracking_uri=settings.mlflow_uri, registry_uri=settings.mlflow_uri)


def _cut(text: str, limit: int = 6000) -> str:
    """MLflow refuses longer parameters; pins.json holds them whole."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _write_artifacts(folder: Path, evaluation: Evaluation, pins: Pins) -> None:
    (folder / _PINS_FILE).write_text(pins.to_json(), encoding="utf-8")
    (folder / "curves").mkdir()
    for name, curve in evaluation.curves.items():
        (folder / "curves" / f"{name}.json").write_text(json.dumps(curve.__dict__), encoding="utf-8")
        _draw_curve(name, curve, evaluation, folder / "curves" / f"{name}.png")


def _draw_curve(name: str, curve: Curve, evaluation: Evaluation, path: Path) -> None:
    from matplotlib.figure import Figure  # late: weight; the figure by itself, so that no window system is asked for

    figure = Figure(figsize=(5, 4), layout="constrained")
    axes = figure.add_subplot()
    if name == "calibration":
        labels = ("mean prediction", "mean label", f"RMSE {evaluation.metrics['rmse']:.3g}")
        ends = (min(*curve.x, *curve.y), max(*curve.x, *curve.y))
        axes.plot(ends, ends, linestyle=":", color="grey")
        axes.plot(curve.x, curve.y, marker=".")
        axes.set(xlabel=labels[0], ylabel=labels[1], title=labels[2])
        figure.savefig(path, dpi=100)
        return
    if name == "roc":
        labels = ("false-positive rate", "true-positive rate", f"ROC-AUC {evaluation.metrics['roc_auc']:.3f}")
        axes.plot([0, 1], [0, 1], linestyle=":", color="grey")
        axes.plot(curve.x, curve.y)
    else:
        labels = ("recall", "precision", f"average precision {evaluation.metrics['average_precision']:.3f}")
        axes.axhline(evaluation.label_mean, linestyle=":", color="grey")
        axes.step(curve.x, curve.y, where="pre")
    axes.set(xlabel=labels[0], ylabel=labels[1], title=labels[2], xlim=(0, 1), ylim=(0, 1.02))
    figure.savefig(path, dpi=100)

"""mesh train: train a model, log it, register it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from mesh_catalog.models.train import TrainResult
    from mesh_catalog.specs import ModelSpec

__all__ = ["command"]


@click.command("train")
@click.argument("model")
@click.option("--until", type=click.DateTime(), metavar="TIME", help="Only rows before this event time (UTC).")
@click.option("--run-id", metavar="ID", help="Go on with a training that was cut off.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.option("--master", help="Spark master; conf/ says it otherwise.")
def command(model: str, until: datetime | None, run_id: str | None, as_json: bool, master: str | None) -> None:
    """Train a model on the newest data and make it the challenger; the first that passes its gate becomes champion.

    The rows it learns from are published as MODEL__training. A version that does not keep gate.at_least is registered
    as well, but stays challenger (exit 3).

    \b
    Example:
      mesh train payments.fraud
    """
    from uuid import uuid4

    from mesh_catalog.access.rights import require_model_rights
    from mesh_catalog.cli.output import emit_json, progress
    from mesh_catalog.cli.partly import open_readable_mesh, register_readable
    from mesh_catalog.cli.steps import telling
    from mesh_catalog.lake.session import open_session
    from mesh_catalog.models.policy_words import require_sound_policy
    from mesh_catalog.models.train import train_model
    from mesh_catalog.settings import load_settings

    with open_readable_mesh(load_settings(master=master)) as mesh:
        spec = mesh.workspace.model(model)
        register_readable(mesh)
        require_sound_policy(mesh.workspace, spec)  # told before Spark starts
        require_model_rights(mesh, spec, "train")
        with progress("starts Spark"):
            spark = open_session(mesh.settings, app_name=f"mesh train {model}")
        with telling() as tell:
            result = train_model(spark, mesh, spec, run_id=run_id or uuid4().hex, until=until, tell=tell)
    if as_json:
        emit_json(result)
    else:
        _print_result(spec, result)
    if result.unmet:
        click.echo(f"{model} v{result.version} stays challenger: {'; '.join(result.unmet)}", err=True)
        raise SystemExit(3)
    if not as_json:
        click.echo(f"next: mesh score {model}" if result.alias == "champion" else f"next: mesh show {model}", err=True)


def _print_result(spec: ModelSpec, result: TrainResult) -> None:
    from mesh_catalog.models.evaluate import LOSS_DEVIATION
    from mesh_catalog.specs import EXPECTED_COST

    metric = spec.metric
    inputs = ", ".join(f"{product} v{version}" for product, version in result.inputs.items())
    click.echo(
        f"frames    {result.train_rows:,} rows to learn from, {result.test_rows:,} to test on "
        f"(from {result.test_from[:16]} on, {_labels(spec, result)}), of {inputs}\n"
        f"baseline  {metric} {_baseline(spec, result)}"
    )
    click.echo(f"trains    {spec.algorithm}   {result.seconds.get('fit', 0.0):.1f} s")
    if spec.costs is not None:
        cost, without = result.metrics[EXPECTED_COST], result.baseline[EXPECTED_COST]
        cut = spec.costs.threshold
        click.echo(f"costs     {cost:.4g} a row, deciding from a score of {cut:.3g} on; baseline {without:.4g}")
    shown = sorted(result.metrics.keys() - {LOSS_DEVIATION}, key=lambda name: (name != metric, name))
    click.echo("tests     " + "   ".join(f"{name} {_measured(result, name)}" for name in shown))
    click.echo(
        f"registers {result.model} v{result.version}   {result.alias}   "
        f"learned from {result.training_product} v{result.training_version}; curves and pins in MLflow"
    )


def _labels(spec: ModelSpec, result: TrainResult) -> str:
    return f"{result.label_mean:.2%} are 1" if spec.kind == "binary" else f"mean {spec.target} {result.label_mean:.4g}"


def _baseline(spec: ModelSpec, result: TrainResult) -> str:
    found = result.baseline[spec.metric]
    if spec.kind == "binary":
        return f"{found:.3f}"
    last = result.baseline[f"last_period_{spec.metric}"]
    days = spec.split.test.total_seconds() / 86_400
    return f"{found:.4g} by the training rows' mean, {last:.4g} by that of their newest {days:g} days"


def _measured(result: TrainResult, name: str) -> str:
    if name not in result.intervals:
        return f"{result.metrics[name]:.3f}"
    low, high = result.intervals[name]
    return f"{result.metrics[name]:.4g} [{low:.4g}, {high:.4g}]"

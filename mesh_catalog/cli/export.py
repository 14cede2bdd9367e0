"""mesh export: files for other tools, written from the workspace."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mesh_catalog.cli.export_prometheus import prometheus
from mesh_catalog.cli.export_sagemaker import sagemaker
from mesh_catalog.cli.export_standards import odcs, odps

if TYPE_CHECKING:
    from mesh_catalog.orchestration.airflow import AirflowOptions
    from mesh_catalog.orchestration.tasks import Dag

__all__ = ["command"]


@click.group("export")
def command() -> None:
    """Write files for other tools, from what the workspace declares.

    \b
    Example:
      mesh export airflow --output dags/mesh.py
    """


command.add_command(odcs)
command.add_command(odps)
command.add_command(sagemaker)
command.add_command(prometheus)


@command.command("airflow")
@click.option("--output", type=click.Path(path_type=Path), help="Default: dags/mesh.py of the workspace.")
@click.option("--schedule", help="For DAGs that no contract's frequency and no input starts: a preset or cron.")
@click.option("--spark-submit", is_flag=True, help="Run jobs/<verb>.py by spark-submit, not the mesh command.")
@click.option("--retries", type=click.IntRange(0, 100), default=2, show_default=True, help="Of each task.")
@click.option("--dry-run", is_flag=True, help="Say which DAGs and tasks there are, and write nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def airflow(
    output: Path | None, schedule: str | None, spark_submit: bool, retries: int, dry_run: bool, as_json: bool
) -> None:
    """Write the workspace as Airflow 3 DAGs: one a domain, one task a product, three a model.

    A DAG runs as often as the contracts in it promise (slaProperties: frequency), and whenever another domain has
    published what it reads (assets). The same workspace gives the same file.

    \b
    Example:
      mesh export airflow --spark-submit --schedule "0 6 * * *"
    """
    from mesh_catalog.catalog.store import utc_now
    from mesh_catalog.orchestration.airflow import AirflowOptions, airflow_file
    from mesh_catalog.orchestration.tasks import plan_dags
    from mesh_catalog.settings import load_settings
    from mesh_catalog.workspace import load_workspace

    options = AirflowOptions(schedule=schedule, spark_submit=spark_submit, retries=retries)
    root = load_settings().workspace
    path = (output or root / "dags" / "mesh.py").absolute()
    dags = plan_dags(load_workspace(root), utc_now().date())
    text = airflow_file(dags, workspace=root, output=path, options=options)
    if not dry_run:
        _write(path, text)
    _tell(dags, options, path, written=not dry_run, as_json=as_json)


def _write(path: Path, text: str) -> None:
    from mesh_catalog.documents import write_whole
    from mesh_catalog.errors import InputError
    from mesh_catalog.orchestration.airflow import MARK

    try:
        if path.exists() and MARK not in path.read_text(encoding="utf-8", errors="replace"):
            raise InputError(f"{path}: was not written by mesh export. Move it away, or name another --output.")
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, text)
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}. Name another --output.") from error


def _tell(dags: Sequence[Dag], options: AirflowOptions, path: Path, *, written: bool, as_json: bool) -> None:
    from mesh_catalog.cli.output import emit_json, print_table
    from mesh_catalog.orchestration.airflow import schedule_of

    if as_json:
        told = [{"dag": dag.id, "schedule": schedule_of(dag, options), "tasks": dag.tasks} for dag in dags]
        emit_json({"path": path, "written": written, "dags": told})
        return
    rows = [(dag.id, schedule_of(dag, options), ", ".join(task.id for task in dag.tasks)) for dag in dags]
    print_table(rows, ("dag", "runs", "tasks"))
    if written:
        click.echo(f"wrote {path}\nnext: put it, or a link to it, into Airflow's dags folder", err=True)

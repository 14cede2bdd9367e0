"""mesh maintain: keep the tables of products in shape, and say how they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mesh_catalog.access.mesh import Mesh
    from mesh_catalog.errors import MeshError
    from mesh_catalog.lake.upkeep import UpkeepPlan, UpkeepResult

__all__ = ["command"]


@click.command("maintain")
@click.argument("products", nargs=-1, metavar="[PRODUCT]...")
@click.option("--dry-run", is_flag=True, help="Say what would be done; change nothing.")
@click.option("--report", is_flag=True, help="Say how the tables are: files, bytes, last read, owner; change nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.option("--master", help="Spark master; conf/ says it otherwise.")
def command(products: tuple[str, ...], dry_run: bool, report: bool, as_json: bool, master: str | None) -> None:
    """Put small files together, remove files that no version within the retention and no model needs, and leftovers.

    Works on all tables of the workspace, or on those named. Rows never change. Spark starts only where files are put
    together.

    \b
    Example:
      mesh maintain --dry-run
    """
    from mesh_catalog.access.mesh import open_mesh
    from mesh_catalog.lake.upkeep import maintainable
    from mesh_catalog.settings import load_settings

    if dry_run and report:
        raise click.UsageError("--dry-run and --report: give one of them.")
    with open_mesh(load_settings(master=master)) as mesh:
        names = maintainable(mesh, products)
        if report:
            _report(mesh, names, as_json=as_json)
        elif dry_run:
            _dry_run(mesh, names, as_json=as_json)
        else:
            _maintain(mesh, names, as_json=as_json)


def _report(mesh: Mesh, names: list[str], *, as_json: bool) -> None:
    from datetime import UTC, datetime

    from mesh_catalog.cli.output import emit_json, print_table
    from mesh_catalog.lake.upkeep_report import report_tables

    told = report_tables(mesh, names, now=datetime.now(UTC))
    if as_json:
        emit_json(told)
        return
    rows = [
        (
            one.product,
            one.files,
            one.small_files,
            format_bytes(one.size_bytes),
            format_bytes(one.average_bytes),
            f"{one.last_read_at:%Y-%m-%d}" if one.last_read_at else "never",
            len(one.readers),
            one.owner or "nobody",
            "unused" if one.unused else "",
        )
        for one in told
    ]
    headers = ("product", "files", "small", "size", "average", "last read", "readers", "owner", "")
    print_table(rows, headers)
    ownerless = sum(one.owner is None for one in told)
    if ownerless:
        click.echo(f"{ownerless} without an owner: name one in domain.yaml", err=True)
    if any(one.small_files > 1 for one in told):
        click.echo("next: mesh maintain --dry-run", err=True)


def _dry_run(mesh: Mesh, names: list[str], *, as_json: bool) -> None:
    from mesh_catalog.cli.output import emit_json
    from mesh_catalog.lake.upkeep import plan_upkeep

    plans = [plan_upkeep(mesh, name) for name in names]
    if as_json:
        emit_json([_plan_facts(plan) for plan in plans])
        return
    for plan in plans:
        click.echo("   ".join([plan.product, *_plan_words(plan)]))
        for note in (*_pin_notes(plan.pins), *plan.notes):
            click.echo(f"  {note}", err=True)
    if any(not plan.is_empty for plan in plans):
        click.echo("next: mesh maintain", err=True)


def _plan_facts(plan: UpkeepPlan) -> dict[str, Any]:
    return {
        "product": plan.product,
        "files": plan.files.files,
        "size_bytes": plan.files.size_bytes,
        "small_files": plan.files.small_files,
        "compact": plan.compact,
        "cluster_by": plan.cluster_by,
        "retention_hours": plan.retention_hours,
        "pins": plan.pins,
        "unreferenced_files": len(plan.unreferenced),
        "unreferenced_bytes": plan.unreferenced_bytes,
        "leftovers": len(plan.leftovers),
        "log_days": plan.log_days,
        "notes": plan.notes,
    }


def _plan_words(plan: UpkeepPlan) -> list[str]:
    said = []
    if plan.compact:
        order = f", sorted by {', '.join(plan.cluster_by)}" if plan.cluster_by else ""
        said.append(f"would put {plan.files.small_files or plan.files.files} files together{order}")
    if plan.unreferenced:
        said.append(f"would remove {len(plan.unreferenced)} old files, {format_bytes(plan.unreferenced_bytes)}")
    if plan.leftovers:
        said.append(f"would remove {len(plan.leftovers)} leftovers")
    if plan.log_days:
        said.append(f"would keep the log for {plan.log_days} days")
    return said or ["nothing to do"]


def _maintain(mesh: Mesh, names: list[str], *, as_json: bool) -> None:
    from mesh_catalog.cli.output import emit_json, progress
    from mesh_catalog.errors import MeshError
    from mesh_catalog.lake.session import open_session
    from mesh_catalog.lake.upkeep import maintain_table

    told: list[dict[str, Any]] = []
    failed: list[MeshError] = []
    for name in names:
        try:
            with progress(f"keeps up {name}"):
                result = maintain_table(mesh, name, lambda: open_session(mesh.settings, app_name="mesh maintain"))
        except MeshError as error:
            failed.append(error)
            told.append({"product": name, "outcome": "failed", "error": str(error)})
            if not as_json:
                click.echo(str(error), err=True)
            continue
        told.append(_result_facts(result))
        if not as_json:
            _print_result(result)
    if as_json:
        emit_json(told)
    if failed:
        raise SystemExit(max(error.exit_code for error in failed))


def _result_facts(result: UpkeepResult) -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(result)


def _print_result(result: UpkeepResult) -> None:
    said = []
    if result.compacted:
        said.append(f"{result.files_before} files into {result.files_after}")
    if result.removed_files:
        said.append(f"{result.removed_files} old files removed, {format_bytes(result.removed_bytes)}")
    if result.leftovers:
        said.append(f"{result.leftovers} leftovers removed")
    click.echo("   ".join([result.product, *(said or ["nothing to do"])]))
    for note in (*_pin_notes(result.pins), *result.notes):
        click.echo(f"  {note}", err=True)


def _pin_notes(pins: Any) -> Sequence[str]:
    from mesh_catalog.errors import listed

    return [f"v{version} is kept: {listed(models)} was made from it" for version, models in sorted(pins.items())]


def format_bytes(count: int) -> str:
    """`512 B` · `12 KB` · `3.4 MB`: in powers of 1,000, as storage is sold."""
    size = float(count)
    for unit in ("B", "KB", "MB", "GB", "TB"):
        if size < 1000 or unit == "TB":
            return f"{size:.0f} {unit}" if unit == "B" or size >= 10 else f"{size:.1f} {unit}"
        size /= 1000
    raise AssertionError("unreachable")

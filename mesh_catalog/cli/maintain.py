"""mesh maintain: keep the tables of products in shape, and say how they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mesh_catalog.access.mesh import Mesh
    from mesh_catalog.errors import MeshError
    from mesh_catalog.lake.upkeep import UpkeepPlan, UpkeepResult

__all__ = ["command"]

Result = TypeVar("Result")


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
        work = _report if report else _dry_run if dry_run else _maintain
        failed: list[MeshError] = []
        work(mesh, maintainable(mesh, products), failed, as_json=as_json)
    for error in failed:
        click.echo(str(error), err=True)
    if failed:
        raise SystemExit(max(error.exit_code for error in failed))


def _each(names: Sequence[str], work: Callable[[str], Result], failed: list[MeshError]) -> list[Result]:
    """What `work` gives for each product; one that cannot be looked at does not stop the others."""
    from mesh_catalog.errors import MeshError

    found = []
    for name in names:
        try:
            found.append(work(name))
        except MeshError as error:
            failed.append(error)
    return found


def _report(mesh: Mesh, names: list[str], failed: list[MeshError], *, as_json: bool) -> None:
    from datetime import UTC, datetime

    from mesh_catalog.cli.output import emit_json, print_table
    from mesh_catalog.lake.upkeep_report import report_table

    now = datetime.now(UTC)
    told = _each(names, lambda name: report_table(mesh, name, now=now), failed)
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


def _dry_run(mesh: Mesh, names: list[str], failed: list[MeshError], *, as_json: bool) -> None:
    from mesh_catalog.cli.output import emit_json
    from mesh_catalog.lake.upkeep import plan_upkeep

    plans = _each(names, lambda name: plan_upkeep(mesh, name), failed)
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


def _maintain(mesh: Mesh, names: list[str], failed: list[MeshError], *, as_json: bool) -> None:
    from mesh_catalog.cli.output import emit_json, progress
    from mesh_catalog.lake.session import open_session
    from mesh_catalog.lake.upkeep import maintain_table

    def keep_up(name: str) -> UpkeepResult:
        with progress(f"keeps up {name}"):
            result = maintain_table(mesh, name, lambda: open_session(mesh.settings, app_name="mesh maintain"))
        if not as_json:
            _print_result(result)
        return result

    results = _each(names, keep_up, failed)
    if as_json:
        emit_json(results)


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

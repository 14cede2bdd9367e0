"""mesh import: a CSV, JSON or Parquet file becomes a data product's folder. `dbt` and `odps` are verbs of their own."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from mesh_catalog.contracts.infer import InferredColumn
    from mesh_catalog.workspace.importing import ImportPlan

__all__ = ["command"]


class _Import(click.Command):
    """`mesh import FILE …`; and `mesh import dbt DIR …`, `mesh import odps FILE …`, told by their first word."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        if args[:1] == ["dbt"]:
            from mesh_catalog.cli import import_dbt

            return import_dbt.command.make_context(f"{info_name} dbt", args[1:], parent, **extra)
        if args[:1] == ["odps"]:
            from mesh_catalog.cli import import_odps

            return import_odps.command.make_context(f"{info_name} odps", args[1:], parent, **extra)
        return super().make_context(info_name, args, parent, **extra)

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_usage(ctx, formatter)
        formatter.write_usage(ctx.command_path, "dbt DIR [OPTIONS]", prefix="       ")
        formatter.write_usage(ctx.command_path, "odps FILE [OPTIONS]", prefix="       ")


@click.command("import", cls=_Import)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--product", required=True, metavar="DOMAIN.PRODUCT", help="Name of the product to make.")
@click.option("--owner", help="Who answers for the domain, where it is new.")
@click.option("--dry-run", is_flag=True, help="Say what would be written, and write nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(file: Path, product: str, owner: str | None, dry_run: bool, as_json: bool) -> None:
    """Make a data product from a CSV, JSON or Parquet file; or, by `mesh import dbt DIR`, from each model of a dbt
    project; or, by `mesh import odps FILE`, from the output ports of a data product (options: … --help).

    Reads the whole file once, suggests a contract (types, keys, nulls, ranges, columns that may tell of people), and
    writes the product's folder and a copy of the file in landing/. What is suggested is marked so in contract.yaml.
    Types, nulls, ranges and keys are exact; what people's data looks like is searched for in a sample.

    \b
    Example:
      mesh import cards.csv --product payments.transactions --owner risk-data
      mesh import dbt ~/jaffle_shop --domain jaffle
    """
    from mesh_catalog.settings import load_settings
    from mesh_catalog.workspace.importing import plan_import, write_import

    root = load_settings().workspace
    started = time.monotonic()
    plan = plan_import(root, file, product, owner=owner, progress=_Progress())
    seconds = time.monotonic() - started
    if not dry_run:
        write_import(root, plan)
    if as_json:
        from mesh_catalog.cli.output import emit_json

        emit_json(_told(plan, seconds=seconds, dry_run=dry_run))
        return
    _print(plan, seconds=seconds, dry_run=dry_run)


class _Progress:
    """Rows read so far, on a terminal's stderr, once a second."""

    def __init__(self) -> None:
        self._shown_at = time.monotonic()

    def __call__(self, rows: int) -> None:
        if sys.stderr.isatty() and time.monotonic() - self._shown_at > 1:
            self._shown_at = time.monotonic()
            click.echo(f"\r{rows:,} rows read", nl=False, err=True)


def _told(plan: ImportPlan, *, seconds: float, dry_run: bool) -> dict[str, Any]:
    inference = plan.inference
    return {
        "product": plan.product,
        "rows": inference.rows,
        "columns": [_column_told(column) for column in inference.columns],
        "key": inference.key.name if inference.key else None,
        "event_time": inference.event_time.name if inference.event_time else None,
        "notes": list(plan.notes),
        "written": [] if dry_run else list(plan.written),
        "has_owner": plan.has_owner,
        "seconds": round(seconds, 2),
    }


def _column_told(column: InferredColumn) -> dict[str, Any]:
    suspicion = column.suspicion
    return {
        "name": column.name,
        "source": column.source.name,
        "type": column.source.kind,
        "nulls": column.source.null_count,
        "required": column.required,
        "unique": column.key,
        "minimum": column.minimum,
        "values": column.values,
        "classification": suspicion.classification if suspicion else None,
        "reason": suspicion.reason if suspicion else None,
        "suggested": list(column.suggested),
    }


def _print(plan: ImportPlan, *, seconds: float, dry_run: bool) -> None:
    inference = plan.inference
    if sys.stderr.isatty():
        click.echo("\r\x1b[K", nl=False, err=True)
    columns = "1 column" if len(inference.columns) == 1 else f"{len(inference.columns)} columns"
    click.echo(f"{plan.product}   {inference.rows:,} rows, {columns}, read in {seconds:.1f} s")
    width = max(len(column.name) for column in inference.columns)
    for label, name, text in _facts(plan):
        click.echo(f"  {label:<9} {name:<{width}}   {text}".rstrip())
    for note in plan.notes:
        click.echo(f"  note      {note}")
    for index, path in enumerate(plan.written):
        verb = "would write" if dry_run else "wrote"
        click.echo(f"{verb if index == 0 else ' ' * len(verb)} {path}")
    if not dry_run:
        domain = plan.product.partition(".")[0]
        first = "" if plan.has_owner else f"name an owner in domains/{domain}/domain.yaml, then  "
        click.echo(f"next: {first}mesh publish {plan.product}", err=True)


def _facts(plan: ImportPlan) -> list[tuple[str, str, str]]:
    inference = plan.inference
    found = []
    if inference.key:
        found.append(("key", inference.key.name, "(unique, no nulls)"))
    if (time_column := inference.event_time) is not None:
        low, high = str(time_column.source.minimum or ""), str(time_column.source.maximum or "")
        found.append(("time", time_column.name, f"{low[:16]} to {high[:16]}" if low else ""))
    for column in inference.columns:
        if column.suspicion is not None:
            text = f"{column.suspicion.reason}: decide in contract.yaml (counts as personal until then)"
            found.append((column.suspicion.classification, column.name, text))
    return found

"""mesh import dbt: a dbt project becomes products, dashboards, and a list of what did not come along."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from mesh_catalog.workspace.dbt.plan import DbtPlan
    from mesh_catalog.workspace.dbt.planning import Analyse

__all__ = ["command"]


@click.command("dbt")
@click.argument("folder", type=click.Path(path_type=Path), metavar="DIR")
@click.option("--domain", metavar="NAME", help="Domain of the products; otherwise the project's name.")
@click.option("--owner", help="Who answers for the domain, where it is new.")
@click.option("--dialect", help="SQL dialect of the models; otherwise what profiles.yml in DIR connects to.")
@click.option(
    "--source",
    "sources",
    multiple=True,
    metavar="SOURCE.TABLE=DOMAIN.PRODUCT",
    help="The product that holds a source's table. Repeatable.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be written, and write nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(
    folder: Path,
    domain: str | None,
    owner: str | None,
    dialect: str | None,
    sources: tuple[str, ...],
    dry_run: bool,
    as_json: bool,
) -> None:
    """Make data products from a dbt project: models, seeds, sources, tests and exposures.

    Templates are rendered in a sandbox, SQL is translated to Spark's, and Spark tells the types of columns. Nothing of
    the project's Python runs, and no database is asked. What cannot be translated is listed at the end, with the
    reason.

    \b
    Example:
      mesh import dbt ~/jaffle_shop --domain jaffle --owner analytics
    """
    from mesh_catalog.settings import load_settings
    from mesh_catalog.workspace.dbt.planning import plan_dbt_import
    from mesh_catalog.workspace.dbt.writing import write_dbt_import

    root = load_settings().workspace
    _require_dialect(dialect)
    with _analyser() as analyse:
        plan = plan_dbt_import(
            root, folder, analyse=analyse, domain=domain, dialect=dialect, owner=owner, sources=_sources(sources)
        )
    if not dry_run:
        write_dbt_import(root, plan)
    if as_json:
        from mesh_catalog.cli.output import emit_json

        emit_json(_told(plan, dry_run=dry_run))
    else:
        _print(plan, dry_run=dry_run)


def _require_dialect(dialect: str | None) -> None:
    from mesh_catalog.errors import InputError, nearest
    from mesh_catalog.workspace.dbt.sql import DIALECTS

    if dialect is not None and dialect not in DIALECTS:
        raise InputError(f"--dialect '{dialect[:40]}' is not known.{nearest(dialect, DIALECTS)}")


def _sources(given: tuple[str, ...]) -> dict[str, str]:
    from mesh_catalog.errors import InputError

    found = {}
    for text in given:
        source, sign, product = text.partition("=")
        if not sign or "." not in source or "." not in product:
            raise InputError(f"--source '{text[:80]}': write source.table=domain.product.")
        found[source] = product
    return found


@contextmanager
def _analyser() -> Iterator[Analyse]:
    """Tells columns by Spark, which starts with the first query and runs in this process alone."""
    sessions: list[SparkSession] = []

    def analyse(sql: str, inputs: Mapping[str, Mapping[str, str]]) -> Mapping[str, str]:
        from mesh_catalog.cli.output import progress
        from mesh_catalog.lake.analyse import query_columns
        from mesh_catalog.lake.session import open_session
        from mesh_catalog.settings import load_settings

        if not sessions:
            with progress("starts Spark"):
                sessions.append(open_session(load_settings(master="local[1]"), app_name="mesh import"))
        return query_columns(sessions[0], sql, inputs)

    yield analyse


def _told(plan: DbtPlan, *, dry_run: bool) -> dict[str, Any]:
    return {
        "project": plan.project,
        "domain": plan.domain,
        "dialect": plan.dialect,
        "dialect_from": plan.dialect_from,
        "products": [
            {
                "product": one.name,
                "kind": one.kind,
                "path": one.path,
                "reads": list(one.reads),
                "columns": dict(one.columns),
                "mode": one.write_mode,
                "tests": one.tests,
            }
            for one in plan.products
        ],
        "dashboards": [{"name": one.name, "reads": list(one.reads)} for one in plan.dashboards],
        "left_out": list(plan.left_out),
        "notes": list(plan.notes),
        "written": [] if dry_run else list(plan.written),
        "has_owner": plan.has_owner,
    }


def _print(plan: DbtPlan, *, dry_run: bool) -> None:
    from mesh_catalog.cli.output import print_table

    click.echo(f"{plan.project}   SQL of {plan.dialect or 'no database'}: {plan.dialect_from}")
    print_table(
        [(p.name, p.kind, p.write_mode, len(p.columns), p.tests, ", ".join(p.reads) or "-") for p in plan.products],
        ("product", "from", "mode", "columns", "tests", "reads"),
    )
    for dashboard in plan.dashboards:
        click.echo(f"dashboard {dashboard.name} reads {', '.join(dashboard.reads)}")
    for note in plan.notes:
        click.echo(f"note: {note}")
    if plan.left_out:
        click.echo(f"left out ({len(plan.left_out)}):")
        for one in plan.left_out:
            click.echo(f"  {one.kind} {one.name}: {one.reason}")
    if not plan.products:
        click.echo("nothing of it can be imported")
        return
    files = len(plan.written)
    click.echo(f"{'would write' if dry_run else 'wrote'} {files} files into domains/{plan.domain}/ and landing/")
    if not dry_run:
        first = "" if plan.has_owner else f"name an owner in domains/{plan.domain}/domain.yaml, then  "
        click.echo(f"next: {first}mesh check, then mesh publish", err=True)

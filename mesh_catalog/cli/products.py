"""Publishing products as `mesh publish` and `mesh run` show it: live lines, and a line for each that ended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from mesh_catalog.access.mesh import Mesh
    from mesh_catalog.cli.live import LiveLines
    from mesh_catalog.lake.frames import PublishResult
    from mesh_catalog.orchestration.runner import ProductRun
    from mesh_catalog.specs import ProductSpec

__all__ = ["exit_code", "print_result", "run_visibly", "tell_result", "tell_run"]


def run_visibly(
    mesh: Mesh,
    order: Sequence[ProductSpec],
    *,
    jobs: int,
    app_name: str,
    as_json: bool,
    why: Callable[[ProductSpec], Sequence[str]] | None = None,
    allow_breaking: bool = False,
) -> list[ProductRun]:
    """Publish products in this order and show it on stderr; a line for each that ended is the result, on stdout.

    Args:
        why, allow_breaking: As `run_products` takes them.
        as_json: Print no lines; the caller prints its one document.
    """
    from mesh_catalog.cli.live import LiveLines
    from mesh_catalog.orchestration.runner import run_products

    left = {product.name for product in order}

    def tell(run: ProductRun) -> None:
        if run.state in ("waiting", "running"):
            lines.show(run.product, _under_way(run))
        else:
            lines.drop(run.product)
            left.discard(run.product)
            if not as_json:
                with lines.above():
                    _print_ended(run)
        idle = len(left) - lines.count
        lines.show("", f"  {idle} more to come", timed=False) if idle > 0 else lines.drop("")

    with LiveLines() as lines:
        return run_products(
            mesh,
            order,
            open_spark=lambda: _open_spark(mesh, order, app_name, jobs, lines),
            why=why,
            jobs=jobs,
            allow_breaking=allow_breaking,
            tell=tell,
        )


def exit_code(runs: Sequence[ProductRun]) -> int:
    """The worst of what stopped products; 0 where nothing did."""
    return max((run.error.exit_code for run in runs if run.error is not None), default=0)


def tell_result(result: PublishResult) -> dict[str, Any]:
    """What a publish did, for JSON."""
    verdicts = [check.verdict for check in result.checks]
    return {
        "product": result.product,
        "outcome": result.outcome,
        "version": result.version,
        "rows": result.rows,
        "total_rows": result.total_rows,
        "quarantined": result.quarantined_count,
        "checks": {verdict: verdicts.count(verdict) for verdict in sorted(set(verdicts))},
        "changes": list(result.changes),
        "warnings": [
            *(f"{c.text}: {c.broken_count or c.reason}" for c in result.checks if c.verdict == "warn"),
            *result.warnings,
        ],
        "not_run": [f"{c.text}: {c.reason}" for c in result.checks if c.verdict == "not_run"],
        "run_id": result.run_id,
        "seconds": round(result.seconds, 2),
    }


def tell_run(run: ProductRun) -> dict[str, Any]:
    """How one product ended, for JSON."""
    if run.result is None:
        told: dict[str, Any] = {"product": run.product, "outcome": run.state}
        return told | ({"error": str(run.error)} if run.error else {"reason": run.reason} if run.reason else {})
    return tell_result(run.result)


def _open_spark(
    mesh: Mesh, products: Sequence[ProductSpec], app_name: str, jobs: int, lines: LiveLines
) -> SparkSession:
    from mesh_catalog.lake.session import open_session
    from mesh_catalog.lake.workload import is_small

    settings = mesh.settings
    if jobs > 1:  # else a long job of one product keeps the short ones of the others waiting
        settings = replace(settings, spark_conf={"spark.scheduler.mode": "FAIR", **settings.spark_conf})
    lines.show("spark", "starts Spark")
    try:
        return open_session(settings, app_name=app_name, small=is_small(mesh, products))
    finally:
        lines.drop("spark")


def _under_way(run: ProductRun) -> str:
    verb = "publishes" if run.state == "running" else "waits for"
    return f"{verb} {run.product}" + (f"   ({run.reason})" if run.reason else "")


def _print_ended(run: ProductRun) -> None:
    if run.error is not None:
        click.echo(str(run.error), err=True)
    elif run.state == "left out":
        click.echo(f"{run.product}   left out: {run.reason}, which was not published", err=True)
    elif run.state == "fresh":
        click.echo(f"{run.product}   is fresh now")
    elif run.result is not None:
        print_result(tell_run(run))


def print_result(told: dict[str, Any]) -> None:
    """A line of what `tell_result` says; warnings on stderr."""
    if told["outcome"] == "unchanged":
        click.echo(
            f"{told['product']}   v{told['version']}   nothing new has arrived"
            if told["version"] is not None
            else told["product"]
        )
        return
    parts = [
        told["product"],
        f"v{told['version']}",
        f"{told['rows']:,} rows",
        f"{told['checks'].get('pass', 0)} checks passed" if told["checks"] else "no rule was checked",
    ]
    if told["quarantined"]:
        parts.append(f"{told['quarantined']:,} rows in quarantine")
    click.echo("   ".join([*parts, "profile kept", f"{told['seconds']:.1f} s"]))
    for line in told["changes"]:
        click.echo(f"  contract: {line}", err=True)
    for line in told["warnings"]:
        click.echo(f"  warning: {line}", err=True)
    for line in told["not_run"]:
        click.echo(f"  not run: {line}", err=True)

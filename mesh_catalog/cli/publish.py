"""mesh publish: run transforms and publish what they make."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from mesh_catalog.access.mesh import Mesh
    from mesh_catalog.errors import MeshError
    from mesh_catalog.specs import ProductSpec

__all__ = ["command"]


@click.command("publish")
@click.argument("products", nargs=-1, metavar="[PRODUCT]...")
@click.option("--dry-run", is_flag=True, help="Say what would be published, in which order, and from what.")
@click.option("--from", "start", metavar="TIME", help="Backfill: publish the intervals of event time from here…")
@click.option("--to", "end", metavar="TIME", help="…up to, and without, this time; for example 2026-02-01, UTC.")
@click.option("--interval", metavar="LENGTH", help="Length of a backfill's intervals; the contract says it otherwise.")
@click.option("--force", is_flag=True, help="Backfill intervals again that are done.")
@click.option("--whole", is_flag=True, help="Where a product reads changes: read the whole input once more.")
@click.option("--new-checkpoint", "fresh", is_flag=True, help="Where a product reads changes: begin a new one.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.option("--master", help="Spark master; conf/ says it otherwise.")
def command(
    products: tuple[str, ...],
    dry_run: bool,
    start: str | None,
    end: str | None,
    interval: str | None,
    force: bool,
    whole: bool,
    fresh: bool,
    as_json: bool,
    master: str | None,
) -> None:
    """Publish data products: all of the workspace, or those named, inputs first.

    A batch that breaks its contract is refused and readers stay on the version they had (exit 3). Products that read a
    refused one are left out; the others go on.

    With --from and --to, one interval of event time after another; the same command goes on where it was stopped.

    \b
    Example:
      mesh publish payments.transactions
      mesh publish payments.daily --from 2026-01-01 --to 2026-02-01
    """
    from mesh_catalog.access.mesh import open_mesh
    from mesh_catalog.cli.backfill import backfill_products, parse_period
    from mesh_catalog.cli.changes import begin_anew
    from mesh_catalog.settings import load_settings
    from mesh_catalog.workspace import publish_order

    period = parse_period(start, end, interval)
    slicing = {"--from": period, "--force": force, "--whole": whole, "--new-checkpoint": fresh}
    given = [option for option, value in slicing.items() if value]
    if given and not products:
        raise click.UsageError(f"{given[0]} needs the names of the products.")
    if force and period is None:
        raise click.UsageError("--force needs --from and --to: it does intervals again.")
    if (whole or fresh) and (period is not None or dry_run or (whole and fresh)):
        raise click.UsageError(f"{'--whole' if whole else '--new-checkpoint'} goes by itself.")
    with open_mesh(load_settings(master=master)) as mesh:
        order = publish_order(mesh.workspace, list(products) or list(mesh.workspace.products))
        if period is not None:
            backfill_products(mesh, order, period, force=force, dry_run=dry_run, as_json=as_json)
            return
        if dry_run:
            _print_plan(order, as_json=as_json)
            return
        if whole or fresh:
            begin_anew(mesh, order, whole=whole, as_json=as_json)
            return
        _publish_all(mesh, order, as_json=as_json)


def _print_plan(order: list[ProductSpec], *, as_json: bool) -> None:
    from mesh_catalog.cli.output import emit_json, print_table
    from mesh_catalog.workspace import product_reads

    rows = [(p.name, p.contract.write_mode, list(product_reads(p)), len(p.contract.rules)) for p in order]
    if as_json:
        emit_json([dict(zip(("product", "mode", "reads", "rules"), row, strict=True)) for row in rows])
        return
    print_table(
        [(name, mode, ", ".join(reads), rules) for name, mode, reads, rules in rows],
        ("product", "mode", "reads", "rules"),
    )


def _publish_all(mesh: Mesh, order: list[ProductSpec], *, as_json: bool) -> None:
    from mesh_catalog.catalog.assets import sync_workspace
    from mesh_catalog.cli.output import emit_json
    from mesh_catalog.errors import MeshError

    sync_workspace(mesh.catalog, mesh.workspace)
    publisher = _Publisher(mesh)
    told: list[dict[str, Any]] = []
    for product in order:
        try:
            told.append(publisher.publish(product))
        except MeshError as error:
            publisher.stopped[product.name] = error
            told.append({"product": product.name, "outcome": "stopped", "error": str(error)})
        if not as_json:
            _print_result(told[-1])
    if as_json:
        emit_json(told)
    errors = [error for error in publisher.stopped.values() if error is not None]
    if errors:
        raise SystemExit(max(error.exit_code for error in errors))
    if not as_json and told:
        click.echo(f"next: mesh show {order[-1].name}", err=True)


class _Publisher:
    """Publishes one product after another; Spark starts with the first that needs it."""

    def __init__(self, mesh: Mesh) -> None:
        self.mesh = mesh
        self.spark: SparkSession | None = None
        self.stopped: dict[str, MeshError | None] = {}
        """Products that were not published; None for those left out because of another."""

    def publish(self, product: ProductSpec) -> dict[str, Any]:
        from mesh_catalog.cli.output import progress
        from mesh_catalog.lake.publish import publish_product, require_owner
        from mesh_catalog.workspace import product_reads

        blocked = [name for name in product_reads(product) if name in self.stopped]
        if blocked:
            self.stopped[product.name] = None
            return {"product": product.name, "outcome": "left out", "reason": f"reads {', '.join(blocked)}"}
        require_owner(product)
        spark = self._session()
        with progress(f"publishes {product.name}"):
            return _told(publish_product(spark, self.mesh, product))

    def _session(self) -> SparkSession:
        from mesh_catalog.cli.output import progress
        from mesh_catalog.lake.session import open_session

        if self.spark is None:
            with progress("starts Spark"):
                self.spark = open_session(self.mesh.settings, app_name="mesh publish")
        return self.spark


def _told(result: Any) -> dict[str, Any]:
    verdicts = [check.verdict for check in result.checks]
    return {
        "product": result.product,
        "outcome": result.outcome,
        "version": result.version,
        "rows": result.rows,
        "total_rows": result.total_rows,
        "quarantined": result.quarantined_count,
        "checks": {verdict: verdicts.count(verdict) for verdict in sorted(set(verdicts))},
        "warnings": [f"{c.text}: {c.broken_count or c.reason}" for c in result.checks if c.verdict == "warn"],
        "not_run": [f"{c.text}: {c.reason}" for c in result.checks if c.verdict == "not_run"],
        "run_id": result.run_id,
        "seconds": round(result.seconds, 2),
    }


def _print_result(told: dict[str, Any]) -> None:
    if "error" in told:
        click.echo(told["error"], err=True)
        return
    if told["outcome"] == "left out":
        click.echo(f"{told['product']}   left out: {told['reason']}, which was not published", err=True)
        return
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
        f"{told['checks'].get('pass', 0)} checks passed",
    ]
    if told["quarantined"]:
        parts.append(f"{told['quarantined']:,} rows in quarantine")
    click.echo("   ".join([*parts, "profile kept", f"{told['seconds']:.1f} s"]))
    for line in told["warnings"]:
        click.echo(f"  warning: {line}", err=True)
    for line in told["not_run"]:
        click.echo(f"  not run: {line}", err=True)

"""mesh publish: run transforms and publish what they make."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from mesh_catalog.access.mesh import Mesh
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
@click.option("--together", is_flag=True, help="All or none: readers see every new version, or no one.")
@click.option("--allow-breaking", is_flag=True, help="Publish a new major version whose readers are known.")
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
    together: bool,
    allow_breaking: bool,
    as_json: bool,
    master: str | None,
) -> None:
    """Publish data products: all of the workspace, or those named, inputs first, fresh or not.

    A batch that breaks its contract is refused and readers stay on the version they had (exit 3). Products that read a
    refused one are left out; the others go on. Only what is stale: mesh run.

    With --together a batch that is refused stops them all, and readers see all new versions at once.

    With --from and --to, one interval of event time after another; the same command goes on where it was stopped.

    \b
    Example:
      mesh publish payments.transactions
      mesh publish payments.transactions payments.daily --together
      mesh publish payments.daily --from 2026-01-01 --to 2026-02-01
    """
    from mesh_catalog.access.mesh import open_mesh
    from mesh_catalog.catalog.store import utc_now
    from mesh_catalog.cli.backfill import backfill_products, parse_period
    from mesh_catalog.cli.changes import begin_anew
    from mesh_catalog.cli.together import publish_all_or_none
    from mesh_catalog.settings import load_settings
    from mesh_catalog.workspace import publish_order
    from mesh_catalog.workspace.life_cycles import living_products

    period = parse_period(start, end, interval)
    slicing = {"--from": period, "--force": force, "--whole": whole, "--new-checkpoint": fresh}
    given = [option for option, value in slicing.items() if value]
    if given and not products:
        raise click.UsageError(f"{given[0]} needs the names of the products.")
    if force and period is None:
        raise click.UsageError("--force needs --from and --to: it does intervals again.")
    if (whole or fresh) and (period is not None or dry_run or (whole and fresh)):
        raise click.UsageError(f"{'--whole' if whole else '--new-checkpoint'} goes by itself.")
    if together and given:
        raise click.UsageError(f"--together does not go with {given[0]}.")
    with open_mesh(load_settings(master=master)) as mesh:
        chosen = list(products) or living_products(mesh.workspace, utc_now().date())
        order = publish_order(mesh.workspace, chosen)
        if period is not None:
            backfill_products(
                mesh, order, period, force=force, allow_breaking=allow_breaking, dry_run=dry_run, as_json=as_json
            )
            return
        if dry_run:
            _print_plan(order, as_json=as_json)
            return
        if together:
            publish_all_or_none(mesh, order, allow_breaking=allow_breaking, as_json=as_json)
            return
        if whole or fresh:
            begin_anew(mesh, order, whole=whole, allow_breaking=allow_breaking, as_json=as_json)
            return
        _publish_all(mesh, order, as_json=as_json, allow_breaking=allow_breaking)


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


def _publish_all(mesh: Mesh, order: list[ProductSpec], *, as_json: bool, allow_breaking: bool) -> None:
    from mesh_catalog.catalog.assets import sync_workspace
    from mesh_catalog.cli.output import emit_json
    from mesh_catalog.cli.products import exit_code, run_visibly, tell_run

    sync_workspace(mesh.catalog, mesh.workspace)
    ended = run_visibly(mesh, order, jobs=1, app_name="mesh publish", as_json=as_json, allow_breaking=allow_breaking)
    if as_json:
        emit_json([tell_run(run) for run in ended])
    if code := exit_code(ended):
        raise SystemExit(code)
    if not as_json and ended:
        click.echo(f"next: mesh show {order[-1].name}", err=True)

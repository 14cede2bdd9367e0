"""mesh run: publish what is stale, and say why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from mesh_catalog.access.mesh import Mesh
    from mesh_catalog.orchestration.plan import PlannedProduct
    from mesh_catalog.specs import ProductSpec

__all__ = ["command"]


@click.command("run")
@click.argument("products", nargs=-1, metavar="[PRODUCT]...")
@click.option("--downstream", is_flag=True, help="With PRODUCT: take in what comes from it as well.")
@click.option("--force", is_flag=True, help="Publish the named products, or all, even where they are fresh.")
@click.option("--jobs", type=click.IntRange(1, 64), default=2, show_default=True, help="Products at a time.")
@click.option("--dry-run", is_flag=True, help="Say what is stale and why, and run nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.option("--master", help="Spark master; conf/ says it otherwise.")
def command(
    products: tuple[str, ...],
    downstream: bool,
    force: bool,
    jobs: int,
    dry_run: bool,
    as_json: bool,
    master: str | None,
) -> None:
    """Publish what is stale: of the whole workspace, or the named products and all that they come from.

    A product is stale where it was never published, an input has a newer version, source files have arrived or changed,
    its contract or its transform changed, or its last run did not end well. Where nothing is stale, no Spark starts.
    A refused or failed product stops only those that read it; the exit code is the worst.

    \b
    Example:
      mesh run payments.daily --dry-run
    """
    from mesh_catalog.access.mesh import open_mesh
    from mesh_catalog.orchestration.plan import plan_run
    from mesh_catalog.settings import load_settings

    if downstream and not products:
        raise click.UsageError("--downstream needs a PRODUCT; without one, the whole workspace is looked at.")
    with open_mesh(load_settings(master=master)) as mesh:
        plan = plan_run(mesh, products, downstream=downstream, force=force)
        if dry_run:
            _print_plan(plan, products, as_json=as_json)
        else:
            _run(mesh, plan, jobs=jobs, as_json=as_json)


def _print_plan(plan: Sequence[PlannedProduct], products: Sequence[str], *, as_json: bool) -> None:
    from mesh_catalog.cli.output import emit_json, print_table

    if as_json:
        emit_json(
            [
                {
                    "product": item.product.name,
                    "stale": bool(item.reasons),
                    "reasons": item.reasons,
                    "follows": item.follows,
                    "notes": item.notes,
                }
                for item in plan
            ]
        )
        return
    if stale := [item for item in plan if item.to_run]:
        print_table([(item.product.name, _why(item)) for item in stale], ("product", "why"))
    _print_fresh(plan)
    if stale:
        click.echo(f"next: {' '.join(['mesh run', *products])}", err=True)


def _why(item: PlannedProduct) -> str:
    return "; ".join([*item.reasons, *(f"reads {name}, which runs first" for name in item.follows)])


def _print_fresh(plan: Sequence[PlannedProduct]) -> None:
    fresh = [item for item in plan if not item.to_run]
    if fresh:
        click.echo(f"{len(fresh)} of {len(plan)} {'is' if len(fresh) == 1 else 'are'} fresh", err=True)
    for item in plan:
        if item.notes:
            told = "; ".join(item.notes)
            click.echo(f"  {item.product.name}: {told}; its next batch is made by it, earlier rows stay", err=True)


def _run(mesh: Mesh, plan: Sequence[PlannedProduct], *, jobs: int, as_json: bool) -> None:
    from mesh_catalog.catalog.assets import sync_workspace
    from mesh_catalog.cli.output import emit_json
    from mesh_catalog.cli.products import exit_code, run_visibly, tell_run
    from mesh_catalog.orchestration.staleness import check_staleness

    sync_workspace(mesh.catalog, mesh.workspace)
    planned = {item.product.name: item for item in plan}

    def why(product: ProductSpec) -> Sequence[str]:
        reasons = planned[product.name].reasons
        return reasons if reasons == ("--force",) else check_staleness(mesh, product).reasons

    if not as_json:
        _print_fresh(plan)
    order = [item.product for item in plan if item.to_run]
    ended = run_visibly(mesh, order, why=why, jobs=jobs, app_name="mesh run", as_json=as_json)
    if as_json:
        told: list[dict[str, Any]] = [{"product": i.product.name, "outcome": "fresh"} for i in plan if not i.to_run]
        emit_json([*told, *(tell_run(run) | {"why": planned[run.product].reasons} for run in ended)])
    elif ended:
        counts = Counter(run.state for run in ended)
        click.echo(", ".join(f"{count} {state}" for state, count in counts.items()), err=True)
    if code := exit_code(ended):
        raise SystemExit(code)

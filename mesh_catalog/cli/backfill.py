"""mesh publish --from --to: products published interval by interval."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyspark.sql import SparkSession

    from mesh_catalog.access.mesh import Mesh
    from mesh_catalog.lake.backfill import BackfillStep
    from mesh_catalog.specs import Interval, ProductSpec

__all__ = ["Period", "backfill_products", "parse_period"]


@dataclass(frozen=True, kw_only=True)
class Period:
    """What `--from`, `--to` and `--interval` say."""

    start: datetime
    end: datetime
    step: timedelta | None
    """None: as each product's contract says."""


def parse_period(start: str | None, end: str | None, step: str | None) -> Period | None:
    """The period of a backfill; None where there is none.

    Raises:
        click.UsageError: One of the two ends is missing, or a text is no time or no length of time.
    """
    from mesh_catalog.contracts.durations import parse_duration

    if start is None and end is None:
        if step is not None:
            raise click.UsageError("--interval needs --from and --to.")
        return None
    if start is None or end is None:
        raise click.UsageError(f"{'--from' if start is None else '--to'} is missing: a backfill has both ends.")
    try:
        length = parse_duration(step) if step is not None else None
    except ValueError as error:
        raise click.UsageError(f"--interval: {error}") from error
    return Period(start=_time("--from", start), end=_time("--to", end), step=length)


def _time(option: str, text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        told = f"{option}: '{text[:40]}' is not a time. Write for example 2026-01-31 or 2026-01-31T06:00, in UTC."
        raise click.UsageError(told) from error
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def backfill_products(
    mesh: Mesh,
    order: Sequence[ProductSpec],
    period: Period,
    *,
    force: bool,
    allow_breaking: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Publish every interval of each product that is not done; a product's inputs are whole before it begins."""
    from mesh_catalog.access.rights import require_publishable
    from mesh_catalog.catalog.assets import sync_workspace
    from mesh_catalog.cli.output import emit_json
    from mesh_catalog.contracts.durations import parse_duration
    from mesh_catalog.lake.backfill import require_backfill, split_period
    from mesh_catalog.orchestration.leases import HeldLeases

    for product in order:  # all of them before anything is written
        require_publishable(mesh, product)
        require_backfill(product)
    backfill = _Backfill(mesh=mesh, force=force, allow_breaking=allow_breaking, as_json=as_json)
    with HeldLeases(mesh.catalog) as leases:
        if not dry_run:
            sync_workspace(mesh.catalog, mesh.workspace)
            leases.take_all((product.name for product in order), tell=partial(click.echo, err=True))
        for product in order:
            step = period.step or parse_duration(product.contract.interval)
            intervals = split_period(period.start, period.end, step)
            if dry_run:
                backfill.plan(product, intervals)
            else:
                backfill.run(product, intervals)
    if as_json:
        emit_json(backfill.told)
    elif dry_run:
        _print_plan(backfill.told)
    if backfill.stopped:
        raise SystemExit(max(backfill.stopped.values()))


@dataclass(kw_only=True)
class _Backfill:
    mesh: Mesh
    force: bool
    allow_breaking: bool
    as_json: bool
    told: list[dict[str, Any]] = field(default_factory=list)
    stopped: dict[str, int] = field(default_factory=dict)
    """Product that was not finished → exit code; 0 where it was left out because of another."""
    spark: SparkSession | None = None

    def plan(self, product: ProductSpec, intervals: Sequence[Interval]) -> None:
        """Tell what would be done."""
        from mesh_catalog.lake.backfill import plan_backfill

        steps = plan_backfill(self.mesh, product, intervals, force=self.force, dry_run=True)
        self.told += [_told(one, "done" if one.done else "to do") for one in steps]

    def run(self, product: ProductSpec, intervals: Sequence[Interval]) -> None:
        """Run what is not done, up to the first interval that fails."""
        from mesh_catalog.errors import MeshError
        from mesh_catalog.lake.backfill import plan_backfill
        from mesh_catalog.workspace import product_reads

        blocked = [name for name in product_reads(product) if name in self.stopped]
        if blocked:
            self.stopped[product.name] = 0
            self._tell({"product": product.name, "outcome": "left out", "reason": f"reads {', '.join(blocked)}"})
            return
        steps = plan_backfill(self.mesh, product, intervals, force=self.force)
        done = sum(step.done for step in steps)
        if done and not self.as_json:
            click.echo(f"{product.name}   {done} of {len(steps)} intervals were done before", err=True)
        for number, step in enumerate(steps, start=1):
            if step.done:
                self.told.append(_told(step, "done"))
                continue
            try:
                self._tell(self._publish(step, f"{number} of {len(steps)}"))
            except MeshError as error:
                self.stopped[product.name] = error.exit_code
                self._tell(_told(step, "stopped", error=str(error)))
                return

    def _publish(self, step: BackfillStep, place: str) -> dict[str, Any]:
        from mesh_catalog.cli.output import progress
        from mesh_catalog.lake.publish import publish_product
        from mesh_catalog.lake.session import open_session

        if self.spark is None:
            with progress("starts Spark"):
                self.spark = open_session(self.mesh.settings, app_name="mesh publish")
        with progress(f"publishes {step.product.name} {_shown(step.interval)}   {place}"):
            result = publish_product(
                self.spark,
                self.mesh,
                step.product,
                run_id=step.run_id,
                interval=step.interval,
                allow_breaking=self.allow_breaking,
            )
        return _told(
            step,
            "published",
            version=result.version,
            rows=result.rows,
            quarantined=result.quarantined_count,
            seconds=round(result.seconds, 2),
        )

    def _tell(self, told: dict[str, Any]) -> None:
        self.told.append(told)
        if not self.as_json:
            _print_step(told)


def _told(step: BackfillStep, outcome: str, **more: Any) -> dict[str, Any]:
    return {
        "product": step.product.name,
        "from": step.interval.start,
        "to": step.interval.end,
        "outcome": outcome,
        "run_id": step.run_id,
        **more,
    }


def _print_plan(told: Sequence[dict[str, Any]]) -> None:
    from mesh_catalog.cli.output import print_table

    rows = [(one["product"], _day(one["from"]), _day(one["to"]), one["outcome"]) for one in told]
    print_table(rows, ("product", "from", "to", "state"))


def _print_step(told: dict[str, Any]) -> None:
    if told["outcome"] == "left out":
        click.echo(f"{told['product']}   left out: {told['reason']}, which was not finished", err=True)
        return
    shown = f"{_day(told['from'])} to {_day(told['to'])}"
    if told["outcome"] == "stopped":
        click.echo(told["error"], err=True)
        click.echo(f"{told['product']}   stopped at {shown}; the same command goes on there", err=True)
        return
    parts = [told["product"], shown, f"v{told['version']}", f"{told['rows']:,} rows"]
    if told["quarantined"]:
        parts.append(f"{told['quarantined']:,} rows in quarantine")
    click.echo("   ".join([*parts, f"{told['seconds']:.1f} s"]))


def _shown(interval: Interval) -> str:
    return f"{_day(interval.start)} to {_day(interval.end)}"


def _day(time: datetime) -> str:
    """A time as its day, with the hour where it is not midnight."""
    return f"{time:%Y-%m-%d}" if (time.hour, time.minute, time.second) == (0, 0, 0) else f"{time:%Y-%m-%d %H:%M}"

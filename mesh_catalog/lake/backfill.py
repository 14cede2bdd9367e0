"""Backfill: a product published once more for a stretch of event time, one interval after another.

Each interval is a run of its own, named by product, interval, contract and transform: an interval that such a run has
committed is done, so a backfill that was stopped goes on where it stopped when it is called again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from mesh_catalog.access.locations import table_location
from mesh_catalog.catalog.runs import read_versions
from mesh_catalog.errors import InputError
from mesh_catalog.lake.manifest import repair_catalog
from mesh_catalog.lake.table import read_table_state
from mesh_catalog.specs import Interval

if TYPE_CHECKING:
    from mesh_catalog.access.mesh import Mesh
    from mesh_catalog.specs import ProductSpec

__all__ = ["BackfillStep", "plan_backfill", "split_period"]

BACKFILL_MODES: Final = ("overwrite_interval", "upsert")
"""Write modes in which an interval that is written again takes the place of what was there."""
_STEP_LIMIT: Final = 10_000


@dataclass(frozen=True, kw_only=True)
class BackfillStep:
    """One interval of a backfill."""

    product: ProductSpec
    interval: Interval
    run_id: str
    done: bool
    """Whether a run of this id is committed."""


def split_period(start: datetime, end: datetime, step: timedelta) -> list[Interval]:
    """A period cut into intervals of one length, the last one perhaps shorter.

    Raises:
        InputError: The period is empty, the step is not a length, or there would be more than 10,000 intervals.
    """
    if end <= start:
        raise InputError(f"--to {end:%Y-%m-%d %H:%M} is not after --from {start:%Y-%m-%d %H:%M}. Swap them.")
    if step <= timedelta(0):
        raise InputError("--interval must be longer than nothing. Write for example 1d.")
    count = -((start - end) // step)
    if count > _STEP_LIMIT:
        raise InputError(f"--interval: {count:,} intervals are more than {_STEP_LIMIT:,}. Take longer ones.")
    return [Interval(start + i * step, min(start + (i + 1) * step, end)) for i in range(count)]


def plan_backfill(
    mesh: Mesh, product: ProductSpec, intervals: Sequence[Interval], *, force: bool = False, dry_run: bool = False
) -> list[BackfillStep]:
    """The steps of a backfill in their order, and which of them are done. Reads catalog and log; needs no JVM.

    Args:
        force: Count no step as done; each is then a new run.
        dry_run: Only look: leave the catalog as it is where a publisher died before it could tell of its commit.

    Raises:
        InputError: The product cannot be backfilled, or its event time is a date and an interval cuts a day.
        StorageError: Its table's log cannot be read.
    """
    require_backfill(product)
    _require_whole_days(product, intervals)
    location = table_location(mesh.settings, product.name)
    state = read_table_state(product.name, location)
    if not dry_run:
        repair_catalog(mesh, product.name, location, state)
    committed = {record.run_id for record in read_versions(mesh.catalog, product.name)}
    committed |= {commit.run_id for commit in state.commits}
    attempt = uuid4().hex if force else ""
    named = _run_names(product)
    steps = []
    for interval in intervals:
        run_id = hashlib.sha256(f"{named} {interval.start} {interval.end} {attempt}".encode()).hexdigest()[:32]
        done = run_id in committed
        steps.append(BackfillStep(product=product, interval=interval, run_id=run_id, done=done))
    return steps


def require_backfill(product: ProductSpec) -> None:
    """Refuse a product whose intervals cannot be written again.

    Raises:
        InputError: It has no event time, a write mode that would add rows twice or drop others, or it reads changes.
    """
    contract = product.contract
    if contract.event_time is None:
        raise InputError(
            f"{product.name}: does not say when its rows happened, so it has no intervals. Add customProperty "
            "eventTime to its contract."
        )
    if contract.read_changes is not None:
        raise InputError(
            f"{product.name}: reads the changes of {contract.read_changes.product}, and an interval of them would "
            f"count as all. Read the whole of it once more: mesh publish {product.name} --whole"
        )
    if contract.write_mode not in BACKFILL_MODES:
        why = {
            "append": "would add its rows a second time",
            "overwrite": "would drop the rows of every other interval",
            "overwrite_partitions": "replaces partitions, which may hold rows of other intervals",
            "history": "would open and close rows out of the order of time",
        }[contract.write_mode]
        raise InputError(
            f"{product.name}: an interval written by {contract.write_mode} {why}. Write writeMode overwrite_interval "
            "in its contract, or upsert."
        )


def _require_whole_days(product: ProductSpec, intervals: Sequence[Interval]) -> None:
    column = product.contract.column(product.contract.event_time or "")
    ends = {time for interval in intervals for time in (interval.start, interval.end)}
    if column is not None and column.spark_type == "date" and any(time.time() != time.min.time() for time in ends):
        raise InputError(
            f"{product.name}: its event time {column.name} is a date, so an interval cannot cut a day. Let --from, "
            "--to and --interval be whole days, in UTC."
        )


def _run_names(product: ProductSpec) -> str:
    """What makes a run another one: the product, its contract's version, and the text of its transform."""
    build = product.build.read_bytes() if product.build else b""
    return f"{product.name} {product.contract.version} {hashlib.sha256(build).hexdigest()}"

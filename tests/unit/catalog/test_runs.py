from __future__ import annotations

import pytest

from mesh_catalog.catalog.runs import (
    consumed_files,
    finish_run,
    latest_version,
    read_checks,
    read_run,
    read_runs,
    read_versions,
    start_run,
    unfinished_runs,
)
from mesh_catalog.catalog.store import Catalog
from mesh_catalog.errors import ConflictError, NotFoundError, StorageError
from tests.unit.catalog.conftest import ON_BOTH
from tests.unit.catalog.samples import NOON, failed_check, publish, version_of

pytestmark = ON_BOTH

NAME = "payments.transactions"


def start(catalog: Catalog, run_id: str | None = None) -> str:
    return start_run(catalog, product=NAME, kind="publish", principal="ana", run_id=run_id, contract_version="1.0.0")


def test_a_finished_run_is_read_back_with_its_version_checks_inputs_and_files(catalog: Catalog) -> None:
    run_id = start(catalog)
    version = version_of(NAME, 0, run_id)
    checks = [failed_check(verdict="pass", broken_count=0, example_keys=()), failed_check(verdict="warn")]
    finish_run(
        catalog,
        run_id,
        outcome="published",
        checks=checks,
        version=version,
        inputs={"payments.daily": 3},
        source_files=["a.csv", "b.csv", "a.csv"],
    )
    assert read_versions(catalog, NAME) == [version]
    assert latest_version(catalog, NAME) == version
    assert read_checks(catalog, run_id) == checks
    assert consumed_files(catalog, NAME) == {"a.csv", "b.csv"}
    run = read_run(catalog, run_id)
    assert (run.outcome, run.inputs, run.principal) == ("published", {"payments.daily": 3}, "ana")
    assert run.finished_at is not None and run.finished_at >= run.started_at
    assert run.finished_at.tzinfo is not None


def test_finishing_a_committed_run_again_changes_nothing(catalog: Catalog) -> None:
    run_id = publish(catalog, NAME, 0, source_files=["a.csv"])
    before = read_run(catalog, run_id)
    finish_run(catalog, run_id, outcome="published", version=version_of(NAME, 0, run_id), source_files=["b.csv"])
    finish_run(catalog, run_id, outcome="failed", message="died while it said goodbye")
    assert read_run(catalog, run_id) == before
    assert consumed_files(catalog, NAME) == {"a.csv"}
    assert len(read_versions(catalog, NAME)) == 1


@pytest.mark.parametrize("first", ["failed", "refused"])
def test_a_run_that_failed_or_was_refused_can_be_tried_again_under_its_id(catalog: Catalog, first: str) -> None:
    run_id = start(catalog)
    finish_run(catalog, run_id, outcome=first, message="no", checks=[failed_check()])  # type: ignore[arg-type]
    assert start(catalog, run_id) == run_id
    assert [run.id for run in unfinished_runs(catalog, NAME)] == [run_id]
    finish_run(catalog, run_id, outcome="published", version=version_of(NAME, 0, run_id))
    assert read_run(catalog, run_id).outcome == "published"
    assert read_checks(catalog, run_id) == []


def test_starting_a_committed_run_again_leaves_it_committed(catalog: Catalog) -> None:
    run_id = publish(catalog, NAME, 0)
    assert start(catalog, run_id) == run_id
    assert read_run(catalog, run_id).outcome == "published"
    assert unfinished_runs(catalog, NAME) == []


def test_files_of_a_refused_run_are_not_consumed(catalog: Catalog) -> None:
    run_id = start(catalog)
    finish_run(catalog, run_id, outcome="refused", source_files=["bad.csv"])
    assert consumed_files(catalog, NAME) == set()


def test_a_run_id_of_another_product_is_a_conflict(catalog: Catalog) -> None:
    run_id = start(catalog)
    with pytest.raises(ConflictError, match=f"{run_id} is a publish of payments.transactions"):
        start_run(catalog, product="payments.daily", kind="publish", principal="ana", run_id=run_id)


def test_a_run_that_was_never_started_cannot_end(catalog: Catalog) -> None:
    with pytest.raises(NotFoundError, match="run x: was never started"):
        finish_run(catalog, "x", outcome="done")


def test_a_committed_version_of_an_unheard_of_run_is_taken_in(catalog: Catalog) -> None:
    finish_run(catalog, "lost", outcome="published", version=version_of(NAME, 0, "lost"))
    assert read_run(catalog, "lost").product == NAME
    assert [record.run_id for record in read_versions(catalog, NAME)] == ["lost"]


def test_a_version_of_an_unregistered_product_is_refused_and_nothing_is_written(catalog: Catalog) -> None:
    with pytest.raises(NotFoundError, match=r"payments\.ghost: the catalog does not know it"):
        publish(catalog, "payments.ghost", 0)
    assert read_versions(catalog, "payments.ghost") == []


def test_two_runs_cannot_have_made_the_same_version(catalog: Catalog) -> None:
    first = publish(catalog, NAME, 0)
    with pytest.raises(StorageError, match=f"run {first} made it"):
        publish(catalog, NAME, 0)


def test_versions_come_oldest_first_and_runs_newest_first(catalog: Catalog) -> None:
    ids = [publish(catalog, NAME, version) for version in range(3)]
    assert [record.version for record in read_versions(catalog, NAME)] == [0, 1, 2]
    assert [run.id for run in read_runs(catalog, NAME, limit=2)] == [ids[2], ids[1]]
    assert read_runs(catalog, NAME, outcome="refused") == []


def test_a_time_without_a_zone_is_refused(catalog: Catalog) -> None:
    with pytest.raises(ValueError, match="has no time zone"):
        publish(catalog, NAME, 0, changes={"event_to": NOON.replace(tzinfo=None)})


def test_times_come_back_as_the_same_instant_in_utc(catalog: Catalog) -> None:
    from datetime import timedelta, timezone

    seoul = NOON.astimezone(timezone(timedelta(hours=9)))
    publish(catalog, NAME, 0, changes={"event_to": seoul})
    found = latest_version(catalog, NAME)
    assert found is not None and found.event_to == NOON
    assert found.event_to is not None and found.event_to.utcoffset() == timedelta(0)

"""Each thing that makes a product stale, told from the catalog and the workspace alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mesh_catalog.cli.main import run_command
from mesh_catalog.errors import NotFoundError
from mesh_catalog.orchestration.plan import plan_run
from mesh_catalog.orchestration.staleness import check_staleness, require_inputs
from tests.unit.catalog.samples import DAILY as DAILY_CONTRACT

from .conftest import DAILY, TRANSACTIONS, Published

ROOT = Path(__file__).resolve().parents[3]
APPEND = "customProperties: [{property: writeMode, value: append}]\n"


def change_file(published: Published) -> None:
    os.utime(published.root / "landing" / "a.csv", ns=(1, 1))


def remove_file(published: Published) -> None:
    (published.root / "landing" / "a.csv").unlink()


def add_product(published: Published) -> None:
    folder = published.root / "domains" / "payments" / "weekly"
    folder.mkdir()
    (folder / "contract.yaml").write_text(DAILY_CONTRACT.replace("daily", "weekly"))
    (folder / "build.sql").write_text("select day, amount_eur from payments.daily")
    published.reload()


CHANGES: dict[str, tuple[Callable[[Published], object], str, tuple[str, ...]]] = {
    "nothing": (lambda p: None, TRANSACTIONS, ()),
    "nothing, of one with inputs": (lambda p: None, DAILY, ()),
    "a new product": (add_product, "payments.weekly", ("never published",)),
    "a newer input": (
        lambda p: p.publish(TRANSACTIONS),
        DAILY,
        ("payments.transactions is v1, it was made from v0",),
    ),
    "a new file": (lambda p: p.land("b.csv"), TRANSACTIONS, ("1 new file",)),
    "two new files": (lambda p: [p.land("b.csv"), p.land("c.csv")], TRANSACTIONS, ("2 new files",)),
    "a file written anew": (change_file, TRANSACTIONS, ("1 new file",)),
    "a file gone": (remove_file, TRANSACTIONS, ("1 file gone",)),
    "a new rule": (
        lambda p: p.edit("transactions/contract.yaml", "minimum: 0", "minimum: 1"),
        TRANSACTIONS,
        ("contract.yaml changed",),
    ),
    "another contract's rule": (lambda p: p.edit("transactions/contract.yaml", "minimum: 0", "minimum: 1"), DAILY, ()),
    "the transform": (lambda p: p.edit("daily/build.sql", "sum", "max"), DAILY, ("build.sql changed",)),
    "the source": (
        lambda p: p.edit("transactions/source.yaml", "tx_fraud: bigint", "tx_fraud: int"),
        TRANSACTIONS,
        ("build.sql or source.yaml changed",),
    ),
    "a filled interval": (
        lambda p: p.publish(TRANSACTIONS).fill(DAILY, {TRANSACTIONS: 1}),
        DAILY,
        ("payments.transactions is v1, it was made from v0",),
    ),
    "an input that was looked at and had no new rows": (
        lambda p: p.publish(TRANSACTIONS).end(DAILY, "unchanged", {TRANSACTIONS: 1}),
        DAILY,
        (),
    ),
    "a run that nobody knows the transform of": (lambda p: p.forget(DAILY), DAILY, ("what made it is not known",)),
    "a failed run": (lambda p: p.end(DAILY, "failed"), DAILY, ("its last run failed",)),
    "a refused run": (lambda p: p.end(DAILY, "refused"), DAILY, ("its last run was refused",)),
    "a killed run": (lambda p: p.start(DAILY), DAILY, ("its last run did not end",)),
    "a failed run that was made good": (lambda p: p.end(DAILY, "failed").end(DAILY, "unchanged"), DAILY, ()),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_product_is_stale_for_what_changed_and_for_nothing_else(published: Published, change: str) -> None:
    happen, product, reasons = CHANGES[change]
    happen(published)
    assert check_staleness(published.mesh, published.mesh.workspace.product(product)).reasons == reasons


def test_an_appended_product_waits_for_files_and_only_notes_what_else_changed(published: Published) -> None:
    contract = published.root / "domains/payments/transactions/contract.yaml"
    contract.write_text(contract.read_text() + APPEND)
    published.reload()
    published.end(TRANSACTIONS, "unchanged")
    transactions = published.mesh.workspace.product(TRANSACTIONS)
    assert not check_staleness(published.mesh, transactions).stale
    published.edit("transactions/build.sql", "select *", "select  *")
    found = check_staleness(published.mesh, published.mesh.workspace.product(TRANSACTIONS))
    assert (found.reasons, found.notes) == ((), ("build.sql or source.yaml changed",))
    (published.root / "landing" / "a.csv").unlink()  # an archived file was read all the same
    assert not check_staleness(published.mesh, published.mesh.workspace.product(TRANSACTIONS)).stale
    published.land("b.csv")
    assert check_staleness(published.mesh, published.mesh.workspace.product(TRANSACTIONS)).reasons == ("1 new file",)


def test_a_product_that_reads_changes_runs_for_changes_only(published: Published) -> None:
    contract = published.root / "domains/payments/daily/contract.yaml"
    text = contract.read_text().replace("required: true}", "required: true, primaryKey: true}")
    custom = "[{property: writeMode, value: upsert}, {property: readChanges, value: payments.transactions}]"
    contract.write_text(f"{text}customProperties: {custom}\n")
    published.reload()
    published.publish(DAILY, {TRANSACTIONS: 0})
    published.edit("daily/build.sql", "sum", "max")
    daily = published.mesh.workspace.product(DAILY)
    assert check_staleness(published.mesh, daily).reasons == ()
    assert check_staleness(published.mesh, daily).notes == ("build.sql changed",)
    published.publish(TRANSACTIONS)
    assert check_staleness(published.mesh, daily).reasons == ("payments.transactions is v1, it was made from v0",)


def test_files_that_only_spark_can_list_are_a_reason_to_look(published: Published) -> None:
    published.edit("transactions/source.yaml", "landing/*.csv", "s3a://bucket/*.csv")
    published.publish(TRANSACTIONS)
    found = check_staleness(published.mesh, published.mesh.workspace.product(TRANSACTIONS))
    assert found.reasons == ("only Spark can list s3a://bucket/*.csv",)


def test_what_has_nothing_to_read_is_told_before_spark_starts(published: Published) -> None:
    (published.root / "landing" / "a.csv").unlink()
    with pytest.raises(NotFoundError, match="no file has arrived"):
        require_inputs(published.mesh, published.mesh.workspace.product(TRANSACTIONS))
    add_product(published)
    published.edit("weekly/build.sql", "payments.daily", "payments.fraud__predictions")
    with pytest.raises(NotFoundError, match=r"never published\. First: mesh score payments\.fraud$"):
        require_inputs(published.mesh, published.mesh.workspace.product("payments.weekly"))


def test_a_plan_holds_the_named_with_what_they_come_from(published: Published) -> None:
    add_product(published)
    published.land("b.csv")

    def planned(*names: str, **options: bool) -> dict[str, tuple[str, ...]]:
        return {
            item.product.name.removeprefix("payments."): (*item.reasons, *item.follows)
            for item in plan_run(published.mesh, names, **options)
        }

    assert planned(TRANSACTIONS) == {"transactions": ("1 new file",)}
    assert planned(DAILY) == {"transactions": ("1 new file",), "daily": (TRANSACTIONS,)}
    everything = planned(DAILY) | {"weekly": ("never published", DAILY)}
    assert planned(TRANSACTIONS, downstream=True) == everything == planned()
    published.publish(TRANSACTIONS)
    published.publish(DAILY, {TRANSACTIONS: 1})
    assert planned(DAILY, force=True) == {"transactions": (), "daily": ("--force",)}
    with pytest.raises(NotFoundError, match=r"Did you mean 'payments\.daily'"):
        planned("payments.dayly")
    published.edit("weekly/build.sql", "payments.daily", "payments.nowhere")
    assert planned(DAILY) == {"transactions": (), "daily": ()}  # what another one does wrong, is not looked at


def test_a_run_of_fresh_products_ends_without_spark(published: Published) -> None:
    code = (
        "import sys; from mesh_catalog.cli.main import run_command; code = run_command(['run']);"
        "print('pyspark' in sys.modules, 'pyarrow' in sys.modules, code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "MESH_WORKSPACE": str(published.root)},
        check=True,
    )
    assert (done.stdout, done.stderr) == ("False False 0\n", "2 of 2 are fresh\n")


def test_a_dry_run_says_what_is_stale_and_why(
    published: Published, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MESH_WORKSPACE", str(published.root))
    published.land("b.csv")
    assert run_command(["run", "--dry-run"]) == 0
    shown = capsys.readouterr()
    assert "payments.transactions  1 new file" in shown.out
    assert "reads payments.transactions, which runs first" in shown.out
    assert run_command(["run", "--dry-run", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [(one["product"], one["stale"], one["follows"]) for one in told] == [
        (TRANSACTIONS, True, []),
        (DAILY, False, [TRANSACTIONS]),
    ]
    assert run_command(["run", "--downstream"]) == 2
    assert "--downstream needs a PRODUCT" in capsys.readouterr().err

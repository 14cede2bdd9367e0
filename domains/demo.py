"""The whole loop on simulated traffic, in a workspace of its own: what `make demo` runs.

Every step is the command a user would type, run in this process so that Spark starts once. The summary's figures are
read back from the catalog.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from domains.inbox import open_inbox
from domains.traffic import DRIFT_DAY, Traffic, write_csv
from mesh_catalog.cli.main import run_command

__all__ = ["main"]

REPOSITORY = Path(__file__).resolve().parent.parent
MODEL = "payments.fraud"
OWNER = "payments@example.org"
_TRAINED_DAYS = 35


class Demo:
    """A workspace in `folder`, and the steps that fill it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.started = time.monotonic()
        self.traffic = Traffic()
        self.step = 0

    def prepare(self) -> None:
        """A fresh workspace with the two example domains, and what has arrived so far."""
        shutil.rmtree(self.folder, ignore_errors=True)
        for name in ("conf", "domains/customers", "domains/payments"):
            shutil.copytree(REPOSITORY / name, self.folder / name)
        os.environ["MESH_WORKSPACE"] = str(self.folder)
        write_csv(self.traffic.customers(), self.folder / "landing/customers/profiles/customers.csv")
        self.land(0, _TRAINED_DAYS)

    def land(self, first_day: int, last_day: int, *, spoiled: bool = False) -> Path:
        """Payments of some days arrive as a file; spoiled: with amounts below zero and times missing."""
        path = self.folder / f"landing/payments/transactions/days-{first_day:03d}-{last_day:03d}.csv"
        rows = self.traffic.payments_of(first_day, last_day)
        if spoiled:
            rows.loc[rows.index[::97], "amount"] *= -1
            rows.loc[rows.index[5:8], "paid_at"] = None
        write_csv(rows, path)
        return path

    def say(self, text: str) -> None:
        self.step += 1
        print(f"\n── {self.step}. {text}   [{time.monotonic() - self.started:.0f} s]", flush=True)

    def mesh(self, *arguments: str, expected: int = 0) -> None:
        """Run one command as a user would; anything but the expected exit code ends the demo."""
        print(f"$ mesh {shlex.join(arguments)}", flush=True)
        code = run_command(arguments)
        sys.stdout.flush()
        if code != expected:
            raise SystemExit(f"the demo stops: exit code {code}, expected {expected}")

    def week(self) -> None:
        """A week of payments arrives, is published and scored; payments and model are looked at."""
        self.mesh("publish", "payments.transactions", "payments.card_activity")
        self.mesh("monitor", "payments.transactions", "--kind", "data_drift")
        self.mesh("score", MODEL)
        self.mesh("monitor", MODEL)


def run(folder: Path) -> None:
    with open_inbox() as inbox:
        os.environ["PAYMENTS_ALERT_URL"] = inbox.url  # as domains/payments/domain.yaml names it
        demo = Demo(folder)
        play(demo)
        summarise(demo, inbox.titles)


def play(demo: Demo) -> None:
    world = demo.traffic
    demo.say(f"simulated traffic: {world.customer_count:,} customers, about {world.payments_per_day:,} payments a day")
    demo.prepare()
    demo.mesh("check")
    demo.say("two domains publish what they promise")
    demo.mesh("publish")
    demo.say("a model learns to stop fraud")
    demo.mesh("train", MODEL)
    demo.say("a quiet week")
    demo.land(_TRAINED_DAYS, DRIFT_DAY)
    demo.week()
    demo.say("a bad batch arrives and is refused; readers notice nothing")
    demo.land(DRIFT_DAY, DRIFT_DAY + 7, spoiled=True)
    demo.mesh("publish", "payments.transactions", expected=3)
    demo.mesh("show", "payments.transactions", "--refused")
    demo.say("it is corrected; people have begun to buy online: the first week of drift")
    demo.land(DRIFT_DAY, DRIFT_DAY + 7)
    demo.week()
    demo.mesh("retrain", MODEL)
    demo.say("the second week of drift: the loop trains a challenger, and its owner is asked")
    demo.land(DRIFT_DAY + 7, DRIFT_DAY + 14)
    demo.week()
    demo.mesh("retrain", MODEL)
    print(f"$ export MESH_PRINCIPAL={OWNER}")
    os.environ["MESH_PRINCIPAL"] = OWNER
    demo.mesh("approve", MODEL, "v2", "--reason", "the online payments are caught")
    del os.environ["MESH_PRINCIPAL"]
    demo.say("the third week: the new champion at work")
    demo.land(DRIFT_DAY + 14, DRIFT_DAY + 21)
    demo.week()
    demo.mesh("retrain", MODEL)
    demo.say("what is known now, without a JVM")
    demo.mesh("timeline", MODEL, "--columns", "1")
    demo.mesh("alert", "list", "--all")
    demo.mesh("search", "fraud")
    demo.mesh("lineage", MODEL, "--upstream")


def summarise(demo: Demo, told: Sequence[str]) -> None:
    """The figures of the run, out of the catalog, and where to look on."""
    from mesh_catalog.access.mesh import open_mesh
    from mesh_catalog.catalog.decisions import read_decisions
    from mesh_catalog.catalog.models import read_alias
    from mesh_catalog.catalog.runs import latest_version
    from mesh_catalog.catalog.verdicts import read_verdicts

    with open_mesh() as mesh:
        payments = latest_version(mesh.catalog, "payments.transactions")
        verdicts = read_verdicts(mesh.catalog, MODEL, kind="data_drift", limit=10)
        decisions = read_decisions(mesh.catalog, MODEL)
        champion = read_alias(mesh.catalog, MODEL, "champion")
        mlflow_uri = mesh.settings.mlflow_uri
    assert payments is not None
    evidence = decisions[0].evidence
    where = os.path.relpath(demo.folder)
    program = os.path.relpath(Path(sys.executable).parent)
    print(f"\n── summary   [{time.monotonic() - demo.started:.0f} s]")
    print(f"payments     {payments.total_rows:,} rows in v{payments.version} of payments.transactions, 1 batch refused")
    for verdict in reversed(verdicts):
        print(f"week to      {verdict.window_to:%Y-%m-%d}   {verdict.reason}")
    print(
        f"decision     {decisions[0].action}: {evidence['metric']} {evidence['champion']:.3f} → "
        f"{evidence['challenger']:.3f} on {evidence['rows']:,} payments; champion is v{champion}"
    )
    drifted = next(verdict for verdict in verdicts if verdict.outcome == "fail")
    if told:
        print(f"told         {len(told)} messages to the owner's webhook, the first: {told[0]}")
    print(f"report       xdg-open {os.path.relpath(str(drifted.report_html))}")
    print(f"look on      MESH_WORKSPACE={where} {program}/mesh show {MODEL}")
    print(f"MLflow       {program}/mlflow ui --backend-store-uri {mlflow_uri}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo in the folder given, `.demo` otherwise."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    run(Path(given[0] if given else ".demo").resolve())
    return 0


if __name__ == "__main__":
    sys.exit(main())

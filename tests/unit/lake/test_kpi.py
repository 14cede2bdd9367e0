"""KPIs: computed from a Delta table by their definitions, and reproduced after these have changed. No JVM."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pyarrow as pa
import pytest
from deltalake import write_deltalake
from sqlalchemy import update

from mesh_catalog.access.mesh import Mesh, open_mesh
from mesh_catalog.catalog.assets import sync_workspace
from mesh_catalog.catalog.kpis import read_definitions
from mesh_catalog.catalog.lineage import lineage
from mesh_catalog.catalog.readers import readers_of
from mesh_catalog.catalog.search import search
from mesh_catalog.catalog.tables import kpi_definitions
from mesh_catalog.cli.main import run_command
from mesh_catalog.errors import InputError, NotFoundError
from mesh_catalog.lake.kpi import KpiPoint, compute_kpi
from mesh_catalog.settings import load_settings
from tests.unit.catalog.samples import NOON, publish, write_workspace

FRAUD_RATE = """\
kpis:
  - name: fraud_rate
    title: Share of fraudulent payments
    source: payments.transactions
    time: tx_datetime
    grain: day
    unit: ratio
    formula: sum(tx_fraud) / count(*)
    target: {at_most: 0.25}
    cadence: weekly
    reason: What the board asks for.
    tags: [fraud]
"""
VERSIONED = FRAUD_RATE.replace(
    "    formula: sum(tx_fraud) / count(*)\n",
    "    versions:\n"
    "      - {formula: sum(tx_fraud) / count(*)}\n"
    "      - {valid_from: 2026-05-03, formula: sum(tx_fraud) / count(*), filters: [tx_amount > 10]}\n",
)


@dataclass
class Ledger:
    """payments.transactions as a real table of a few days, and the catalog that knows it."""

    root: Path
    mesh: Mesh
    opened: ExitStack
    version: int = -1

    def append(self, rows: list[tuple[int, datetime, float, int]], committed_at: datetime = NOON) -> None:
        columns = list(zip(*rows, strict=True))
        table = pa.table(
            {
                "transaction_id": pa.array(columns[0], pa.int64()),
                "tx_datetime": pa.array(columns[1], pa.timestamp("us", "UTC")),
                "customer_id": pa.array([1] * len(rows), pa.int64()),
                "device_mail": pa.array([None] * len(rows), pa.string()),
                "tx_amount": pa.array(columns[2], pa.float64()),
                "tx_fraud": pa.array(columns[3], pa.int64()),
            }
        )
        write_deltalake(f"{self.mesh.settings.lake}/payments/transactions", table, mode="append")
        self.version += 1
        publish(self.mesh.catalog, "payments.transactions", self.version, changes={"committed_at": committed_at})

    def define(self, text: str) -> None:
        """Write kpis.yaml, and register what it says, as the next command would."""
        (self.root / "domains/payments/kpis.yaml").write_text(text, encoding="utf-8")
        self.opened.close()
        self.mesh = self.opened.enter_context(open_mesh(load_settings(workspace=self.root)))
        sync_workspace(self.mesh.catalog, self.mesh.workspace)

    def values(self, **options: Any) -> list[float | int | None]:
        return [point.value for point in self.points(**options)]

    def points(self, **options: Any) -> tuple[KpiPoint, ...]:
        return compute_kpi(self.mesh, "payments.fraud_rate", **options).points


@pytest.fixture
def ledger(workspace_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ledger]:
    root = write_workspace(workspace_dir)
    monkeypatch.chdir(root)
    with ExitStack() as opened:
        mesh = opened.enter_context(open_mesh(load_settings(workspace=root)))
        found = Ledger(root, mesh, opened)
        found.define(FRAUD_RATE)
        day = datetime(2026, 5, 1, 9, tzinfo=UTC)
        found.append(
            [(n, day + timedelta(days=n // 4), amount, int(n % 4 == 0)) for n, amount in enumerate([5.0, 20.0] * 8)]
        )
        yield found


def test_a_kpi_is_computed_period_by_period(ledger: Ledger) -> None:
    points = ledger.points()
    assert [f"{point.period:%Y-%m-%d}" for point in points] == ["2026-05-01", "2026-05-02", "2026-05-03", "2026-05-04"]
    assert [point.value for point in points] == [0.25] * 4
    assert all(point.meets_target for point in points)


def test_bounds_take_whole_periods(ledger: Ledger) -> None:
    periods = [point.period for point in ledger.points(start="2026-05-02T08:00", end="2026-05-03T01:00")]
    assert [f"{period:%m-%d}" for period in periods if period] == ["05-02", "05-03"]
    with pytest.raises(InputError, match="before it begins"):
        ledger.points(start="2026-05-03", end="2026-05-01")
    with pytest.raises(InputError, match="'soon' is no moment"):
        ledger.points(start="soon")


def test_a_new_formula_leaves_the_values_before_it_as_they_were(ledger: Ledger) -> None:
    before = ledger.values()
    ledger.define(VERSIONED)
    points = ledger.points()
    assert [point.value for point in points][:2] == before[:2]
    assert [point.formula for point in points] == [1, 1, 2, 2]
    assert [point.value for point in points][2:] == [0.0, 0.0]  # the frauds are payments of 5
    assert ledger.values(version=1) == before
    assert ledger.values(version=2) == [0.0] * 4
    with pytest.raises(NotFoundError, match="has no version 3"):
        ledger.values(version=3)


def test_values_of_then_are_reproduced_after_the_formula_was_rewritten_and_rows_came_late(ledger: Ledger) -> None:
    before = ledger.values()
    ledger.define(FRAUD_RATE.replace("sum(tx_fraud) / count(*)", "sum(tx_amount)"))
    ledger.append([(99, datetime(2026, 5, 1, 10, tzinfo=UTC), 1000.0, 0)], NOON + timedelta(days=2))
    with ledger.mesh.catalog.write() as connection:  # the first definition was of before, the second came later
        for position, at in ((1, NOON), (2, NOON + timedelta(days=1))):
            connection.execute(
                update(kpi_definitions).where(kpi_definitions.c.position == position).values(registered_at=at)
            )
    assert ledger.values()[0] == 1050.0
    assert ledger.values(as_of="2026-06-01T13:00") == [50.0] * 4
    assert ledger.values(as_of="2026-05-31T13:00") == before


def test_a_definition_is_kept_once_and_never_overwritten(ledger: Ledger) -> None:
    ledger.define(FRAUD_RATE.replace("weekly", "daily"))
    assert len(read_definitions(ledger.mesh.catalog, "payments.fraud_rate")) == 1
    ledger.define(VERSIONED)
    ledger.define(FRAUD_RATE)
    assert [len(one.formulas) for one in read_definitions(ledger.mesh.catalog, "payments.fraud_rate")] == [1, 2, 1]


def test_a_formula_that_is_written_anew_in_place_is_noted(ledger: Ledger, capsys: pytest.CaptureFixture[str]) -> None:
    path = ledger.root / "domains/payments/kpis.yaml"
    path.write_text(VERSIONED, encoding="utf-8")
    assert run_command(["check"]) == 0
    assert "is written anew" not in capsys.readouterr().err
    path.write_text(FRAUD_RATE.replace("sum(tx_fraud) / count(*)", "avg(tx_fraud)"), encoding="utf-8")
    assert run_command(["check"]) == 0
    assert "payments.fraud_rate: the formula valid since ever is written anew" in capsys.readouterr().err


def test_a_kpi_is_split_by_its_dimensions(ledger: Ledger) -> None:
    ledger.define(FRAUD_RATE.replace("unit: ratio", "dimensions: [tx_amount]"))
    points = ledger.points(by=["tx_amount"], end="2026-05-02")
    assert [(point.by, point.value) for point in points] == [((20.0,), 0.0), ((5.0,), 0.5)]
    with pytest.raises(NotFoundError, match="has no dimension 'country'"):
        ledger.points(by=["country"])


def test_a_kpi_is_in_search_and_lineage_and_a_reader_of_its_columns(ledger: Ledger) -> None:
    catalog = ledger.mesh.catalog
    assert next((hit.kind, hit.name) for hit in search(catalog, "fraudulent share")) == ("kpi", "payments.fraud_rate")
    down = lineage(catalog, "payments.transactions", direction="downstream")
    assert ("kpi", "payments.fraud_rate") in {node.key for node in down.nodes}
    readers = {one.name: one for one in readers_of(catalog, "payments.transactions", ["tx_fraud"])}
    assert readers["payments.fraud_rate"].kind == "kpi"
    assert "payments.fraud_rate" not in {
        one.name for one in readers_of(catalog, "payments.transactions", ["device_mail"])
    }


def test_the_verb_prints_values_lists_and_draws(ledger: Ledger, capsys: pytest.CaptureFixture[str]) -> None:
    ledger.define(VERSIONED)
    assert run_command(["kpi", "payments.fraud_rate", "--chart", "fraud.html"]) == 0
    lines = capsys.readouterr().out.splitlines()
    shown = {line.split()[1]: line.count("█") for line in lines if line.startswith("20")}
    most = max(map(float, shown))
    assert "0.25" in shown and all(abs(bar - 20 * float(value) / most) < 1 for value, bar in shown.items())
    page = Path("fraud.html").read_text(encoding="utf-8")
    assert 'class="target"' in page
    assert "formula 2" in page
    assert page.count("<circle") == 4
    assert run_command(["kpi", "payments.fraud_rate", "--chart", "fraud.svg"]) == 0
    marks = [one for one in ElementTree.parse("fraud.svg").iter() if one.tag == "{http://www.w3.org/2000/svg}circle"]
    assert len(marks) == 4
    assert run_command(["kpi", "payments.fraud_rate", "--from", "2031-01-01", "--chart", "none.svg"]) == 2
    assert "no period has a value" in capsys.readouterr().err and not Path("none.svg").exists()
    assert run_command(["kpi", "payments.fraud_rate", "--chart", "fraud.png"]) == 2
    capsys.readouterr()
    assert run_command(["kpi", "--list"]) == 0
    assert "payments.fraud_rate" in capsys.readouterr().out
    assert run_command(["kpi", "payments.fraud_rate", "--json"]) == 0
    assert [point["formula"] for point in json.loads(capsys.readouterr().out)["points"]] == [1, 1, 2, 2]
    assert run_command(["kpi", "payments.fraud_rat"]) == 4
    assert "Did you mean 'payments.fraud_rate'" in capsys.readouterr().err
    assert run_command(["kpi"]) == 2

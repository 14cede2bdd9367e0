"""The verbs that only read: search, show, lineage, audit, preview. Without a JVM, by the real command."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from mesh_catalog.access.gate import read_audit, request_read
from mesh_catalog.access.locations import table_location
from mesh_catalog.access.mesh import Mesh, open_mesh
from mesh_catalog.catalog.assets import sync_workspace
from mesh_catalog.catalog.decisions import DecisionRecord, record_decision
from mesh_catalog.catalog.models import set_alias
from mesh_catalog.catalog.runs import CheckRecord, finish_run, start_run
from mesh_catalog.cli.main import run_command
from mesh_catalog.errors import NotFoundError
from mesh_catalog.settings import load_settings
from tests.unit.catalog.samples import NOON, amount_edge, failed_check, publish, train, write_workspace

TRANSACTIONS, DAILY, MODEL = "payments.transactions", "payments.daily", "payments.fraud"


@pytest.fixture
def mesh(workspace_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mesh]:
    monkeypatch.setenv("MESH_WORKSPACE", str(write_workspace(workspace_dir)))
    monkeypatch.setenv("MESH_PRINCIPAL", "ana")
    with open_mesh(load_settings()) as mesh:
        sync_workspace(mesh.catalog, mesh.workspace)
        yield mesh


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run_command(arguments) == 0
    return capsys.readouterr().out


def document(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    return json.loads(told(capsys, *arguments, "--json"))


@pytest.mark.parametrize("verb", ["search", "show", "lineage", "audit", "preview"])
def test_help_ends_with_an_example(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = told(capsys, verb, "--help")
    assert f"Example:\n    mesh {verb} " in text and "--json" in text


def test_search_lists_hits_and_says_what_is_next(mesh: Mesh, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["search", "terminl"]) == 0
    out, err = capsys.readouterr()
    assert TRANSACTIONS in out and "Every card payment" in out
    assert err == f"next: mesh show {TRANSACTIONS}\n"
    hit = document(capsys, "search", "fraud")[0]
    assert (hit["name"], hit["kind"], hit["matched"]) == (MODEL, "model", ["name"])


def test_search_that_finds_nothing_says_so(mesh: Mesh, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["search", "zebra"]) == 0
    assert "nothing matches 'zebra'" in capsys.readouterr().err
    assert document(capsys, "search", "zebra") == []
    assert run_command(["search", "fraud", "--kind", "nonsense"]) == 2
    assert "There are product, model, dashboard, kpi, term, dataset." in capsys.readouterr().err


def test_show_tells_what_a_product_is(mesh: Mesh, capsys: pytest.CaptureFixture[str]) -> None:
    publish(mesh.catalog, TRANSACTIONS, 0, checks=[failed_check(verdict="pass"), failed_check(verdict="warn")])
    text = told(capsys, "show", TRANSACTIONS)
    for part in (
        "payments-team",
        "#payments-pager",
        "1.0.0",
        "personal?",
        "tx_amount >= 0",
        "v0",
        "1 of 2 checks passed",
    ):
        assert part in text
    data = document(capsys, "show", TRANSACTIONS)
    assert data["product"]["owner"] == "payments-team"
    assert [c["name"] for c in data["columns"] if c["personal"]] == ["customer_id", "device_mail"]
    assert data["versions"][0]["version"] == 0 and data["last_run"]["outcome"] == "published"


def test_show_tells_the_ports_of_a_product_and_the_tags_that_come_with_its_data(
    mesh: Mesh, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(mesh.catalog, TRANSACTIONS, 0)
    of_people = amount_edge(from_column="customer_id", to_column="amount_eur", kind="TRANSFORMATION")
    publish(mesh.catalog, "payments.daily", 0, inputs={TRANSACTIONS: 0}, column_edges=[of_people])
    text = told(capsys, "show", "payments.daily")
    assert f"from {TRANSACTIONS}.customer_id" in text
    data = document(capsys, "show", TRANSACTIONS)
    assert data["ports"]["outputs"] == [TRANSACTIONS]
    assert "payments.daily" in data["ports"]["readers"]
    assert document(capsys, "show", "payments.daily")["ports"]["inputs"] == [TRANSACTIONS]


def test_show_refused_tells_which_checks_failed_how_often_and_where(
    mesh: Mesh, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(["show", TRANSACTIONS, "--refused"]) == 0
    assert "no batch was ever refused" in capsys.readouterr().err
    publish(mesh.catalog, TRANSACTIONS, 0)
    run_id = start_run(mesh.catalog, product=TRANSACTIONS, kind="publish", principal="ana")
    finish_run(mesh.catalog, run_id, outcome="refused", checks=[failed_check(), failed_check(verdict="pass")])
    text = told(capsys, "show", TRANSACTIONS, "--refused")
    assert "readers are on v0" in text and "1,204 rows break it" in text and "transaction_id 288071" in text
    data = document(capsys, "show", TRANSACTIONS, "--refused")
    assert [check["broken_count"] for check in data["checks"]] == [1204]
    assert run_command(["show", TRANSACTIONS]) == 0
    assert f"next: mesh show {TRANSACTIONS} --refused" in capsys.readouterr().err


def test_show_tells_what_a_model_is(mesh: Mesh, capsys: pytest.CaptureFixture[str]) -> None:
    publish(mesh.catalog, TRANSACTIONS, 0)
    train(mesh.catalog)
    set_alias(mesh.catalog, MODEL, "champion", 1, reason="first", at=NOON)
    decision = DecisionRecord(
        id="d", model=MODEL, action="promote", reasons=("first",), at=NOON, principal="ana",
        from_version=None, to_version=1, evidence={},
    )  # fmt: skip
    record_decision(mesh.catalog, decision)
    text = told(capsys, "show", MODEL)
    for part in ("Stop fraudulent", "v1", "champion", "average_precision 0.660", "promote v1"):
        assert part in text
    assert document(capsys, "show", MODEL)["aliases"] == {"champion": 1}


def test_lineage_draws_both_ways_and_columns(mesh: Mesh, capsys: pytest.CaptureFixture[str]) -> None:
    publish(mesh.catalog, TRANSACTIONS, 0, source_files=["landing/a.csv"])
    publish(mesh.catalog, DAILY, 0, inputs={TRANSACTIONS: 0}, column_edges=[amount_edge()])
    text = told(capsys, "lineage", DAILY, "--columns")
    assert f"└── {TRANSACTIONS}  v0" in text
    assert "    └── landing/*.csv (1 file read)" in text
    assert "payments.daily.amount_eur" in text and "AGGREGATION" in text
    assert "led to\n└── nothing" in text
    upstream = document(capsys, "lineage", DAILY, "--upstream")
    assert list(upstream) == ["upstream"] and upstream["upstream"]["graph"]["complete"] is True
    assert "payments.fraud  model  not run yet" in told(capsys, "lineage", TRANSACTIONS, "--downstream")


def test_an_incomplete_lineage_is_an_error_with_exit_code_one(mesh: Mesh, capsys: pytest.CaptureFixture[str]) -> None:
    publish(mesh.catalog, DAILY, 0, inputs={"ledger.ghost": 0})
    assert run_command(["lineage", DAILY]) == 1
    out, err = capsys.readouterr()
    assert out == "" and "lineage is incomplete" in err


def test_audit_shows_allowed_and_refused_reads(mesh: Mesh, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["audit"]) == 0
    assert "nobody has asked to read anything yet" in capsys.readouterr().err
    publish(mesh.catalog, TRANSACTIONS, 0)
    request_read(mesh, TRANSACTIONS, purpose="analysis", columns=["tx_amount"])
    with pytest.raises(NotFoundError, match="has no column"):
        request_read(mesh, TRANSACTIONS, purpose="train", columns=["ghost"])
    text = told(capsys, "audit", TRANSACTIONS)
    assert "ana" in text and "tx_amount" in text and "refused: payments.transactions v0: has no column 'ghost'" in text
    assert [event["allowed"] for event in document(capsys, "audit", TRANSACTIONS)] == [False, True]


def test_preview_shows_rows_with_personal_values_masked_and_leaves_an_event(
    mesh: Mesh, capsys: pytest.CaptureFixture[str]
) -> None:
    columns = {
        "transaction_id": [1, 2],
        "customer_id": [4711, 4712],
        "device_mail": ["a@b.c", None],
        "tx_amount": [9.5, 3.0],
    }
    missing = {"tx_datetime": [NOON, NOON], "tx_fraud": [0, 1]}
    write_deltalake(table_location(mesh.settings, TRANSACTIONS), pa.table({**columns, **missing}))
    publish(mesh.catalog, TRANSACTIONS, 0)
    assert run_command(["preview", TRANSACTIONS, "--limit", "1"]) == 0
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 2 and "9.5" in out
    assert "4711" not in out and "a@b.c" not in out
    assert "masked: customer_id, device_mail" in err
    data = document(capsys, "preview", TRANSACTIONS, "--columns", "tx_amount, transaction_id")
    assert sorted(row["tx_amount"] for row in data["rows"]) == [3.0, 9.5]
    assert (data["version"], data["masked"]) == (0, [])
    assert [event.purpose for event in read_audit(mesh, TRANSACTIONS)] == ["preview", "preview"]


def test_an_unknown_name_ends_with_exit_code_four(mesh: Mesh, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["show", "payments.dayly"], ["lineage", "payments.dayly"], ["preview", "payments.dayly"]):
        assert run_command(arguments) == 4
        assert "Did you mean 'payments.daily'?" in capsys.readouterr().err


def test_checks_are_counted_by_verdict_and_one_that_was_not_run_never_as_passed(
    mesh: Mesh, capsys: pytest.CaptureFixture[str]
) -> None:
    checks = [
        CheckRecord(rule="a", text="a >= 0", column="a", severity="error", verdict="pass", reason="against x.y v3"),
        CheckRecord(rule="b", text="theirs", column=None, severity="error", verdict="not_run", reason="engine soda"),
        CheckRecord(rule="c", text="few", column=None, severity="warning", verdict="warn", broken_count=3),
    ]
    publish(mesh.catalog, TRANSACTIONS, 0, checks=checks)
    text = told(capsys, "show", TRANSACTIONS, "--checks")
    assert "1 of 3 checks passed, 1 warned, 1 not run" in text
    assert "engine soda" in text and "against x.y v3" in text and "3 rows break it" in text
    assert document(capsys, "show", TRANSACTIONS, "--checks")["counts"] == {"not_run": 1, "pass": 1, "warn": 1}
    assert "1 of 3 checks passed, 1 warned, 1 not run" in told(capsys, "show", TRANSACTIONS)


def test_show_tells_what_each_version_was_made_of(mesh: Mesh, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["show", TRANSACTIONS, "--origins"]) == 0
    assert "has no version yet" in capsys.readouterr().err
    files = ["landing/a b.csv 1204 1795272519618000000", "s3a://b/c.csv 7 1795272519618", "delta stock v3"]
    publish(mesh.catalog, TRANSACTIONS, 0, source_files=[*files, *(f"landing/z{n}.csv 1 1" for n in range(30))])
    publish(mesh.catalog, DAILY, 0, inputs={TRANSACTIONS: 0})
    text = told(capsys, "show", TRANSACTIONS, "--origins")
    assert "landing/a b.csv   1,204 bytes, of 2026-11-21 14:48:39" in text
    assert "and 13 more: --json" in text
    (version,) = document(capsys, "show", TRANSACTIONS, "--origins")["versions"]
    assert len(version["sources"]) == 33 and set(files) <= set(version["sources"])
    (daily,) = document(capsys, "show", DAILY, "--origins")["versions"]
    assert (daily["products"], daily["sources"]) == ({TRANSACTIONS: 0}, [])

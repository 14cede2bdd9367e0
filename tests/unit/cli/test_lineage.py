"""`mesh lineage` over what is outside, columns and versions, and as pictures: the real command, without a JVM."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mesh_catalog.access.mesh import Mesh, open_mesh
from mesh_catalog.catalog.assets import sync_workspace
from mesh_catalog.cli.main import run_command
from mesh_catalog.settings import load_settings
from tests.openlineage import dataset, flows, run_event
from tests.unit.catalog.samples import amount_edge, publish, train, write_workspace

TRANSACTIONS, DAILY = "payments.transactions", "payments.daily"


@pytest.fixture
def mesh(workspace_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mesh]:
    monkeypatch.setenv("MESH_WORKSPACE", str(write_workspace(workspace_dir)))
    with open_mesh(load_settings()) as opened:
        sync_workspace(opened.catalog, opened.workspace)
        publish(opened.catalog, TRANSACTIONS, 0)
        publish(opened.catalog, DAILY, 0, inputs={TRANSACTIONS: 0}, column_edges=[amount_edge()])
        yield opened


def run(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> tuple[str, str]:
    assert run_command(["lineage", *arguments]) == code
    found = capsys.readouterr()
    return found.out, found.err


def event(mesh: Mesh, minute: int = 0, *, label: str = "out", **changes: Any) -> dict[str, Any]:
    """A job outside that reads payments.daily."""
    ours = {"namespace": "file", "name": f"{mesh.settings.lake}/payments/daily"}
    return run_event("COMPLETE", minute, inputs=[ours], outputs=[dataset(label)]) | changes


def test_a_file_of_lines_an_array_and_standard_input_are_taken_in(
    mesh: Mesh, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "events.json"
    path.write_text("".join(json.dumps(event(mesh, label=name)) + "\n\n" for name in "ab"))
    assert run(capsys, "ingest", str(path), "--dry-run")[0] == "2 events are right\n"
    assert not any("#" in name for edge in flows(mesh.catalog) for name in edge)
    assert run(capsys, "ingest", str(path))[0] == "2 events taken in\n"
    path.write_text(json.dumps([event(mesh, label="c")], indent=2))
    assert json.loads(run(capsys, "ingest", str(path), "--json")[0]) == {"events": 1, "own": 0, "kept": True}
    path.write_text(json.dumps(event(mesh, label="d"), indent=2))
    assert run(capsys, "ingest", str(path), "--dry-run")[0] == "1 event is right\n"
    run(capsys, "ingest", str(path))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(json.dumps(event(mesh, label="e")).encode())))
    run(capsys, "ingest", "-")
    out, _ = run(capsys, DAILY, "--downstream")
    assert f"{DAILY}  v0" in out and "└── etl#load  job" in out
    assert [name for name in "abcde" if f"warehouse#{name}  dataset" not in out] == []
    assert flows(mesh.catalog) >= {(DAILY, "etl#load"), ("etl#load", "warehouse#e")}


def test_a_file_with_one_bad_line_is_refused_whole_by_its_place(
    mesh: Mesh, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "events.ndjson"
    for bad, said in (('{"x": 1}', "eventTime is missing"), ("{", "is not JSON"), ("[]", "is not a JSON object")):
        path.write_text(f"{json.dumps(event(mesh))}\n{bad}\n")
        _, err = run(capsys, "ingest", str(path), code=2)
        assert f"{path}, line 2: {said}" in err
    path.write_bytes(b"\xff\xfe{}")
    run(capsys, "ingest", str(path), code=2)
    run(capsys, "ingest", str(tmp_path / "none"), code=2)
    path.write_text("")
    assert run(capsys, "ingest", str(path))[0] == "0 events taken in\n"
    assert not any("#" in name for edge in flows(mesh.catalog) for name in edge)


def test_a_column_names_readers_owners_and_model_versions(mesh: Mesh, capsys: pytest.CaptureFixture[str]) -> None:
    train(mesh.catalog)
    out, _ = run(capsys, f"{TRANSACTIONS}.tx_amount", "--downstream")
    assert "payments.daily.amount_eur  AGGREGATION  payments-team" in out
    assert "payments.fraud  v1        payments.transactions.tx_amount  payments-team" in out
    found = json.loads(run(capsys, f"{DAILY}.amount_eur", "--upstream", "--json")[0])["upstream"]
    assert [(one["table"], one["column"]) for one in found["impact"]["columns"]] == [(TRANSACTIONS, "tx_amount")]
    _, err = run(capsys, f"{TRANSACTIONS}.tx_amuont", code=4)
    assert "has no column 'tx_amuont'. Did you mean 'tx_amount'?" in err


def test_a_version_names_what_made_it_and_what_came_of_it(mesh: Mesh, capsys: pytest.CaptureFixture[str]) -> None:
    publish(mesh.catalog, TRANSACTIONS, 1)
    publish(mesh.catalog, DAILY, 1, inputs={TRANSACTIONS: 1})
    train(mesh.catalog)
    found = json.loads(run(capsys, TRANSACTIONS, "--version", "0", "--json")[0])
    made = {(node["product"], node["version"]) for node in found["downstream"]["nodes"]}
    assert made == {(TRANSACTIONS, 0), (DAILY, 0), ("payments.fraud__training", 0), ("payments.fraud", 1)}
    up = json.loads(run(capsys, DAILY, "--version", "1", "--upstream", "--json")[0])["upstream"]
    assert up["links"] == [{"source": [TRANSACTIONS, 1], "target": [DAILY, 1]}]
    _, err = run(capsys, DAILY, "--version", "7", code=4)
    assert err == "payments.daily: has no version 7. It has v0, v1.\n"


def test_what_is_missing_is_an_error_and_allowed_only_when_asked_for(
    mesh: Mesh, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(mesh.catalog, DAILY, 1, inputs={TRANSACTIONS: 0}, changes={"kept_from": 1})  # no column was seen
    run(capsys, DAILY, "--upstream")
    for name in (DAILY, f"{DAILY}.amount_eur"):
        out, err = run(capsys, name, "--upstream", "--columns", code=1)
        assert out == "" and "columns of payments.daily, whose transform hides which of payments.transactions" in err
        out, err = run(capsys, name, "--upstream", "--columns", "--allow-incomplete")
        assert out and "missing: columns of payments.daily" in err


def test_pictures_name_every_node_and_carry_no_markup_of_names(
    mesh: Mesh, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "events.ndjson"
    path.write_text(json.dumps(event(mesh, label='<script>alert("1")</script>')))
    run(capsys, "ingest", str(path))
    for shape in ("mermaid", "dot", "html"):
        out, _ = run(capsys, TRANSACTIONS, "--downstream", "--format", shape)
        assert "payments.daily v0" in out and "etl" in out
    assert "<script>" not in out and "&lt;script&gt;" in out


def test_a_kpi_is_drawn_like_anything_else(mesh: Mesh, workspace_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = workspace_dir / "domains/payments/kpis.yaml"
    file.write_text("kpis: [{name: made, source: payments.transactions, formula: count(*)}]\n")
    with open_mesh(load_settings()) as opened:
        sync_workspace(opened.catalog, opened.workspace)
    assert "payments.made  kpi" in run(capsys, TRANSACTIONS, "--downstream")[0]
    for shape in ("mermaid", "dot", "html"):
        assert "payments.made" in run(capsys, TRANSACTIONS, "--downstream", "--format", shape)[0]

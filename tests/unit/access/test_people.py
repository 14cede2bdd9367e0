"""Who reads, who asks, who decides, and what nobody uses; by the verbs, over a table written without a JVM."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import write_deltalake
from sqlalchemy import update

from mesh_catalog.access.gate import request_read
from mesh_catalog.access.mesh import Mesh, open_mesh
from mesh_catalog.access.popularity import read_popularity
from mesh_catalog.access.requests import ask_for, decide_request
from mesh_catalog.catalog.assets import sync_workspace
from mesh_catalog.catalog.store import utc_now
from mesh_catalog.catalog.tables import audit_events
from mesh_catalog.catalog.versions import latest_version
from mesh_catalog.cli.main import run_command
from mesh_catalog.errors import AccessDeniedError, ConflictError, DeprecatedProductWarning, InputError, RefusedError
from mesh_catalog.lake.readers import read_arrow
from mesh_catalog.settings import load_settings
from tests.unit.catalog.samples import publish, train, write_workspace

GLOSSARY = (
    "terms:\n  - name: turnover\n    labels: {en: Turnover, ko: 매출}\n    synonyms: [sales]\n"
    "    definition: What was paid.\n    links: [payments.daily, payments.transactions.tx_amount]\n"
)


@pytest.fixture
def root(workspace_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    found = write_workspace(workspace_dir)
    (found / "domains/payments/glossary.yaml").write_text(GLOSSARY, encoding="utf-8")
    domain = found / "domains/payments/domain.yaml"
    domain.write_text(f"{domain.read_text()}members: [bo]\n")
    monkeypatch.chdir(found)
    monkeypatch.setenv("MESH_PRINCIPAL", "ana")
    with open_mesh(load_settings(workspace=found)) as mesh:
        sync_workspace(mesh.catalog, mesh.workspace)
        days = pa.table({"day": pa.array([None], pa.date32()), "amount_eur": [1.5]})
        write_deltalake(f"{mesh.settings.lake}/payments/daily", days)
        publish(mesh.catalog, "payments.daily", 0, changes={"committed_at": utc_now() - timedelta(days=100)})
    return found


def told(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> Any:
    capsys.readouterr()
    assert run_command([*arguments, "--json"]) == code
    return json.loads(capsys.readouterr().out)


def as_of(mesh: Mesh, principal: str) -> Mesh:
    return replace(mesh, principal=principal)


def test_reads_are_counted_by_reader_over_thirty_days(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for principal in ("ana", "ana", "cy", "old"):
        monkeypatch.setenv("MESH_PRINCIPAL", principal)
        read_arrow("payments.daily")
    with open_mesh(load_settings(workspace=root)) as mesh:
        with mesh.catalog.write() as connection:
            long_ago = utc_now() - timedelta(days=31)
            connection.execute(update(audit_events).where(audit_events.c.principal == "old").values(at=long_ago))
        found = read_popularity(mesh.catalog, ["payments.daily", "payments.transactions"])
    assert (found["payments.daily"].readers, found["payments.daily"].reads) == (2, 3)
    assert found["payments.transactions"].reads == 0
    hits = {hit["name"]: hit for hit in told(capsys, "search", "결제내역")}
    assert hits["payments.daily"]["popularity"]["readers"] == 2
    assert run_command(["show", "payments.daily"]) == 0
    assert "2 readers, 3 reads in 30 days" in capsys.readouterr().out


def test_unused_products_are_reported_until_somebody_reads_them(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (line,) = told(capsys, "report", "unused")
    assert (line["name"], line["last_read_at"]) == ("payments.daily", None)
    assert line["size_bytes"] > 0
    assert told(capsys, "report", "unused", "--days", "101") == []
    read_arrow("payments.daily")
    assert told(capsys, "report", "unused") == []


def test_unowned_assets_are_reported_with_their_domain(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys, "report", "unowned") == []
    domain = root / "domains/payments/domain.yaml"
    domain.write_text(domain.read_text().replace("owner: payments-team\n", ""))
    with open_mesh(load_settings(workspace=root)) as mesh:
        sync_workspace(mesh.catalog, mesh.workspace)
    found = {(line["kind"], line["name"]) for line in told(capsys, "report", "unowned")}
    assert {("domain", "payments"), ("product", "payments.daily"), ("model", "payments.fraud")} <= found
    assert ("term", "payments.glossary.turnover") in found


def test_a_request_is_logged_and_decided_by_the_owners_people_only(root: Path) -> None:
    with open_mesh(load_settings(workspace=root)) as mesh:
        request = ask_for(mesh, "payments.daily", purpose="Churn study", principal="cy")
        assert (request.owner, request.state, request.asked_by) == ("payments-team", "open", "ana")
        with pytest.raises(ConflictError, match="has an open request for it already"):
            ask_for(mesh, "payments.daily", purpose="again", principal="cy")
        with pytest.raises(InputError, match="needs a purpose"):
            ask_for(mesh, "payments.daily", purpose=" ")
        with pytest.raises(AccessDeniedError, match="payments-team or bo to decide"):
            decide_request(as_of(mesh, "cy"), request.id, "approved", reason="I want it")
        decided = decide_request(as_of(mesh, "bo"), request.id, "denied", reason="No purpose of ours")
        assert (decided.state, decided.decided_by, decided.reason) == ("denied", "bo", "No purpose of ours")
        with pytest.raises(ConflictError, match="is denied already, by bo"):
            decide_request(as_of(mesh, "bo"), request.id, "approved", reason="after all")
        again = ask_for(mesh, "payments.daily", purpose="Churn study", principal="cy")
        with pytest.raises(AccessDeniedError, match="It is for cy or ana"):
            decide_request(as_of(mesh, "bo"), again.id, "withdrawn", reason="x")
        assert decide_request(mesh, again.id, "withdrawn", reason="Not needed").state == "withdrawn"


def test_the_verbs_ask_list_and_decide(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = told(capsys, "request", "payments.daily", "--purpose", "Study", "--as", "cy")
    assert told(capsys, "requests", "--open")[0]["id"] == made["id"]
    assert run_command(["requests", "--approve", made["id"]]) == 2
    assert run_command(["requests", "--approve", made["id"], "--reason", "fine"]) == 3
    monkeypatch.setenv("MESH_PRINCIPAL", "payments-team")
    assert told(capsys, "requests", "--approve", made["id"], "--reason", "fine")["state"] == "approved"
    assert told(capsys, "requests", "--open") == []
    assert run_command(["requests", "--deny", "nope", "--reason", "x"]) == 4
    assert run_command(["request", "payments.dayly", "--purpose", "x"]) == 4


def end(root: Path, status: str, *properties: str) -> None:
    path = root / "domains/payments/daily/contract.yaml"
    lines = "".join(f"  - {{property: {one}}}\n" for one in properties)
    more = f"customProperties:\n{lines}" if lines else ""
    text = path.read_text(encoding="utf-8").partition("customProperties:")[0]
    for known in ("active", "deprecated", "retired"):
        text = text.replace(f"status: {known}", f"status: {status}")
    path.write_text(text + more, encoding="utf-8")
    with open_mesh(load_settings(workspace=root)) as mesh:
        sync_workspace(mesh.catalog, mesh.workspace)


def test_reading_what_is_deprecated_warns_and_what_is_retired_is_refused(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    successor = "successor, value: payments.transactions"
    end(root, "deprecated", successor, "retiresOn, value: '2999-01-01'")
    with pytest.warns(DeprecatedProductWarning, match="retires on 2999-01-01. Use payments.transactions instead"):
        assert read_arrow("payments.daily").num_rows == 1
    assert run_command(["preview", "payments.daily"]) == 0
    assert "note: payments.daily: is deprecated" in capsys.readouterr().err
    assert "deprecated" in [hit["status"] for hit in told(capsys, "search", "daily")]
    end(root, "deprecated", successor, "retiresOn, value: '2020-01-01'")
    with pytest.raises(RefusedError, match="is retired since 2020-01-01. Use payments.transactions instead"):
        read_arrow("payments.daily")
    end(root, "retired", successor)
    assert run_command(["sql", "select count(*) from payments.daily"]) == 3
    assert run_command(["publish", "payments.daily", "--dry-run"]) == 0
    with open_mesh(load_settings(workspace=root)) as mesh, pytest.raises(RefusedError, match="is retired"):
        ask_for(mesh, "payments.daily", purpose="Study")


def test_what_a_model_learned_from_is_given_to_it_again_although_its_product_is_retired(root: Path) -> None:
    end(root, "retired")
    with open_mesh(load_settings(workspace=root)) as mesh:
        publish(mesh.catalog, "payments.transactions", 0)
        pinned = latest_version(mesh.catalog, "payments.daily")
        assert pinned is not None
        with pytest.raises(RefusedError, match="is retired"):
            request_read(mesh, "payments.daily", purpose="train")
        train(mesh.catalog, inputs={"payments.daily": pinned.version})
        assert request_read(mesh, "payments.daily", purpose="train").version == pinned.version
        with pytest.raises(RefusedError, match="is retired"):
            request_read(mesh, "payments.daily", purpose="analysis")


def test_words_are_found_in_both_languages_and_shown_beside_what_they_name(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for word in ("매출", "turnover", "sales"):
        assert "payments.glossary.turnover" in [hit["name"] for hit in told(capsys, "search", word)], word
    assert told(capsys, "show", "payments.glossary.turnover")["term"]["labels"]["ko"] == "매출"
    assert told(capsys, "show", "payments.daily")["terms"] == ["payments.glossary.turnover"]
    columns = {one["name"]: one["terms"] for one in told(capsys, "show", "payments.transactions")["columns"]}
    assert columns["tx_amount"] == ["payments.glossary.turnover"]
    domain = told(capsys, "show", "payments")
    assert domain["domain"]["members"] == ["bo"]
    assert {one["kind"] for one in domain["assets"]} == {"product", "model", "term"}
    assert run_command(["show", "payments"]) == 0
    assert "#payments-pager" in capsys.readouterr().out

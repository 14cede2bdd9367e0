"""mesh export odcs and odps, mesh import odps: a data product goes from one mesh to another."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from mesh_catalog.cli.main import run_command
from mesh_catalog.contracts.odcs import load_contract
from mesh_catalog.contracts.odcs_document import odcs_validator
from mesh_catalog.workspace import load_workspace
from tests.unit.workspace.samples import fill


@pytest.fixture
def here(workspace_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(fill(workspace_dir))
    return workspace_dir


@pytest.fixture
def there(tmp_path: Path) -> Path:
    """The workspace of another company."""
    (tmp_path / "other/conf").mkdir(parents=True)
    (tmp_path / "other/domains").mkdir()
    return tmp_path / "other"


def test_a_contract_is_written_by_the_newest_standard_with_the_place_of_its_table(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(["export", "odcs", "shop.orders"]) == 0
    written = yaml.safe_load(capsys.readouterr().out)
    assert list(odcs_validator().iter_errors(written)) == []
    assert written["apiVersion"] == "v3.2.0"
    assert written["servers"] == [
        {"server": "lake", "type": "local", "path": f"{here}/.mesh/lake/shop/orders", "format": "delta"}
    ]
    path = here / "orders.odcs.yaml"
    assert run_command(["export", "odcs", "shop.orders", "--output", str(path)]) == 0
    own = load_workspace(here).product("shop.orders").contract
    assert (load_contract(path).columns, load_contract(path).rules) == (own.columns, own.rules)
    assert run_command(["export", "odcs", "shop.ordrs"]) == 4
    assert "Did you mean 'shop.orders'?" in capsys.readouterr().err


def test_a_domain_is_a_data_product_whose_ports_say_what_they_read(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(["export", "odps", "shop", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    ports = {port["name"]: port for port in told["document"]["outputPorts"]}
    assert ports["activity"]["inputContracts"] == [{"id": "shop.orders", "version": "1.0.0"}]
    assert "inputPorts" not in told["document"] and told["written"] == []
    assert run_command(["export", "odps", "shop.activity", "--json"]) == 0
    (port,) = json.loads(capsys.readouterr().out)["document"]["inputPorts"]
    assert port == {"name": "shop.orders", "version": "1.0.0", "contractId": "shop.orders"}
    assert run_command(["export", "odps", "shp"]) == 4
    assert "Did you mean 'shop'?" in capsys.readouterr().err


def test_a_data_product_handed_over_becomes_products_that_read_its_tables(
    here: Path, there: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    share = here / "share/shop.odps.yaml"
    assert run_command(["export", "odps", "shop", "--output", str(share), "--dry-run"]) == 0
    assert not share.exists()
    assert run_command(["export", "odps", "shop", "--output", str(share)]) == 0
    monkeypatch.chdir(there)
    assert run_command(["import", "odps", str(share), "--domain", "partner", "--dry-run"]) == 0
    assert list((there / "domains").iterdir()) == []
    assert run_command(["import", "odps", str(share), "--domain", "partner"]) == 0
    assert "next: mesh publish partner.activity" in capsys.readouterr().err
    mine = load_workspace(there).products
    assert set(mine) == {"partner.activity", "partner.orders"}
    orders = mine["partner.orders"]
    assert orders.owner == "ada"
    assert orders.contract.location == f"{here}/.mesh/lake/shop/orders"
    own = load_workspace(here).product("shop.orders").contract
    assert orders.contract.columns == own.columns and orders.contract.event_time == own.event_time
    assert run_command(["check"]) == 0
    capsys.readouterr()
    assert run_command(["import", "odps", str(share), "--domain", "partner", "--json"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert again["written"] == [] and {one["reason"] for one in again["left_out"]} == {
        "partner.activity exists already",
        "partner.orders exists already",
    }


def test_what_cannot_become_a_product_is_listed_with_its_reason(
    there: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(there)
    contract = "apiVersion: v3.0.2\nkind: DataContract\nid: c1\nversion: 1.0.0\nstatus: active\n"
    table = "schema: [{name: t, properties: [{name: x, logicalType: string}]}]\n"
    (there / "c1.yaml").write_text(contract + table)
    two = table.replace("}]}]", "}]}, {name: u, properties: [{name: x, logicalType: string}]}]")
    server = "servers: [{server: s, type: local, path: /data/t, format: delta}]\n"
    (there / "c2.yaml").write_text(contract.replace("c1", "c2") + server + two)
    (there / "c3.yaml").write_text(contract.replace("c1", "c3") + server.replace("/data/t", "../t") + table)
    ports = "".join(
        f"  - {{name: {name}, version: {version}{more}}}\n"
        for name, version, more in [
            ("a", "1.0.0", ", contractId: c1"),
            ("b", "1.0.0", ", contractId: c2"),
            ("c", "1.0.0", ", contractId: c3"),
            ("d", "1.0.0", ", contractId: c9"),
            ("e", "1.0.0", ""),
        ]
    )
    product = there / "p.odps.yaml"
    product.write_text(f"apiVersion: v0.9.0\nkind: DataProduct\nid: p\nstatus: active\noutputPorts:\n{ports}")
    assert run_command(["import", "odps", str(product), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    reasons = {one["port"]: one["reason"] for one in told["left_out"]}
    assert told["products"] == [] and told["written"] == []
    assert "no server with a Delta table" in reasons["a"]
    assert "there are 2 tables" in reasons["b"]
    assert "an absolute path or a URI" in reasons["c"]
    assert "there is no contract 'c9' 1.0.0" in reasons["d"]
    assert "names no contract" in reasons["e"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a: [", "is not YAML"),
        ("apiVersion: v0.9.0\nkind: DataProduct\nid: p\n", "'status' is missing"),
        ("apiVersion: v9\nkind: DataProduct\nid: p\nstatus: x\n", "p.yaml:1: apiVersion: 'v9' is not known"),
        ("apiVersion: v1.0.0\nkind: DataProduct\nid: p\nstatus: x\noutput: []\n", "'output' was unexpected"),
    ],
)
def test_a_document_that_is_no_data_product_is_refused_with_its_place(
    there: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], text: str, sentence: str
) -> None:
    monkeypatch.chdir(there)
    (there / "p.yaml").write_text(text)
    assert run_command(["import", "odps", "p.yaml"]) == 2
    assert sentence in capsys.readouterr().err
    assert run_command(["import", "odps", "none.yaml"]) == 4

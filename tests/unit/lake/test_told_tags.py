"""Personal data that build.sql brings into a product is noticed by `mesh check`, before anything is published."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from mesh_catalog.cli.main import run_command


def product(root: Path, name: str, sql: str | None, *columns: dict[str, object]) -> Path:
    folder = root / "domains/people" / name
    folder.mkdir(parents=True, exist_ok=True)
    properties = [{"logicalType": "string", **column} for column in columns]
    contract = {
        "apiVersion": "v3.1.0",
        "kind": "DataContract",
        "id": f"people.{name}",
        "version": "1.0.0",
        "status": "active",
        "schema": [{"name": name, "physicalType": "table", "properties": properties}],
    }
    (folder / "contract.yaml").write_text(yaml.safe_dump(contract, sort_keys=False))
    if sql is None:
        (folder / "source.yaml").write_text("path: landing/*.parquet\nformat: parquet\n")
    else:
        (folder / "build.sql").write_text(sql)
    return folder / "contract.yaml"


@pytest.fixture
def root(workspace_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MESH_WORKSPACE", str(workspace_dir))
    personal: dict[str, object] = {"name": "mail", "classification": "personal"}
    product(workspace_dir, "raw", None, personal, {"name": "town"})
    (workspace_dir / "domains/people/domain.yaml").write_text("name: people\nowner: pia\n")
    return workspace_dir


def test_a_column_that_is_made_of_personal_data_two_steps_before_is_named_with_its_path(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    declared: dict[str, object] = {"name": "address", "classification": "personal"}
    product(root, "middle", "select mail as address, town from people.raw", declared, {"name": "town"})
    product(root, "end", "select lower(address) as who, town from people.middle", {"name": "who"}, {"name": "town"})
    assert run_command(["check"]) == 2
    out = capsys.readouterr().out
    assert "domains/people/end/contract.yaml:" in out
    assert "column 'who' is made of people.raw.mail (personal)" in out
    assert "people.end.who ← people.middle.address ← people.raw.mail" in out
    assert out.count("is made of") == 1


def test_what_is_declared_deidentified_or_aggregated_is_left_to_the_publish(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = {"property": "deidentified", "value": {"by": "hash", "reason": "only to join by"}}
    hashed: dict[str, object] = {"name": "key", "customProperties": [said]}
    sql = "select sha2(mail, 256) as key, count(mail) as n from people.raw group by 1"
    product(root, "keys", sql, hashed, {"name": "n", "logicalType": "integer"})
    assert run_command(["check"]) == 0, capsys.readouterr().out

"""What a changed contract means for its readers, told from the catalog alone."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from mesh_catalog.access.mesh import open_mesh
from mesh_catalog.catalog.assets import sync_workspace
from mesh_catalog.catalog.evolution import Evolution, plan_evolution, require_evolution
from mesh_catalog.catalog.readers import readers_of
from mesh_catalog.catalog.store import Catalog
from mesh_catalog.cli.main import run_command
from mesh_catalog.contracts.contract import Contract, Reference, Rule
from mesh_catalog.errors import BreakingChangeError
from mesh_catalog.settings import load_settings
from mesh_catalog.workspace import Workspace
from tests.unit.catalog.samples import amount_edge, publish, write_workspace

TRANSACTIONS, DAILY, MODEL = "payments.transactions", "payments.daily", "payments.fraud"


@pytest.fixture
def published(catalog: Catalog, workspace: Workspace) -> Contract:
    """The contract of transactions, published, and read by daily (its amount) and the model (amount and fraud)."""
    publish(catalog, TRANSACTIONS, 0)
    publish(catalog, DAILY, 0, inputs={TRANSACTIONS: 0}, column_edges=[amount_edge()])
    return workspace.products[TRANSACTIONS].contract


def _without(contract: Contract, *names: str, version: str = "1.1.0") -> Contract:
    kept = tuple(column for column in contract.columns if column.name not in names)
    return replace(contract, columns=kept, version=version, document={})


def _plan(catalog: Catalog, contract: Contract) -> Evolution:
    found = plan_evolution(catalog, contract)
    assert found is not None
    return found


def test_a_contract_that_is_the_published_one_is_no_evolution(catalog: Catalog, published: Contract) -> None:
    assert plan_evolution(catalog, published) is None


def test_a_product_without_a_version_is_free_to_change(catalog: Catalog, workspace: Workspace) -> None:
    assert plan_evolution(catalog, _without(workspace.products[DAILY].contract, "day")) is None


def test_readers_are_known_by_column_with_their_owners(catalog: Catalog, published: Contract) -> None:
    told = {reader.name: (reader.columns, reader.owner) for reader in readers_of(catalog, TRANSACTIONS)}
    assert told == {DAILY: (("tx_amount",), "payments-team"), MODEL: (("tx_amount", "tx_fraud"), "payments-team")}
    assert [reader.name for reader in readers_of(catalog, TRANSACTIONS, ["tx_fraud"])] == [MODEL]
    assert readers_of(catalog, TRANSACTIONS, ["device_mail"]) == ()


def test_a_reader_of_whom_no_columns_are_known_may_read_any(catalog: Catalog) -> None:
    publish(catalog, TRANSACTIONS, 0)
    assert DAILY in {reader.name for reader in readers_of(catalog, TRANSACTIONS, ["device_mail"])}


def test_a_breaking_change_lists_what_and_whom_and_asks_for_a_major_version(
    catalog: Catalog, published: Contract
) -> None:
    with pytest.raises(BreakingChangeError) as refusal:
        require_evolution(_plan(catalog, _without(published, "tx_fraud")), allow_breaking=True)
    told = str(refusal.value).splitlines()
    assert told[0] == "payments.transactions: contract 1.1.0 breaks what v0 was published with (1.0.0)"
    assert "  column 'tx_fraud' is removed" in told
    assert "  read by model payments.fraud reads tx_fraud (owner payments-team)" in told
    assert told[-1].startswith("Raise the contract's version from 1.0.0")


def test_a_major_version_with_readers_needs_their_word_and_without_any_goes_through(
    catalog: Catalog, published: Contract
) -> None:
    read = _plan(catalog, _without(published, "tx_fraud", version="2.0.0"))
    assert "mesh publish payments.transactions --allow-breaking" in str(read.refusal(allow_breaking=False))
    assert read.refusal(allow_breaking=True) is None
    unread = _plan(catalog, _without(published, "device_mail", version="2.0.0"))
    assert unread.refusal(allow_breaking=False) is None


def test_a_rule_of_another_contract_is_a_reader_too(
    catalog: Catalog, published: Contract, workspace: Workspace
) -> None:
    spec = workspace.products[DAILY]
    argument = Reference(columns=("amount_eur",), product=TRANSACTIONS, keys=("device_mail",))
    rule = Rule(id="a.reference", kind="reference", argument=argument)
    other = replace(spec, name="payments.other", contract=replace(spec.contract, id="payments.other", rules=(rule,)))
    contract = _without(published, "device_mail", version="2.0.0")
    found = plan_evolution(catalog, contract, {"payments.other": other})
    assert found is not None
    assert [str(reader) for reader in found.readers] == [
        "check of payments.other reads device_mail (owner payments-team)"
    ]


def test_additive_changes_and_other_words_go_through(catalog: Catalog, published: Contract) -> None:
    found = _plan(catalog, replace(published, description="Other words.", tags=()))
    assert found.refusal(allow_breaking=False) is None
    assert {one.kind for one in found.differences} == {"documentation"}


# mesh check ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def root(workspace_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace whose transactions are published."""
    monkeypatch.setenv("MESH_WORKSPACE", str(write_workspace(workspace_dir)))
    with open_mesh(load_settings()) as mesh:
        sync_workspace(mesh.catalog, mesh.workspace)
        publish(mesh.catalog, TRANSACTIONS, 0)
    return workspace_dir


def _edit(root: Path, *pairs: tuple[str, str]) -> None:
    path = root / "domains/payments/transactions/contract.yaml"
    text = path.read_text()
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)


_REMOVED = ("      - {name: tx_fraud, logicalType: integer}\n", "      - {name: fraud, logicalType: integer}\n")
_MODEL = ("target: payments.transactions.tx_fraud", "target: payments.transactions.fraud")


def test_mesh_check_refuses_a_breaking_change_at_its_line_and_notes_one_that_readers_must_agree_to(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(["check"]) == 0
    model = root / "domains/payments/fraud/model.yaml"
    model.write_text(model.read_text().replace(*_MODEL))
    _edit(root, _REMOVED)
    capsys.readouterr()
    assert run_command(["check"]) == 2
    out = capsys.readouterr().out
    assert out.startswith("domains/payments/transactions/contract.yaml:4: payments.transactions: contract 1.0.0 breaks")
    assert "column 'tx_fraud' is removed (renamed to 'fraud'?" in out
    assert "read by model payments.fraud" in out
    _edit(root, ("version: 1.0.0", "version: 2.0.0"))
    assert run_command(["check"]) == 0
    err = capsys.readouterr().err
    assert "note: payments.transactions: contract 2.0.0 breaks" in err and "--allow-breaking" in err


def test_mesh_check_names_what_will_not_be_run(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    custom = "{type: custom, engine: soda, implementation: x, name: theirs}"
    quality = f"      - {{name: tx_fraud, logicalType: integer, quality: [{custom}]}}\n"
    _edit(root, (_REMOVED[0], quality))
    assert run_command(["check", "--json"]) == 0
    (note,) = json.loads(capsys.readouterr().out)["notes"]
    assert note.startswith("payments.transactions: 'theirs' is declared, but not run: it is a check of the engine")

"""The real datacontract CLI on our contracts: lint, test on tables that we published, and what it calls breaking."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path
from typing import Any, Final

import pytest
from pyspark.sql import SparkSession

from domains.traffic import Traffic, write_csv
from mesh_catalog.access.mesh import open_mesh
from mesh_catalog.catalog.assets import sync_workspace
from mesh_catalog.cli.main import run_command
from mesh_catalog.contracts.compatibility import compare_contracts
from mesh_catalog.contracts.odcs import read_contract
from mesh_catalog.documents import Document, dump_yaml
from mesh_catalog.lake.publish import publish_product
from mesh_catalog.settings import load_settings
from mesh_catalog.workspace import publish_order
from tests.conformance.conftest import Tell
from tests.conformance.contract_pairs import EDITS, edited, random_pair
from tests.conformance.datacontract import breaking, datacontract, datacontract_environment
from tests.conftest import REPOSITORY

pytestmark = pytest.mark.slow

_DIFFERENCES: Final = {
    "wider type": "every old value is one of the wider type, and Spark reads both",
    "lower minimum": "a rule is checked at every batch, and breaks no query of a reader",
    "no bounds": "as above",
    "value added": "as above",
    "values unchecked": "as above",
    "undo: pattern": "as above",
    "slower freshness": "a service level, which breaks no query of a reader",
    "other event time": "a custom property of ours, by which features are joined; theirs is blind to it",
    "undo: other event time": "as above",
    "no event time": "as above",
}
"""Edits that one tool calls breaking for readers and the other does not; docs/guide/schema-evolution.md tells them."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def tools(home: Path) -> Path:
    return datacontract_environment(home)


def test_our_example_contracts_lint_without_a_warning(
    tools: Path, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, conformance: Tell
) -> None:
    """As they are written, and as `mesh export odcs` writes them."""
    monkeypatch.setenv("MESH_WORKSPACE", str(REPOSITORY))
    paths = sorted((REPOSITORY / "domains").glob("*/*/contract.yaml"))
    for path in list(paths):
        product = f"{path.parts[-3]}.{path.parts[-2]}"
        paths.append(tmp_path / f"{product}.odcs.yaml")
        assert run_command(["export", "odcs", product, "--output", str(paths[-1])]) == 0
    failed = {}
    for path in paths:
        done = datacontract(tools, home, "lint", str(path))
        if done.returncode or "valid" not in done.stdout or "warning" in done.stdout:
            failed[path.name] = done.stdout[-2000:]
    conformance("datacontract lint on our contracts", len(paths), len(paths) - len(failed))
    assert failed == {}


def test_the_tables_that_we_publish_pass_datacontract_test(
    spark: SparkSession,
    tools: Path,
    home: Path,
    workspace_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
    conformance: Tell,
) -> None:
    """Types, nulls, keys and rules, by DuckDB over the Delta tables; a contract that says otherwise fails."""
    for name in ("customers", "payments"):
        shutil.copytree(REPOSITORY / "domains" / name, workspace_dir / "domains" / name)
    traffic = Traffic()
    write_csv(traffic.customers(), workspace_dir / "landing/customers/profiles/customers.csv")
    write_csv(traffic.payments_of(0, 3), workspace_dir / "landing/payments/transactions/days.csv")
    with open_mesh(load_settings(workspace=workspace_dir)) as mesh:
        sync_workspace(mesh.catalog, mesh.workspace)
        for product in publish_order(mesh.workspace, mesh.workspace.products):
            publish_product(spark, mesh, product)
        names = sorted(mesh.workspace.products)
    monkeypatch.setenv("MESH_WORKSPACE", str(workspace_dir))
    failed = {}
    for name in names:
        exported = workspace_dir / f"{name}.odcs.yaml"
        assert run_command(["export", "odcs", name, "--output", str(exported)]) == 0
        done = datacontract(tools, home, "test", str(exported), "--server", "lake")
        if done.returncode:
            failed[name] = done.stdout[-3000:]
    conformance("datacontract test on tables that we published", len(names), len(names) - len(failed))
    assert failed == {}
    lying = workspace_dir / "payments.daily.odcs.yaml"
    lying.write_text(lying.read_text().replace("name: frauds", "name: cheats"))
    assert datacontract(tools, home, "test", str(lying), "--server", "lake").returncode == 1


def test_one_edit_is_breaking_for_both_tools_or_the_difference_is_listed(tools: Path, home: Path) -> None:
    names = [*EDITS, *(f"undo: {name}" for name in EDITS)]
    pairs = [edited(name) for name in names]
    theirs = _theirs(tools, home, pairs)
    ours = [_ours(*pair) for pair in pairs]
    differ = {name for name, one, other in zip(names, ours, theirs, strict=True) if one[0] != other[0]}
    assert differ == set(_DIFFERENCES)
    guide = (REPOSITORY / "docs/guide/schema-evolution.md").read_text(encoding="utf-8")
    assert all(f"| {name.removeprefix('undo: ')}" in guide for name in _DIFFERENCES)
    rows = [(one[1], other[1]) for one, other in zip(ours, theirs, strict=True)]
    assert (True, False) not in rows  # what breaks rows of ours makes their check of old data fail
    assert (True, True) in rows


def test_several_edits_at_once_are_breaking_for_both_tools_unless_one_is_a_listed_difference(
    tools: Path, home: Path, conformance: Tell
) -> None:
    dice = random.Random(20)
    drawn = [random_pair(dice) for _ in range(120)]
    theirs = _theirs(tools, home, [(old, new) for old, new, _ in drawn])
    agreed, explained = 0, 0
    unexplained = []
    for (old, new, names), other in zip(drawn, theirs, strict=True):
        one = _ours(old, new)
        agreed += one[0] == other[0]
        if one[0] != other[0]:
            explained += bool(names & set(_DIFFERENCES))
            unexplained += [names] if not names & set(_DIFFERENCES) else []
    conformance(f"datacontract breaking on pairs ({explained} by listed differences)", len(drawn), agreed + explained)
    assert unexplained == []
    assert agreed > 60


def test_the_command_itself_says_the_same(tools: Path, home: Path, tmp_path: Path) -> None:
    for name, code in (("column removed", 1), ("undo: column removed", 0), ("may be null", 1), ("tags", 0)):
        paths = [tmp_path / "old.yaml", tmp_path / "new.yaml"]
        for path, contract in zip(paths, edited(name), strict=True):
            path.write_text(dump_yaml(contract), encoding="utf-8")
        assert datacontract(tools, home, "breaking", *map(str, paths)).returncode == code
        assert _ours(*edited(name))[0] == bool(code)


def _theirs(tools: Path, home: Path, pairs: list[tuple[dict[str, Any], dict[str, Any]]]) -> list[tuple[bool, bool]]:
    """Whether each pair breaks consumers, and whether it breaks the producer."""
    found = breaking(tools, home, [(json.dumps(old), json.dumps(new)) for old, new in pairs])
    unsure = {"both", "undetermined"}
    return [(bool(one & {"loosens", *unsure}), bool(one & {"tightens", *unsure})) for one in found]


def _ours(old: dict[str, Any], new: dict[str, Any]) -> tuple[bool, bool]:
    contracts = [read_contract(Document(path=Path("contract.yaml"), data=data, lines={})) for data in (old, new)]
    found = [one.concerns for one in compare_contracts(*contracts) if one.kind == "breaking"]
    return "readers" in found, "rows" in found

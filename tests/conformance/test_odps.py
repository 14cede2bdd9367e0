"""Data products by the Open Data Product Standard: the official examples, and what we write, by the official schema."""

from __future__ import annotations

import copy
import json
import random
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft201909Validator

from mesh_catalog.contracts.odps import current_product, odps_validator, read_odps
from mesh_catalog.documents import dump_yaml, read_document
from mesh_catalog.workspace import load_workspace
from mesh_catalog.workspace.exporting import domain_product, single_product
from tests.conformance.conftest import Tell
from tests.conftest import REPOSITORY


@pytest.fixture(scope="module")
def official(shared: Path) -> Draft201909Validator:
    text = (shared / "conformance" / "odps" / "schema" / "odps-json-schema-latest.json").read_text()
    return Draft201909Validator(json.loads(text))


def test_every_official_example_comes_back_from_the_newest_version_as_it_was(
    shared: Path, tmp_path: Path, official: Draft201909Validator, conformance: Tell
) -> None:
    paths = sorted((shared / "conformance" / "odps" / "examples").glob("*.yaml"))
    lost = [path.name for path in paths if not _comes_back(path, tmp_path / path.name, official)]
    conformance("ODPS official examples, read and written as 1.0", len(paths), len(paths) - len(lost))
    assert lost == []


def _comes_back(path: Path, target: Path, official: Draft201909Validator) -> bool:
    written = current_product(read_odps(path))
    target.write_text(dump_yaml(written), encoding="utf-8")
    return (
        official.is_valid(written)
        and read_odps(target).data == written
        and {**written, "apiVersion": None} == {**read_document(path).data, "apiVersion": None}
        and written["apiVersion"] == "v1.0.0"
    )


def test_our_words_are_the_official_ones(shared: Path, official: Draft201909Validator) -> None:
    """Damaged examples: a word removed, renamed or of another type is refused by both schemas, or by neither."""
    examples = [read_document(path).data for path in sorted((shared / "conformance/odps/examples").glob("*.yaml"))]
    dice = random.Random(7)
    refused = 0
    for _ in range(600):
        damaged = copy.deepcopy(dice.choice(examples))
        _damage(damaged, dice)
        found = odps_validator().is_valid(damaged)
        assert found == official.is_valid(damaged), json.dumps(damaged)
        refused += not found
    assert 100 < refused < 600


def _damage(value: Any, dice: random.Random) -> None:
    """Change one word somewhere below a mapping."""
    inner = [one for one in value.values() if isinstance(one, dict | list) and one]
    if inner and dice.random() < 0.7:
        chosen = dice.choice(inner)
        mappings = [chosen] if isinstance(chosen, dict) else [one for one in chosen if isinstance(one, dict)]
        if mappings:
            _damage(dice.choice(mappings), dice)
            return
    word = dice.choice(sorted(value))
    what = dice.randrange(3)
    if what == 0:
        del value[word]
    elif what == 1:
        value[f"{word}X"] = value.pop(word)
    else:
        value[word] = 7


def test_what_we_write_the_official_schema_accepts(official: Draft201909Validator) -> None:
    workspace = load_workspace(REPOSITORY)
    documents = [domain_product(workspace, name) for name in workspace.domains]
    documents += [single_product(workspace, name) for name in workspace.products]
    assert len(documents) == 8
    for document in documents:
        assert list(official.iter_errors(document)) == []

"""Every full example of the Open Data Contract Standard loads here, or is refused with the right sentence."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from mesh_catalog.contracts.odcs import load_contract
from mesh_catalog.contracts.odcs_document import as_current, odcs_validator, read_odcs
from mesh_catalog.documents import dump_yaml, read_document
from mesh_catalog.errors import DocumentError
from tests.conformance.conftest import Tell

_REFUSED = {
    "full-example": "there are 2 tables",
    "postgresql-adventureworks-contract": "there are 68 tables",
    "all-schema-types": "there are 3 tables",
    "all-data-types": "the type 'list', which is not known",
    "kafka-schemaregistry": "has no columns",
    "kafka-server": "has no columns",
    "azure-server": "there is no table",
    "basic-four-dpo": "there is no table",
    "database-table-sla": "there is no table",
    "service-and-operational-roles": "there is no table",
}


def test_the_official_examples_load_or_are_refused_for_a_reason_of_ours(shared: Path, conformance: Tell) -> None:
    loaded, refused = 0, 0
    for path in sorted((shared / "conformance" / "odcs" / "examples").rglob("*.yaml")):
        name = path.name.removesuffix(".odcs.yaml")
        if name in _REFUSED:
            with pytest.raises(DocumentError, match=_REFUSED[name]) as caught:
                load_contract(path)
            assert caught.value.line is not None
            refused += 1
        else:
            contract = load_contract(path)
            assert contract.columns
            assert all(rule.text for rule in contract.rules)
            loaded += 1
    conformance("ODCS official examples, loaded or refused with a reason", loaded + refused, loaded + refused)
    assert loaded >= 8
    assert refused == len(_REFUSED)


def test_every_official_example_comes_back_from_the_newest_version_as_it_was(
    shared: Path, tmp_path: Path, conformance: Tell
) -> None:
    """Read, written as 3.2, valid by the official schema, read again: equal, and every value still there."""
    paths = sorted((shared / "conformance" / "odcs" / "examples").rglob("*.yaml"))
    lost = [path.name for path in paths if not _comes_back(path, tmp_path / path.name)]
    conformance("ODCS official examples, read and written as 3.2", len(paths), len(paths) - len(lost))
    assert lost == []


def _comes_back(path: Path, copy: Path) -> bool:
    raw, read = read_document(path).data, read_odcs(path)
    written = as_current(read)
    copy.write_text(dump_yaml(written), encoding="utf-8")
    return (
        odcs_validator().is_valid(written)
        and written["apiVersion"] == "v3.2.0"
        and read_odcs(copy).data == written
        and set(raw) == set(written)
        and _leaves(raw) == _leaves(written)
    )


def _leaves(value: Any, name: str = "") -> Counter[tuple[str, Any]]:
    """Every scalar with the key it stands under, and how often."""
    if isinstance(value, dict):
        return sum((_leaves(inner, key) for key, inner in value.items()), Counter())
    if isinstance(value, list):
        return sum((_leaves(inner, name) for inner in value), Counter())
    return Counter() if name == "apiVersion" else Counter([(name, value)])


def test_other_peoples_extensions_are_kept(tmp_path: Path) -> None:
    extended = (
        "apiVersion: v3.0.2\nkind: DataContract\nid: a.b\nversion: 1.0.0\nstatus: active\n"
        "servers: [{server: x, type: custom, location: here, customProperties: [{property: zone, value: 3}]}]\n"
        "schema:\n  - name: b\n    customProperties: [{property: theirs, value: {deep: [1, two]}}]\n"
        "    properties:\n      - name: x\n        logicalType: string\n"
        "        customProperties: [{property: unknownToUs, value: kept}]\n"
        "        quality: [{rule: nullCheck, mustBe: 0, customProperties: [{property: q, value: 1}]}]\n"
    )
    path = tmp_path / "contract.yaml"
    path.write_text(extended, encoding="utf-8")
    written = as_current(read_odcs(path))
    assert _leaves(read_document(path).data) - _leaves(written) == Counter([("rule", "nullCheck")])
    assert written["schema"][0]["properties"][0]["quality"][0]["metric"] == "nullValues"
    assert load_contract(path).document["schema"][0]["customProperties"][0]["value"] == {"deep": [1, "two"]}


def test_what_we_accept_the_official_schema_accepts(shared: Path) -> None:
    from jsonschema import Draft201909Validator

    assert isinstance(odcs_validator(), Draft201909Validator)
    paths = sorted((shared / "conformance" / "odcs" / "examples").rglob("*.yaml"))
    valid = [path for path in paths if odcs_validator().is_valid(read_document(path).data)]
    assert len(valid) == len(paths)


@pytest.mark.parametrize("word", ["v3.0.0", "v3.0.1", "v3.0.2", "v3.1.0", "v3.2.0"])
def test_every_version_3_is_read(tmp_path: Path, word: str) -> None:
    path = tmp_path / "contract.yaml"
    path.write_text(
        f"apiVersion: {word}\nkind: DataContract\nid: a.b\nversion: 1.0.0\nstatus: active\n"
        "schema:\n  - name: b\n    properties:\n      - {name: x, logicalType: string}\n",
        encoding="utf-8",
    )
    assert load_contract(path).columns[0].name == "x"

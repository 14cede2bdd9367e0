"""Every full example of the Open Data Contract Standard loads here, or is refused with the right sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from mesh_catalog.contracts.odcs import load_contract, odcs_validator
from mesh_catalog.documents import read_document
from mesh_catalog.errors import DocumentError

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


def test_the_official_examples_load_or_are_refused_for_a_reason_of_ours(
    shared: Path, capsys: pytest.CaptureFixture[str]
) -> None:
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
    with capsys.disabled():
        print(f"\nODCS examples: {loaded} loaded, {refused} refused for what this project does not take")
    assert loaded >= 8
    assert refused == len(_REFUSED)


def test_what_we_accept_the_official_schema_accepts(shared: Path) -> None:
    from jsonschema import Draft201909Validator

    assert isinstance(odcs_validator(), Draft201909Validator)
    paths = sorted((shared / "conformance" / "odcs" / "examples").rglob("*.yaml"))
    valid = [path for path in paths if odcs_validator().is_valid(read_document(path).data)]
    assert len(valid) == len(paths)


@pytest.mark.parametrize("word", ["v3.0.0", "v3.0.1", "v3.0.2", "v3.1.0"])
def test_every_version_3_is_read(tmp_path: Path, word: str) -> None:
    path = tmp_path / "contract.yaml"
    path.write_text(
        f"apiVersion: {word}\nkind: DataContract\nid: a.b\nversion: 1.0.0\nstatus: active\n"
        "schema:\n  - name: b\n    properties:\n      - {name: x, logicalType: string}\n",
        encoding="utf-8",
    )
    assert load_contract(path).columns[0].name == "x"

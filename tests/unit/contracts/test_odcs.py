from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh_catalog.contracts.contract import Column, Contract
from mesh_catalog.contracts.odcs import load_contract, read_contract
from mesh_catalog.contracts.odcs_writing import contract_document
from mesh_catalog.contracts.rules import implied_rules
from mesh_catalog.documents import Document
from mesh_catalog.errors import DocumentError
from tests.unit.contracts.samples import HEAD, contract_of, contract_text, write_contract


def test_a_contract_gives_columns_key_and_custom_properties(tmp_path: Path) -> None:
    contract = contract_of(
        tmp_path,
        "{name: id, logicalType: integer, primaryKey: true}",
        "{name: at, logicalType: timestamp, required: true, description: When., tags: [clock]}",
        "{name: who, logicalType: string, classification: 'personal?'}",
        rest="customProperties:\n  - {property: eventTime, value: at}\n  - {property: writeMode, value: append}\n",
    )
    assert [column.spark_type for column in contract.columns] == ["bigint", "timestamp", "string"]
    assert contract.primary_key == ("id",)
    assert contract.columns[0].required
    assert contract.event_time == "at"
    assert contract.write_mode == "append"
    assert contract.personal_columns == ("who",)
    assert contract.columns[1].tags == ("clock",)


def test_a_composite_key_follows_its_positions(tmp_path: Path) -> None:
    contract = contract_of(
        tmp_path,
        "{name: a, logicalType: integer, primaryKey: true, primaryKeyPosition: 2}",
        "{name: b, logicalType: integer, primaryKey: true, primaryKeyPosition: 1}",
    )
    assert contract.primary_key == ("b", "a")
    assert [rule.id for rule in contract.rules] == ["a.required", "b.required", "primary_key.unique"]
    assert contract.rules[-1].argument == ("b", "a")


@pytest.mark.parametrize(
    ("properties", "line", "sentence"),
    [
        (["{name: a, logicalType: text}"], 11, "'text' is not known. Allowed: string"),
        (["{name: a, physicalType: decmial}"], 11, "Did you mean 'decimal'"),
        (["{name: a}"], 11, "has no type"),
        (["{name: a, logicalType: string}", "{name: A, logicalType: string}"], 12, "stands twice"),
        (["{name: a b, logicalType: string}"], 11, "cannot name a column"),
        (["{name: a, physicalName: b, logicalType: string}"], 11, "physicalName"),
        (["{name: a, logicalType: string, classification: secret}"], 11, "Here it is internal"),
        (["{name: a, logicalType: string, classification: PII}"], 11, "Here it is personal"),
        (["{name: a, logicalType: string, classification: blue}"], 11, "Allowed: public, internal"),
        (["{name: a, logicalType: string, requierd: true}"], 11, "requierd"),
        (["{name: a, logicalType: string, logicalTypeOptions: {pattern: '(a+)+'}}"], 11, "for ever"),
        (["{name: a, logicalType: integer, logicalTypeOptions: {minimum: 5, maximum: 1}}"], 11, "never hold"),
        (["{name: a, logicalType: date, logicalTypeOptions: {minimum: '2026-13-01'}}"], 11, "is no date"),
        (
            ["{name: a, logicalType: integer, customProperties: [{property: severity, value: fatal}]}"],
            11,
            "severity 'fatal' is not known",
        ),
        (
            ["{name: a, logicalType: string, primaryKey: true, primaryKeyPosition: 2}"],
            11,
            "Number its columns from 1",
        ),
    ],
)
def test_a_wrong_property_is_named_with_file_and_line(
    tmp_path: Path, properties: list[str], line: int, sentence: str
) -> None:
    path = write_contract(tmp_path, *properties)
    with pytest.raises(DocumentError, match=sentence) as caught:
        load_contract(path)
    assert (caught.value.path, caught.value.line) == (str(path), line)


def told(path: Path) -> list[tuple[int | None, str]]:
    """Line and sentence of every mistake."""
    with pytest.raises(DocumentError) as caught:
        load_contract(path)
    every = [caught.value, *caught.value.others]
    return sorted((one.line, str(one).partition(": ")[2]) for one in every if one.line is not None)


def test_a_misspelt_type_is_told_with_all_other_mistakes(tmp_path: Path) -> None:
    path = write_contract(
        tmp_path,
        "{name: a, physicalType: decmial, logicalTypeOptions: {minimum: 0}}",
        "{name: b, logicalType: integer, physicalType: timestmp}",
        "{name: c, logicalType: string, classification: PII}",
        "{name: c d, logicalType: string}",
        rest="customProperties: [{property: successor, value: nowhere}]\n",
    )
    found = told(path)
    assert [line for line, _ in found] == [11, 12, 13, 14, 15]
    for (_, sentence), said in zip(found, ("decmial", "timestmp", "PII", "'c d'", "successor"), strict=True):
        assert said in sentence
    path = write_contract(
        tmp_path,
        "{name: a, physicalType: decmial}",
        "{name: b, logicalType: string, requierd: true, quality: [{metric: nulls, mustBe: 0}]}",
    )
    found = told(path)
    assert [line for line, _ in found] == [11, 12, 12] and "requierd" in str(found) and "nulls" in str(found)
    path = write_contract(
        tmp_path,
        "{name: a, physicalType: decmial, quality: [{metric: nullValues, mustBe: 0}]}",
        "{name: b, logicalType: string, logicalTypeOptions: {pattern: '(a+)+'}}",
        "{name: c, logicalType: date, logicalTypeOptions: {minimum: '2026-13-01'}}",
    )
    found = told(path)
    assert [line for line, _ in found] == [11, 12, 13], found


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("kind: [", "is not YAML"),
        ("- a", "is not a mapping"),
        ("", "is missing"),
        (HEAD, "there is no table"),
        (HEAD + "schema: []\n", "there is no table"),
        (HEAD + "schema:\n  - name: a\n", "has no columns"),
        (HEAD + "schema:\n  - {name: a, properties: []}\n  - {name: b, properties: []}\n", "there are 2 tables"),
        (HEAD.replace("DataContract", "DataProduct"), "'DataProduct' is not known. Allowed: DataContract"),
        (HEAD.replace("v3.1.0", "v2.2.2"), "older standard"),
        (HEAD.replace("v3.1.0", "v9"), "'v9' is not known"),
        (HEAD.replace("version: 1.0.0", "version: 1"), "version: is of type int"),
        (HEAD + "owner: me\n", "owner"),
    ],
)
def test_a_document_that_is_no_contract_is_refused_with_a_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "contract.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DocumentError, match=sentence):
        load_contract(path)


@pytest.mark.parametrize(
    ("custom", "sentence"),
    [
        ("{property: eventTime, value: att}", "Did you mean 'at'"),
        ("{property: eventTime, value: id}", "no date or timestamp column"),
        ("{property: writeMode, value: replace}", "Allowed: append, overwrite, overwrite_partitions"),
        ("{property: clusterBy, value: [idd]}", "clusterBy 'idd' is no column of this table"),
        ("{property: clusterBy, value: {}}", "clusterBy needs 1 to 4 names"),
        ("{property: clusterBy, value: [mail]}", "clusterBy 'mail' is personal"),
        ("{property: clusterBy, value: flag}", "of which Delta keeps no minimum"),
    ],
)
def test_a_wrong_custom_property_is_refused(tmp_path: Path, custom: str, sentence: str) -> None:
    path = write_contract(
        tmp_path,
        "{name: id, logicalType: integer}",
        "{name: at, logicalType: timestamp}",
        "{name: mail, logicalType: string, classification: personal}",
        "{name: flag, logicalType: boolean}",
        rest=f"customProperties:\n  - {custom}\n",
    )
    with pytest.raises(DocumentError, match=sentence) as caught:
        load_contract(path)
    assert caught.value.line == 16


def test_clustering_and_retention_are_read(tmp_path: Path) -> None:
    contract = contract_of(
        tmp_path,
        "{name: id, logicalType: integer}",
        "{name: at, logicalType: timestamp}",
        rest="slaProperties:\n  - {property: retention, value: 30, unit: d}\n"
        "customProperties:\n  - {property: clusterBy, value: [at, id]}\n",
    )
    assert (contract.cluster_by, contract.retention_seconds) == (("at", "id"), 30 * 86_400)


def test_a_contract_of_odcs_3_0_is_read_with_its_own_words(tmp_path: Path) -> None:
    path = tmp_path / "contract.yaml"
    path.write_text(
        contract_text(
            "{name: a, logicalType: integer, logicalTypeOptions: {minimum: 0, exclusiveMinimum: true}}",
            "{name: b, logicalType: string, quality: [{type: library, rule: nullCheck, mustBe: 0}]}",
            "{name: c, logicalType: string, quality: [{rule: duplicateCount, mustBeLessThan: 10, unit: percent}]}",
        ).replace("v3.1.0", "v3.0.2"),
        encoding="utf-8",
    )
    rules = load_contract(path).rules
    assert [(rule.id, rule.argument) for rule in rules] == [
        ("a.exclusive_minimum", 0),
        ("b.required", None),
        ("c.unique", ("c",)),
    ]


_NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,10}", fullmatch=True)
_TYPES = st.sampled_from(
    [
        ("string", "string"),
        ("integer", "bigint"),
        ("number", "decimal(18,2)"),
        ("date", "date"),
        ("array", "array<int>"),
    ]
)


@st.composite
def _contracts(draw: st.DrawFn) -> Contract:
    names = draw(st.lists(_NAMES, min_size=1, max_size=6, unique=True))
    keys = draw(st.integers(0, len(names)))
    columns = tuple(
        Column(
            name=name,
            logical_type=types[0],
            spark_type=types[1],
            required=place < keys or draw(st.booleans()),
            unique=draw(st.booleans()),
            primary_key_position=place + 1 if place < keys else None,
            classification=draw(st.sampled_from([None, "public", "internal", "personal", "special?"])),
            description=draw(st.one_of(st.none(), st.text(min_size=1, max_size=20))),
            tags=draw(st.sampled_from([(), ("a", "b")])),
        )
        for place, (name, types) in enumerate((name, draw(_TYPES)) for name in names)
    )
    times = [column.name for column in columns if column.spark_type == "date"]
    return Contract(
        id="shop.orders__training",
        version="1.0.0",
        status="active",
        columns=columns,
        rules=implied_rules(columns),
        write_mode=draw(st.sampled_from(["append", "overwrite"])),
        event_time=times[0] if times else None,
    )


@settings(deadline=None)
@given(_contracts())
def test_a_contract_made_from_values_is_read_back_from_its_document(contract: Contract) -> None:
    document = contract_document(contract)
    back = read_contract(Document(path=Path("contract.yaml"), data=document, lines={}))
    assert (back.columns, back.rules) == (contract.columns, contract.rules)
    assert (back.id, back.write_mode, back.event_time) == (contract.id, contract.write_mode, contract.event_time)


def test_a_document_is_not_made_for_rules_it_could_not_hold(tmp_path: Path) -> None:
    contract = contract_of(tmp_path, "{name: a, logicalType: integer, logicalTypeOptions: {minimum: 0}}")
    with pytest.raises(ValueError, match=r"a\.minimum"):
        contract_document(contract)

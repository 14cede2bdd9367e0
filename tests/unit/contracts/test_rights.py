"""What a contract says of rights in its rows, and what it is told where it says it wrongly."""

from __future__ import annotations

from pathlib import Path

import pytest

from mesh_catalog.catalog.assets import contract_digest
from mesh_catalog.contracts.contract import Consent, Deidentified, Rights
from mesh_catalog.errors import DocumentError
from tests.unit.contracts.samples import contract_of, write_contract

KEY = "{name: id, logicalType: integer, primaryKey: true}"
AGREED = "{name: agreed, logicalType: boolean}"


def custom(**values: str) -> str:
    return "customProperties:\n" + "".join(
        f"  - {{property: {name}, value: {text}}}\n" for name, text in values.items()
    )


def column(name: str, value: str, more: str = "") -> str:
    return (
        f"{{name: {name}, logicalType: number{more}, customProperties: [{{property: deidentified, value: {value}}}]}}"
    )


def test_a_contract_says_licence_uses_purposes_and_consent(tmp_path: Path) -> None:
    rest = custom(
        licence="CC-BY-4.0",
        allowedUses="[analysis, build]",
        purpose="billing",
        allowedPurposes="[billing, fraud-prevention]",
        consent="{product: crm.consents, key: {id: person_id}, column: withdrawn_at}",
    )
    found = contract_of(tmp_path, KEY, rest=rest)
    assert found.rights == Rights(
        licence="CC-BY-4.0",
        allowed_uses=("analysis", "build"),
        purposes=("billing",),
        allowed_purposes=("billing", "fraud-prevention"),
        consent=Consent(column="withdrawn_at", product="crm.consents", keys=(("id", "person_id"),)),
    )
    assert found.needed_products == ("crm.consents",)
    silent = contract_of(tmp_path, KEY).rights
    assert (silent.allowed_uses, silent.allowed_purposes, silent.licence) == (None, None, None)
    assert contract_of(tmp_path, KEY, rest=custom(allowedUses="[]")).rights.allowed_uses == ()
    assert contract_of(tmp_path, KEY, AGREED, rest=custom(consent="agreed")).rights.consent == Consent(column="agreed")


def test_rights_change_what_a_contract_promises(tmp_path: Path) -> None:
    digests = {contract_digest(contract_of(tmp_path, KEY, rest=rest)) for rest in ("", custom(licence="MIT"))}
    assert len(digests) == 2


def test_an_aggregate_counts_its_rows_and_a_rule_holds_it_to_the_least_group(tmp_path: Path) -> None:
    value = "{by: aggregate, leastRows: 20, countedBy: n, reason: mean over a district}"
    found = contract_of(tmp_path, "{name: n, logicalType: integer}", column("mean_age", value))
    assert found.rights.deidentified == {
        "mean_age": Deidentified(by="aggregate", reason="mean over a district", least_rows=20, counted_by="n")
    }
    assert [(rule.column, rule.kind, rule.argument) for rule in found.rules] == [("n", "minimum", 20)]


@pytest.mark.parametrize(
    ("properties", "rest", "sentence"),
    [
        (
            (KEY,),
            custom(license="MIT"),
            r"contract.yaml:13: customProperty 'license' is not known. Did you mean 'licence'",
        ),
        ((KEY,), custom(allowed_use="[train]"), "'allowed_use' is not known. Did you mean 'allowedUses'"),
        ((KEY,), custom(allowedUses="[training]"), r"'training' is not known. Allowed: analysis, build, train, score"),
        ((KEY,), custom(purpose="Stop fraud!"), "'Stop fraud!' is no name of a purpose"),
        ((KEY,), custom(licence="[MIT]"), "licence must be one line of text"),
        ((KEY,), custom(consent="agred"), "'agred' is no column of this table"),
        ((KEY,), custom(consent="id"), "'id' is bigint. It is a boolean"),
        ((KEY,), custom(consent="{product: crm, key: id, column: a}"), "'crm' is no product"),
        ((KEY,), custom(consent="{product: crm.people, key: who, column: a}"), "'who' is no column of this table"),
        ((KEY,), custom(consent="{product: crm.people, column: a}"), "consent names a column of this table, or where"),
        ((KEY,), custom(consent="{notNeeded: ''}"), "notNeeded stands alone and says why"),
        ((column("a", "{by: magic, reason: x}"),), "", "deidentified of 'a': write {by: hash"),
        ((column("a", "{by: hash}"),), "", "deidentified of 'a': write {by: hash"),
        ((column("a", "{by: hash, reason: x}", ", classification: personal"),), "", "is personal all the same"),
        ((column("a", "{by: aggregate, leastRows: 1, countedBy: a, reason: x}"),), "", "whole number from 2 on"),
        (
            (column("a", "{by: aggregate, leastRows: 5, countedBy: b, reason: x}"),),
            "",
            "countedBy 'b' must be an integer",
        ),
    ],
)
def test_a_right_that_is_said_wrongly_is_answered_with_the_line(
    tmp_path: Path, properties: tuple[str, ...], rest: str, sentence: str
) -> None:
    from mesh_catalog.contracts.odcs import load_contract

    with pytest.raises(DocumentError, match=sentence) as error:
        load_contract(write_contract(tmp_path, *properties, rest=rest))
    assert error.value.line is not None

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mesh_catalog.catalog.assets import read_owner, register_model, register_product, sync_workspace
from mesh_catalog.catalog.inventory import (
    find_kind,
    read_columns,
    read_model,
    read_product,
    read_rules,
    read_version_columns,
)
from mesh_catalog.catalog.search import search
from mesh_catalog.catalog.store import Catalog
from mesh_catalog.contracts.contract import Contract
from mesh_catalog.errors import NotFoundError
from mesh_catalog.workspace import Workspace, load_workspace
from tests.unit.catalog.conftest import ON_SQLITE
from tests.unit.catalog.samples import dataset_contract, publish

NAME = "payments.transactions"


def rewritten(workspace: Workspace, file: str, old: str, new: str) -> Workspace:
    path = workspace.root / "domains" / "payments" / file
    path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    return load_workspace(workspace.root)


def test_a_sync_registers_domains_products_and_models(empty: Catalog, workspace: Workspace) -> None:
    result = sync_workspace(empty, workspace)
    assert set(result.added) == {"payments", NAME, "payments.daily", "payments.fraud"}
    product = read_product(empty, NAME)
    assert (product.owner, product.on_call, product.contract_version) == ("payments-team", "#payments-pager", "1.0.0")
    assert product.tags == ("cards", "결제")
    assert product.source == "landing/*.csv"
    model = read_model(empty, "payments.fraud")
    assert (model.target, model.inputs) == ("payments.transactions.tx_fraud", (NAME,))
    assert find_kind(empty, "payments.fraud") == "model"


def test_columns_come_back_as_the_contract_has_them_also_what_is_undecided(
    catalog: Catalog, workspace: Workspace
) -> None:
    kept = [replace(column, suggested=()) for column in workspace.product(NAME).contract.columns]
    assert list(read_columns(catalog, NAME)) == kept
    personal = {column.name for column in read_columns(catalog, NAME) if column.personal}
    assert personal == {"customer_id", "device_mail"}
    assert "tx_amount >= 0" in [rule.text for rule in read_rules(catalog, NAME)]


@ON_SQLITE
def test_a_second_sync_of_the_same_workspace_writes_nothing(catalog: Catalog, workspace: Workspace) -> None:
    with catalog.read() as connection:
        before = connection.exec_driver_sql("PRAGMA data_version").scalar()
        result = sync_workspace(catalog, load_workspace(workspace.root))
        assert connection.exec_driver_sql("PRAGMA data_version").scalar() == before
    assert (result.added, result.changed, result.retired) == ((), (), ())


def test_a_changed_contract_is_a_new_contract_and_the_old_one_stays(catalog: Catalog, workspace: Workspace) -> None:
    publish(catalog, NAME, 0)
    rewritten(workspace, "transactions/contract.yaml", "device_mail", "phone")
    changed = rewritten(workspace, "transactions/source.yaml", "device_mail", "phone")
    assert sync_workspace(catalog, changed).changed == (NAME,)
    assert "phone" in [column.name for column in read_columns(catalog, NAME)]
    assert "device_mail" in [column.name for column in read_version_columns(catalog, NAME, 0)]
    publish(catalog, NAME, 1)
    assert "phone" in [column.name for column in read_version_columns(catalog, NAME, 1)]


def test_what_vanished_is_retired_and_comes_back(catalog: Catalog, workspace: Workspace, tmp_path: Path) -> None:
    publish(catalog, "payments.daily", 0)
    folder = workspace.root / "domains" / "payments" / "daily"
    folder.rename(tmp_path / "away")
    assert sync_workspace(catalog, load_workspace(workspace.root)).retired == ("payments.daily",)
    assert read_product(catalog, "payments.daily").retired_at is not None
    assert search(catalog, "daily") == []
    assert sync_workspace(catalog, load_workspace(workspace.root)).retired == ()
    (tmp_path / "away").rename(folder)
    assert sync_workspace(catalog, load_workspace(workspace.root)).changed == ("payments.daily",)
    assert read_product(catalog, "payments.daily").retired_at is None
    assert [hit.name for hit in search(catalog, "daily")] == ["payments.daily"]


def test_a_new_owner_is_seen_everywhere(catalog: Catalog, workspace: Workspace) -> None:
    sync_workspace(catalog, rewritten(workspace, "domain.yaml", "payments-team", "ledger-team"))
    assert read_owner(catalog, NAME) == "ledger-team"
    assert read_model(catalog, "payments.fraud").owner == "ledger-team"
    assert {hit.name for hit in search(catalog, "ledger")} == {NAME, "payments.daily", "payments.fraud"}


def test_a_dataset_of_the_framework_is_not_retired_by_a_sync(catalog: Catalog, workspace: Workspace) -> None:
    register_product(catalog, dataset_contract("payments.fraud__training", "x"), domain="payments", owner="ana")
    assert sync_workspace(catalog, workspace).retired == ()
    assert read_product(catalog, "payments.fraud__training").kind == "dataset"


def test_a_dataset_can_be_registered_before_its_domain(empty: Catalog) -> None:
    contract: Contract = dataset_contract("shop.orders__quarantine", "x")
    register_product(empty, contract, domain="shop", owner=None)
    register_product(empty, contract, domain="shop", owner=None)
    assert read_product(empty, "shop.orders__quarantine").domain == "shop"


def test_a_model_can_be_registered_alone(empty: Catalog, workspace: Workspace) -> None:
    register_model(empty, workspace.model("payments.fraud"))
    register_model(empty, workspace.model("payments.fraud"))
    assert read_model(empty, "payments.fraud").algorithm == "xgboost"


def test_an_unknown_name_says_the_nearest(catalog: Catalog) -> None:
    with pytest.raises(NotFoundError, match=r"Did you mean 'payments\.transactions'\?"):
        read_product(catalog, "payments.transaction")
    with pytest.raises(NotFoundError, match=r"Did you mean 'payments\.fraud'\?"):
        find_kind(catalog, "payments.frod")

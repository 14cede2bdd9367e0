from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from mesh_catalog.errors import DocumentError, NotFoundError
from mesh_catalog.specs import FeatureRef, RetrainSpec
from mesh_catalog.workspace import check_workspace, load_workspace
from tests.unit.workspace.samples import contract, fill, write


def _sentences(root: Path) -> list[str]:
    return [str(error).removeprefix(f"{root}/domains/") for error in check_workspace(root)]


def test_a_workspace_becomes_typed_specs(workspace_dir: Path) -> None:
    workspace = load_workspace(fill(workspace_dir))
    assert check_workspace(workspace_dir) == []
    assert sorted(workspace.products) == ["shop.activity", "shop.orders"]
    orders = workspace.product("shop.orders")
    assert orders.owner == "ada"
    assert orders.source is not None
    assert orders.source.options == {"header": "true"}
    assert orders.source.columns["At"] == "timestamp"
    model = workspace.model("shop.churn")
    assert model.features == (FeatureRef(product="shop.orders", column="amount"), FeatureRef(product="shop.activity"))
    assert (model.target_product, model.target, model.entity) == ("shop.orders", "returned", ("customer",))
    assert model.split.gap == timedelta(days=1)
    assert model.retrain == RetrainSpec(needed=2, of=3, cooldown=timedelta(days=3))
    assert workspace.model_datasets == {"shop.churn__training", "shop.churn__predictions", "shop.churn__shadow"}


def test_an_unknown_name_is_answered_with_the_nearest(workspace_dir: Path) -> None:
    workspace = load_workspace(fill(workspace_dir))
    with pytest.raises(NotFoundError, match=r"no product 'shop.order'. Did you mean 'shop.orders'"):
        workspace.product("shop.order")
    with pytest.raises(NotFoundError, match="no model 'shop.chrun'. Did you mean 'shop.churn'"):
        workspace.model("shop.chrun")


def test_an_empty_workspace_is_right(workspace_dir: Path) -> None:
    assert check_workspace(workspace_dir) == []
    assert load_workspace(workspace_dir).products == {}


def test_every_mistake_is_told_with_file_and_line_and_loading_raises_the_first(workspace_dir: Path) -> None:
    fill(workspace_dir)
    write(workspace_dir, "domains/shop/orders/contract.yaml", contract("shop.orders", "{name: a, logicalType: text}"))
    write(workspace_dir, "domains/shop/activity/build.py", "def activity(:\n")
    write(workspace_dir, "domains/bad/domain.yaml", "name: bad\nownr: me\n")
    write(workspace_dir, "domains/bad/daily/contract.yaml", contract("bad.daily", "{name: a, logicalType: date}"))
    write(workspace_dir, "domains/bad/daily/build.sql", "select 1 as a")
    found = _sentences(workspace_dir)
    assert found[0].startswith("bad/domain.yaml:2: 'ownr' is not known here. Did you mean 'owner'")
    assert found[1].startswith("shop/activity/build.py:1: is not Python")
    assert found[2].startswith("shop/orders/contract.yaml:10:")
    assert len(found) == 3
    with pytest.raises(DocumentError, match="ownr"):
        load_workspace(workspace_dir)


@pytest.mark.parametrize(
    ("path", "text", "sentence"),
    [
        ("domains/shop/domain.yaml", "name: shopp\n", r"domain.yaml:1: name is 'shopp', but the folder is 'shop'"),
        ("domains/shop/domain.yaml", "name: shop\nowner: [a]\n", "domain.yaml:2: 'owner' must be a text"),
        ("domains/shop/orders/contract.yaml", contract("shop.order", "{name: a, logicalType: date}"), "folder says"),
        (
            "domains/shop/orders/contract.yaml",
            contract("shop.orders", "{name: a, logicalType: date}").replace("- name: orders", "- name: other"),
            "contract.yaml:8: schema: the table is called 'other'",
        ),
        ("domains/shop/orders/build.py", "", "build.sql: stands beside build.py"),
        ("domains/shop/orders/model.yaml", "", "A model has a folder of its own"),
        ("domains/shop/New Thing/contract.yaml", "", "cannot name a product"),
        ("domains/shop/a__b/contract.yaml", "", "cannot name a product"),
        ("domains/Shop2/domain.yaml", "", "cannot name a domain"),
        ("domains/shop/lone/build.sql", "select 1", "contract.yaml: is missing beside build.sql"),
        (
            "domains/shop/lone/contract.yaml",
            contract("shop.lone", "{name: a, logicalType: date}"),
            "nothing can be publ",
        ),
        ("domains/other/lone/contract.yaml", "", "domain.yaml: is missing"),
    ],
)
def test_what_does_not_fit_together_is_refused(workspace_dir: Path, path: str, text: str, sentence: str) -> None:
    write(fill(workspace_dir), path, text)
    with pytest.raises(DocumentError, match=sentence):
        load_workspace(workspace_dir)


def test_folders_that_are_no_products_and_hidden_ones_are_passed_over(workspace_dir: Path) -> None:
    fill(workspace_dir)
    write(workspace_dir, "domains/shop/notes/README.md", "x")
    write(workspace_dir, "domains/.git/x/contract.yaml", "[")
    write(workspace_dir, "domains/shop/__pycache__/contract.yaml", "[")
    assert check_workspace(workspace_dir) == []


@pytest.mark.parametrize("inner", ["domains/evil", "domains/shop/evil", "domains/shop/orders/contract.yaml"])
def test_a_link_out_of_the_workspace_is_refused(workspace_dir: Path, tmp_path: Path, inner: str) -> None:
    fill(workspace_dir)
    outside = tmp_path / "outside"
    write(outside, "domain.yaml", "name: evil\n")
    write(outside, "contract.yaml", contract("shop.orders", "{name: a, logicalType: date}"))
    link = workspace_dir / inner
    link.unlink(missing_ok=True)
    link.symlink_to(outside / "contract.yaml" if inner.endswith("yaml") else outside)
    with pytest.raises(DocumentError, match="leads out of the workspace"):
        load_workspace(workspace_dir)

"""A workspace with a slip in one file: what rests on that file is left out, the rest can be worked on."""

from __future__ import annotations

from pathlib import Path

import pytest

from mesh_catalog.catalog.assets import sync_workspace
from mesh_catalog.catalog.inventory import read_model, read_owner
from mesh_catalog.catalog.store import open_catalog
from mesh_catalog.errors import DocumentError, NotFoundError
from mesh_catalog.workspace import load_workspace
from tests.unit.workspace.samples import MODEL, contract, fill, write

STOCK = "model: parts.stock\n" + MODEL.partition("\n")[2].replace("shop.orders", "parts.orders").replace(
    ", shop.activity", ""
)


def two_domains(root: Path) -> Path:
    """shop, and parts, whose model rests on its own product alone."""
    fill(root)
    columns = [line.strip()[2:] for line in (root / "domains/shop/orders/contract.yaml").read_text().splitlines()[9:13]]
    write(root, "domains/parts/domain.yaml", "name: parts\nowner: bo\n")
    write(root, "domains/parts/orders/contract.yaml", contract("parts.orders", *columns, event_time="at"))
    write(root, "domains/parts/orders/build.sql", "select * from shop.orders\n")
    write(root, "domains/parts/stock/model.yaml", STOCK)
    return root


@pytest.mark.parametrize(
    ("path", "held"),
    [
        ("domains/shop/domain.yaml", {"shop.orders", "shop.activity", "shop.churn"}),
        ("domains/shop/orders/contract.yaml", {"shop.orders", "shop.churn"}),
        ("domains/shop/activity/contract.yaml", {"shop.activity", "shop.churn"}),
        ("domains/shop/churn/model.yaml", {"shop.churn"}),
        ("domains/parts/glossary.yaml", set()),
        ("domains/shop/kpis.yaml", set()),
        ("conf/policies.yaml", {"shop.orders", "shop.activity", "shop.churn", "parts.orders", "parts.stock"}),
    ],
)
def test_what_rests_on_a_broken_file_is_left_out_and_nothing_else(
    workspace_dir: Path, path: str, held: set[str]
) -> None:
    two_domains(workspace_dir)
    whole = load_workspace(workspace_dir)
    subjects = {**whole.products, **whole.models}
    write(workspace_dir, path, "owner: [ada\n")
    with pytest.raises(DocumentError, match=f"{path}:2: is not YAML"):
        load_workspace(workspace_dir)
    found = load_workspace(workspace_dir, partly=True)
    assert [Path(error.path).relative_to(workspace_dir) for error in found.unread] == [Path(path)]
    refused = set()
    for name in subjects:
        try:
            found.subject(name)
        except DocumentError:
            refused.add(name)
    assert refused == held
    assert {model.name for model in found.models.values() if found.is_read(model)} == set(whole.models) - held
    with pytest.raises(NotFoundError, match=r"there is no model or product 'parts\.stok'"):
        found.subject("parts.stok")


def test_a_kpi_that_a_model_is_retrained_by_holds_it_up(workspace_dir: Path) -> None:
    two_domains(workspace_dir)
    kpi = "retrain: {on: [kpi], kpi: {name: shop.returns, falls: 10%}}\n"
    write(workspace_dir, "domains/parts/stock/model.yaml", STOCK.replace(STOCK.splitlines(True)[-1], kpi))
    write(workspace_dir, "domains/shop/kpis.yaml", "kpis: [\n")
    found = load_workspace(workspace_dir, partly=True)
    with pytest.raises(DocumentError, match=r"shop/kpis\.yaml:2"):
        found.model("parts.stock")
    assert found.model("shop.churn").name == "shop.churn"


def test_the_catalog_keeps_what_it_knew_of_a_domain_that_cannot_be_read(workspace_dir: Path, tmp_path: Path) -> None:
    two_domains(workspace_dir)
    catalog = open_catalog(f"sqlite:///{tmp_path / 'catalog.db'}")
    sync_workspace(catalog, load_workspace(workspace_dir))
    write(workspace_dir, "domains/shop/domain.yaml", "owner: [ada\n")
    write(workspace_dir, "domains/parts/domain.yaml", "name: parts\nowner: cy\n")
    write(workspace_dir, "domains/parts/orders/build.sql", "select from where\n")
    with pytest.raises(DocumentError, match=r"build\.sql"):
        sync_workspace(catalog, load_workspace(workspace_dir, partly=True))
    done = sync_workspace(catalog, load_workspace(workspace_dir, partly=True), partly=True)
    assert done.retired == () and {"parts", "parts.stock"} == set(done.changed)
    assert [Path(error.path).name for error in done.unread] == ["build.sql"]
    assert read_owner(catalog, "shop.orders") == "ada" and read_model(catalog, "parts.stock").owner == "cy"
    catalog.close()

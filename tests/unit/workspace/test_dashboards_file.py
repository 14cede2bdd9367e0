from __future__ import annotations

from pathlib import Path

import pytest

from mesh_catalog.errors import DocumentError
from mesh_catalog.workspace import check_workspace, load_workspace
from tests.unit.workspace.samples import fill, write


def _write(root: Path, *lines: str) -> None:
    fill(root)
    write(root, "domains/shop/dashboards.yaml", "\n".join(["dashboards:", *(f"  - {line}" for line in lines), ""]))


def test_dashboards_are_read_with_the_domains_owner(workspace_dir: Path) -> None:
    _write(
        workspace_dir,
        "{name: sales, title: Sales, url: 'https://bi.example.org/1', reads: [shop.orders, shop.activity]}",
        "{name: sheet, type: notebook, owner: grace, reads: shop.churn__predictions}",
    )
    assert check_workspace(workspace_dir) == []
    found = load_workspace(workspace_dir).dashboards
    assert {name: (one.kind, one.owner, one.reads) for name, one in found.items()} == {
        "shop.sales": ("dashboard", "ada", ("shop.orders", "shop.activity")),
        "shop.sheet": ("notebook", "grace", ("shop.churn__predictions",)),
    }


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{name: sales, reads: [shop.order]}", r"dashboards\.yaml:2: .*no product 'shop\.order'.*'shop\.orders'"),
        ("{name: sales}", "'reads' is missing"),
        ("{name: sales, reads: [orders]}", "is not a product's name"),
        ("{name: Sales, reads: [shop.orders]}", "cannot name a dashboard"),
        ("{name: orders, reads: [shop.orders]}", "is a product or a model already"),
        (
            "{name: sales, reads: [shop.orders], url: 'https://me:secret@bi'}",  # pragma: allowlist secret
            "hold no password",
        ),
        ("{name: sales, reads: [shop.orders], url: 'javascript:alert(1)'}", "must begin with http"),
        ("{name: sales, reads: [shop.orders], colour: red}", "'colour' is not known here"),
        ("{name: sales, type: poster, reads: [shop.orders]}", "type 'poster' is not known"),
        ("{name: sales, reads: [shop.orders]}\n  - {name: sales, reads: [shop.orders]}", "stands twice"),
        ("sales", "must be a mapping"),
    ],
)
def test_a_mistake_is_placed(line: str, message: str, workspace_dir: Path) -> None:
    _write(workspace_dir, line)
    with pytest.raises(DocumentError, match=message):
        load_workspace(workspace_dir)

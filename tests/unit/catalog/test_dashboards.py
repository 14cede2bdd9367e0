from __future__ import annotations

from pathlib import Path

import pytest

from mesh_catalog.catalog.assets import sync_workspace
from mesh_catalog.catalog.inventory import find_kind, read_dashboard
from mesh_catalog.catalog.lineage import lineage
from mesh_catalog.catalog.search import search
from mesh_catalog.catalog.store import Catalog
from mesh_catalog.cli.main import run_command
from mesh_catalog.errors import NotFoundError
from mesh_catalog.workspace import load_workspace
from tests.unit.workspace.samples import fill, write

TEXT = """\
dashboards:
  - {name: weekly, title: Weekly turnover, url: 'https://bi.example.org/7', owner: grace, reads: [shop.activity],
     description: For the board.}
"""


@pytest.fixture
def root(workspace_dir: Path) -> Path:
    fill(workspace_dir)
    write(workspace_dir, "domains/shop/dashboards.yaml", TEXT)
    return workspace_dir


def test_a_dashboard_is_registered_and_found(root: Path, empty: Catalog) -> None:
    assert "shop.weekly" in sync_workspace(empty, load_workspace(root)).added
    assert find_kind(empty, "shop.weekly") == "dashboard"
    record = read_dashboard(empty, "shop.weekly")
    assert (record.owner, record.url, record.reads) == ("grace", "https://bi.example.org/7", ("shop.activity",))
    for words in ("weekly", "turnover", "board", "grace"):
        hits = search(empty, words)
        assert [hit.name for hit in hits if hit.kind == "dashboard"] == ["shop.weekly"], words


def test_a_dashboard_is_where_lineage_ends(root: Path, empty: Catalog) -> None:
    sync_workspace(empty, load_workspace(root))
    down = lineage(empty, "shop.orders", direction="downstream")
    assert ("dashboard", "shop.weekly") in {node.key for node in down.nodes}
    up = lineage(empty, "shop.weekly", direction="upstream")
    assert [node.name for node in up.nodes if node.kind == "product"] == ["shop.activity", "shop.orders"]
    assert not any(link.planned for link in up.links if link.target == up.root)


def test_a_dashboard_follows_its_file(root: Path, empty: Catalog) -> None:
    sync_workspace(empty, load_workspace(root))
    assert sync_workspace(empty, load_workspace(root)).changed == ()
    write(root, "domains/shop/dashboards.yaml", TEXT.replace("shop.activity", "shop.orders"))
    assert sync_workspace(empty, load_workspace(root)).changed == ("shop.weekly",)
    nodes = lineage(empty, "shop.weekly", direction="upstream").nodes
    assert [node.name for node in nodes if node.kind == "product"] == ["shop.orders"]
    (root / "domains/shop/dashboards.yaml").unlink()
    assert sync_workspace(empty, load_workspace(root)).retired == ("shop.weekly",)
    assert read_dashboard(empty, "shop.weekly").retired_at is not None
    assert not search(empty, "weekly")
    down = lineage(empty, "shop.orders", direction="downstream")
    assert "shop.weekly" not in {node.name for node in down.nodes}
    write(root, "domains/shop/dashboards.yaml", TEXT)
    sync_workspace(empty, load_workspace(root))
    assert read_dashboard(empty, "shop.weekly").retired_at is None


def test_an_unknown_dashboard_is_not_found(root: Path, empty: Catalog) -> None:
    sync_workspace(empty, load_workspace(root))
    with pytest.raises(NotFoundError, match="Did you mean 'shop.weekly'"):
        read_dashboard(empty, "shop.weekley")


def test_show_search_and_lineage_know_dashboards(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from mesh_catalog.access.mesh import open_mesh
    from mesh_catalog.settings import load_settings

    monkeypatch.chdir(root)
    with open_mesh(load_settings(workspace=root)) as mesh:
        sync_workspace(mesh.catalog, mesh.workspace)
    assert run_command(["show", "shop.weekly"]) == 0
    shown = capsys.readouterr().out
    assert "https://bi.example.org/7" in shown
    assert "For the board." in shown
    assert run_command(["search", "weekly"]) == 0
    assert "dashboard" in capsys.readouterr().out
    assert run_command(["lineage", "shop.activity", "--downstream"]) == 0
    assert "shop.weekly  dashboard  owner grace" in capsys.readouterr().out
    assert run_command(["check"]) == 0
    assert "2 products, 1 model, 1 dashboard: all good" in capsys.readouterr().out

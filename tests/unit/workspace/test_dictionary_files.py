"""kpis.yaml, glossary.yaml and life cycles: what is right is read, what is wrong is said with its file and line."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from mesh_catalog.cli.main import run_command
from mesh_catalog.workspace import check_workspace, load_workspace
from mesh_catalog.workspace.life_cycles import life_cycle_notes
from tests.unit.workspace.samples import fill, write

REVENUE = """\
kpis:
  - name: revenue
    source: shop.orders
    grain: month
    formula: sum(amount)
    filters: [not returned, amount > 0]
"""


@pytest.fixture
def root(workspace_dir: Path) -> Path:
    fill(workspace_dir)
    write(workspace_dir, "domains/shop/kpis.yaml", REVENUE)
    write(workspace_dir, "domains/board/domain.yaml", "name: board\nowner: grace\n")
    return workspace_dir


def lines_of(root: Path, path: str) -> list[int | None]:
    return [error.line for error in check_workspace(root) if error.path == str(root / path)]


def messages(root: Path) -> list[str]:
    return [str(error).removeprefix(f"{root}/") for error in check_workspace(root)]


def test_a_kpi_takes_its_products_event_time_and_its_domains_owner(root: Path) -> None:
    kpi = load_workspace(root).kpis["shop.revenue"]
    assert (kpi.time, kpi.owner) == ("at", "ada")
    assert kpi.formulas[0].columns == ("amount", "returned")


def test_every_mistake_of_a_file_is_told_and_not_the_first_alone(root: Path) -> None:
    more = "  - {name: a, source: shop.orders, formula: amount}\n  - {name: a, colour: red}\n"
    write(root, "domains/shop/kpis.yaml", REVENUE.replace("sum(amount)", "sum(amount); drop") + more)
    policies = "policies:\n  - {name: a, require: [ownr]}\n  - {name: b, colour: 1}\n  - {name: c, require: [owner]}\n"
    write(root, "conf/policies.yaml", policies)
    orders = root / "domains/shop/orders/contract.yaml"
    wrong = orders.read_text().replace("version: 1.0.0", "version: 1").replace("Type: number", "Type: nummer")
    write(root, "domains/shop/orders/contract.yaml", wrong.replace("schema:", "foo: 1\nschema:"))
    assert lines_of(root, "domains/shop/kpis.yaml") == [5, 7, 8]
    assert lines_of(root, "conf/policies.yaml") == [2, 3]
    assert lines_of(root, "domains/shop/orders/contract.yaml") == [4, 7, 13]


@pytest.mark.parametrize(
    ("old", "new", "line", "told"),
    [
        ("sum(amount)", "sum(amout)", 5, "'amout', which is not there. Did you mean 'amount'"),
        ("sum(amount)", "amount * 2", 5, "aggregates nothing"),
        ("sum(amount)", "(select 1)", 5, "holds SUBQUERY"),
        ("sum(amount)", "max(customer)", 5, "'customer' is personal: it may be counted"),
        ("sum(amount)", "sum(amount) over ()", 5, "holds WINDOW"),
        ("amount > 0", "sum(amount) > 0", 6, "looks at many rows"),
        ("shop.orders", "shop.order", 3, "there is no product 'shop.order'"),
        ("grain: month", "grain: fortnight", 4, "grain 'fortnight' is not known"),
        ("grain: month", "dimensions: [customer]", 4, "'customer' is personal"),
        ("grain: month", "time: amount", 4, "time 'amount' is double. Name a column of dates or times"),
        ("grain: month", "drivers: [shop.visits]", 4, "there is no KPI 'shop.visits'"),
        ("grain: month", "target: {at_least: 3, at_most: 1}", 4, "No value meets it"),
        ("grain: month", "valid_from: 2026-01-01", 4, "'valid_from' is not known here"),
        ("name: revenue", "name: Revenue", 2, "cannot name a KPI"),
        ("name: revenue", "name: orders", None, "is something else in this domain"),
    ],
)
def test_a_wrong_kpi_is_one_sentence_with_its_line(root: Path, old: str, new: str, line: int | None, told: str) -> None:
    write(root, "domains/shop/kpis.yaml", REVENUE.replace(old, new))
    found = messages(root)
    assert len(found) == 1, found
    assert told in found[0]
    assert found[0].startswith(f"domains/shop/kpis.yaml:{line}: " if line else "domains/shop/kpis.yaml: ")


def test_versions_are_ordered_by_their_days(root: Path) -> None:
    versions = (
        "    versions:\n      - {valid_from: 2026-02-01, formula: sum(amount)}\n      - {%s, formula: count(*)}\n"
    )
    base = "kpis:\n  - name: revenue\n    source: shop.orders\n"
    write(root, "domains/shop/kpis.yaml", base + versions % "valid_from: 2026-01-01")
    assert "valid_from 2026-01-01 is not after 2026-02-01" in messages(root)[0]
    write(root, "domains/shop/kpis.yaml", base + versions % "reason: none")
    assert "'valid_from' is missing" in messages(root)[0]
    write(root, "domains/shop/kpis.yaml", base + versions % "valid_from: 2026-03-01")
    formulas = load_workspace(root).kpis["shop.revenue"].formulas
    assert [one.valid_from for one in formulas] == [date(2026, 2, 1), date(2026, 3, 1)]


@pytest.mark.parametrize("name", ["revenue", "re_venue"])
def test_one_name_defined_differently_is_refused_naming_both_owners(root: Path, name: str) -> None:
    other = REVENUE.replace("sum(amount)", "count(*)").replace("name: revenue", f"name: {name}")
    write(root, "domains/board/kpis.yaml", other)
    (found,) = messages(root)
    assert "shop." in found
    assert "(owner ada)" in found
    assert "(owner grace)" in found
    assert "define one name differently" in found


def test_one_name_defined_alike_must_refer_to_the_other(root: Path) -> None:
    alike = REVENUE.replace("sum(amount)", "SUM( amount )").replace(
        "[not returned, amount > 0]", "[0 < Amount, not (returned)]"
    )
    write(root, "domains/board/kpis.yaml", alike)
    (found,) = messages(root)
    assert "are defined alike" in found
    assert "same_as: board.revenue" in found
    write(root, "domains/board/kpis.yaml", "kpis:\n  - {name: revenue, same_as: shop.revenue, target: {at_least: 9}}\n")
    assert messages(root) == []
    taken = load_workspace(root).kpis["board.revenue"]
    assert (taken.source, taken.owner, str(taken.target)) == ("shop.orders", "grace", ">= 9")
    write(root, "domains/board/kpis.yaml", "kpis:\n  - {name: revenue, same_as: shop.revenu}\n")
    assert "same_as: 'shop.revenu' is no KPI. Did you mean 'shop.revenue'" in messages(root)[0]


def test_a_glossary_is_read_and_its_links_are_checked(root: Path) -> None:
    text = (
        "terms:\n  - name: turnover\n    labels: {en: Turnover, ko: 매출}\n    definition: What was paid.\n"
        "    links: [shop.orders, shop.orders.amount, shop.revenue]\n"
    )
    write(root, "domains/shop/glossary.yaml", text)
    write(root, "conf/glossary.yaml", text)
    found = load_workspace(root).terms
    assert sorted(found) == ["glossary.turnover", "shop.glossary.turnover"]
    assert found["glossary.turnover"].labels["ko"] == "매출"
    write(root, "domains/shop/glossary.yaml", text.replace("orders.amount", "orders.amout"))
    assert messages(root)[0].startswith("domains/shop/glossary.yaml:5: ")
    assert "Did you mean 'amount'" in messages(root)[0]
    write(root, "domains/shop/glossary.yaml", text.replace("shop.revenue", "shop.revenu"))
    assert "which is no product, column or KPI. Did you mean 'shop.revenue'" in messages(root)[0]
    write(root, "domains/shop/glossary.yaml", text.replace("definition: What was paid.", "owner: ada"))
    assert "'definition' is missing" in messages(root)[0]


def deprecate(root: Path, *properties: str, status: str = "deprecated") -> None:
    path = root / "domains/shop/orders/contract.yaml"
    lines = "".join(f"  - {{property: {one}}}\n" for one in properties)
    path.write_text(path.read_text().replace("status: active", f"status: {status}") + lines)


def test_what_ends_is_noted_with_its_successor(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    deprecate(root, "successor, value: shop.activity", "retiresOn, value: '2026-12-31'")
    notes = list(life_cycle_notes(load_workspace(root), date(2026, 6, 1)))
    assert "product shop.activity reads shop.orders, which is deprecated." in notes  # it is the successor itself
    assert "KPI shop.revenue reads shop.orders, which is deprecated. Read shop.activity." in notes
    late = list(life_cycle_notes(load_workspace(root), date(2027, 1, 1)))
    assert "KPI shop.revenue reads shop.orders, which is retired. Read shop.activity." in late


@pytest.mark.parametrize(
    ("properties", "status", "told"),
    [
        (["successor, value: shop.nothing"], "deprecated", "successor: there is no product 'shop.nothing'"),
        (["successor, value: shop.orders"], "deprecated", "cannot succeed itself"),
        (["successor, value: nowhere"], "deprecated", "'nowhere' is no product"),
        (["retiresOn, value: soon"], "deprecated", "retiresOn 'soon' is no day"),
        (["successor, value: shop.activity"], "active", "stands beside status active"),
    ],
)
def test_a_wrong_end_is_refused(root: Path, properties: list[str], status: str, told: str) -> None:
    deprecate(root, *properties, status=status)
    contract = root / "domains/shop/orders/contract.yaml"
    line = next(n for n, text in enumerate(contract.read_text().splitlines(), start=1) if properties[0] in text)
    (found,) = [one for one in messages(root) if told in one]
    assert found.startswith(f"domains/shop/orders/contract.yaml:{line}: ")


def test_check_counts_kpis_and_terms(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(root)
    assert run_command(["check"]) == 0
    assert "1 KPI: all good" in capsys.readouterr().out

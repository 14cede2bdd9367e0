"""mesh check --against: what a branch changes of the contracts on main, and whom that breaks."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mesh_catalog.cli.main import run_command
from mesh_catalog.contracts.contract import Contract
from mesh_catalog.errors import InputError, NotFoundError
from mesh_catalog.workspace.revision import read_revision
from tests.unit.workspace.samples import contract, fill, write

_ORDERS = "domains/shop/orders/contract.yaml"


def _git(root: Path, *arguments: str) -> None:
    who = ("-c", "user.name=ada", "-c", "user.email=ada@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", "-C", str(root), *who, *arguments], check=True, capture_output=True)


@pytest.fixture
def branch(workspace_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The sample with a SQL product, a dashboard on it and another domain, committed on main."""
    root = fill(workspace_dir)
    columns = ("{name: day, logicalType: date}", "{name: total, logicalType: number}")
    write(root, "domains/shop/daily/contract.yaml", contract("shop.daily", *columns))
    write(
        root,
        "domains/shop/daily/build.sql",
        "with o as (select * from shop.orders) select cast(at as date) as day, sum(amount) as total from o group by 1",
    )
    write(root, "domains/board/domain.yaml", "name: board\nowner: eve\n")
    write(root, "domains/board/weekly/contract.yaml", contract("board.weekly", "{name: total, logicalType: number}"))
    write(root, "domains/board/weekly/build.sql", "select sum(total) as total from shop.daily")
    write(root, "domains/board/dashboards.yaml", "dashboards:\n  - {name: sales, reads: [board.weekly], owner: bob}\n")
    _git(root, "init", "-q", "-b", "main")
    _git(root, "add", "-A")
    _git(root, "commit", "-qm", "main")
    monkeypatch.chdir(root)
    return root


def _edit(root: Path, path: str, *pairs: tuple[str, str]) -> None:
    text = (root / path).read_text()
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    (root / path).write_text(text)


def _check(capsys: pytest.CaptureFixture[str], *more: str) -> tuple[int, dict[str, Any]]:
    capsys.readouterr()
    code = run_command(["check", "--against", "main", "--json", *more])
    return code, json.loads(capsys.readouterr().out)["against"]


_TYPE = ("{name: amount, logicalType: number}", "{name: amount, logicalType: string}")


def test_nothing_changed_is_nothing_to_say(branch: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["check", "--against", "main"]) == 0
    assert "no contract changed" in capsys.readouterr().out


def test_a_breaking_change_names_each_reader_its_owner_and_the_column_through_everything_made_of_it(
    branch: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _edit(branch, _ORDERS, _TYPE)
    code, told = _check(capsys)
    (change,) = told["changes"]
    assert code == 3 and told["refused"]
    assert (change["product"], change["change"], change["wanted"]) == ("shop.orders", "breaking", "2.0.0")
    readers = {one["name"]: (one["kind"], one["owner"], one["columns"], one["via"]) for one in change["readers"]}
    assert readers == {
        "shop.activity": ("product", "ada", [], []),
        "shop.churn": ("model", "ada", ["amount"], []),
        "shop.daily": ("product", "ada", ["amount"], []),
        "board.weekly": ("product", "eve", ["total"], ["shop.daily"]),
        "board.sales": ("dashboard", "bob", [], ["shop.daily", "board.weekly"]),
    }
    assert {tuple(one["lost"]) for one in change["readers"]} == {("amount",)}


def test_a_use_that_is_forbidden_names_the_model_two_steps_on_and_not_those_that_only_build(
    branch: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = (branch / _ORDERS).read_text().replace("shop.orders", "shop.returns").replace("name: orders", "name: returns")
    write(branch, "domains/shop/returns/contract.yaml", own)
    write(branch, "domains/shop/returns/build.sql", "select customer, at, amount, returned from shop.orders")
    reads = ("shop.orders.returned", "shop.returns.returned"), ("shop.orders.amount", "shop.returns.amount")
    _edit(branch, "domains/shop/churn/model.yaml", *reads, (", shop.activity", ""))
    uses = "customProperties:\n  - {property: allowedUses, value: [analysis, build, score]}\n"
    _edit(branch, _ORDERS, ("customProperties:\n", uses))
    _, told = _check(capsys)
    assert {one["name"]: one["via"] for one in told["changes"][0]["readers"]} == {"shop.churn": ["shop.returns"]}


def test_a_consent_column_that_is_gone_breaks_those_whose_rows_it_chooses_and_nobody_who_reads_them(
    branch: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    people = ("{name: customer, logicalType: integer}", "{name: agreed, logicalType: boolean}")
    write(branch, "domains/shop/people/contract.yaml", contract("shop.people", *people))
    write(branch, "domains/shop/people/build.sql", "select 1 as customer, true as agreed")
    consent = "{property: consent, value: {product: shop.people, key: customer, column: agreed}}"
    _edit(branch, _ORDERS, ("customProperties:\n", f"customProperties:\n  - {consent}\n"))
    _git(branch, "add", "-A")
    _git(branch, "commit", "-qm", "consent")
    _edit(branch, "domains/shop/people/contract.yaml", (f"      - {people[1]}\n", ""))
    _, told = _check(capsys)
    (change,) = told["changes"]
    assert {(one["kind"], one["name"]) for one in change["readers"]} == {
        ("product", "shop.orders"),
        ("product", "shop.daily"),
        ("product", "shop.activity"),
    }
    assert {tuple(one["lost"]) for one in change["readers"]} == {("agreed",)}


def test_a_major_version_and_the_readers_word_let_it_through(branch: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _edit(branch, _ORDERS, _TYPE, ("version: 1.0.0", "version: 2.0.0"))
    code, told = _check(capsys)
    assert code == 3
    assert told["changes"][0]["reasons"] == ["it breaks 5 readers, which must change with it or agree"]
    code, told = _check(capsys, "--allow-breaking", "shop.orders")
    assert code == 0 and len(told["changes"][0]["readers"]) == 5
    assert run_command(["check", "--against", "main", "--allow-breaking", "shop.ordrs"]) == 4
    assert "Did you mean 'shop.orders'?" in capsys.readouterr().err


def test_a_reader_that_changes_with_it_breaks_no_more(branch: Path, capsys: pytest.CaptureFixture[str]) -> None:
    price = ("{name: total, logicalType: number}", "{name: total, logicalType: string}")
    _edit(branch, "domains/shop/daily/contract.yaml", price, ("version: 1.0.0", "version: 2.0.0"))
    code, told = _check(capsys)
    assert code == 3
    _edit(branch, "domains/board/weekly/build.sql", ("sum(total)", "count(day)"))
    code, told = _check(capsys)
    assert (code, told["changes"][0]["readers"]) == (0, [])


def test_a_removed_column_that_a_model_needs_is_refused_and_is_a_mistake_of_the_workspace_too(
    branch: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _edit(branch, _ORDERS, ("      - {name: returned, logicalType: boolean}\n", ""))
    assert run_command(["check", "--against", "main"]) == 3
    told = capsys.readouterr()
    assert "shop.orders has no column 'returned'" in told.out
    assert "breaks        model shop.churn reads returned (owner ada)" in told.out
    assert "--allow-breaking shop.orders" in told.err


def test_a_product_that_is_gone_breaks_who_reads_it(branch: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for file in ("build.sql", "contract.yaml"):
        (branch / "domains/shop/daily" / file).unlink()
    code, told = _check(capsys)
    (change,) = told["changes"]
    assert code == 3 and change["new"] is None
    assert {one["name"] for one in change["readers"]} == {"board.weekly", "board.sales"}


def test_an_event_time_that_is_another_one_concerns_who_reads_the_table_itself(
    branch: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _edit(branch, _ORDERS, ("customProperties:\n  - {property: eventTime, value: at}\n", ""))
    _, told = _check(capsys)
    found = {one["name"]: one["columns"] for one in told["changes"][0]["readers"]}
    assert found["shop.daily"] == ["at"] and "shop.churn" in found


def test_additive_changes_and_other_words_pass_with_a_note_on_the_version(
    branch: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new = "      - {name: note, logicalType: string}\n"
    _edit(branch, _ORDERS, ("      - {name: returned", new + "      - {name: returned"))
    _edit(branch, "domains/shop/daily/contract.yaml", ("status: active", "status: active\ntags: [money]"))
    code, told = _check(capsys)
    assert code == 0
    assert [(one["product"], one["change"], one["wanted"]) for one in told["changes"]] == [
        ("shop.daily", "documentation", "1.0.1"),
        ("shop.orders", "additive", "1.1.0"),
    ]
    assert told["changes"][1]["notes"] == ["the version is 1.0.0; an additive change is 1.1.0"]
    _edit(branch, _ORDERS, ("version: 1.0.0", "version: 0.9.0"))
    code, told = _check(capsys)
    assert (code, told["changes"][1]["reasons"]) == (3, ["the version goes back from 1.0.0 to 0.9.0"])


def test_it_is_told_for_the_comment_of_a_pull_request(branch: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _edit(branch, _ORDERS, _TYPE)
    _edit(branch, "domains/board/domain.yaml", ("owner: eve", "owner: '@eve|<b>'"))
    capsys.readouterr()
    assert run_command(["check", "--against", "main", "--markdown"]) == 3
    told = capsys.readouterr().out
    assert told.startswith("### Contracts against `main`: 1 changed, 1 refused\n")
    assert "| `shop.orders` | 1.0.0 → 1.0.0 | breaking | **refused**: a breaking change needs" in told
    assert "| product `board.weekly` | @\u200beve\\|&lt;b> | `total` | `shop.daily` | `amount` |" in told


def test_contracts_are_read_from_git_and_the_work_tree_is_left_alone(branch: Path) -> None:
    before = read_revision(branch, "main")
    _edit(branch, _ORDERS, _TYPE)
    (branch / "domains/board/weekly/contract.yaml").write_text("a: [")
    (branch / "domains/shop/linked").mkdir()
    (branch / "domains/shop/linked/contract.yaml").symlink_to("/etc/hostname")
    _git(branch, "add", "-A")
    _git(branch, "commit", "-qm", "broken")
    found = read_revision(branch, "HEAD")
    assert found.contracts["shop.orders"].columns != before.contracts["shop.orders"].columns
    assert "HEAD:domains/board/weekly/contract.yaml:2: is not YAML" in found.unread["board.weekly"]
    assert "shop.linked" not in {*found.contracts, *found.unread}
    again = read_revision(branch, "HEAD~1")
    assert (again.commit, again.contracts) == (before.commit, _renamed(before.contracts, "main", "HEAD~1"))


def _renamed(contracts: dict[str, Contract], old: str, new: str) -> dict[str, Contract]:
    """The same contracts, read by another name of the commit."""
    return {name: replace(one, path=Path(str(one.path).replace(old, new, 1))) for name, one in contracts.items()}


@pytest.mark.parametrize(
    ("ref", "error", "sentence"),
    [
        ("nowhere", NotFoundError, "git knows no commit 'nowhere'.*git fetch origin nowhere"),
        ("--output=x", InputError, "names no commit"),
        ("", InputError, "names no commit"),
        ("main:domains", NotFoundError, "git knows no commit"),
    ],
)
def test_what_is_no_commit_is_refused(branch: Path, ref: str, error: type[Exception], sentence: str) -> None:
    with pytest.raises(error, match=sentence):
        read_revision(branch, ref)


def test_a_workspace_without_git_is_told_so(
    workspace_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(fill(workspace_dir))
    assert run_command(["check", "--against", "main"]) == 2
    assert "git cannot read it" in capsys.readouterr().err
    assert run_command(["check", "--markdown"]) == 2

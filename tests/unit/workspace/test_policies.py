"""The organisation's policies over every domain: what breaks them, where, and what a broken file does."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

from mesh_catalog.access.mesh import open_mesh
from mesh_catalog.access.rights import publish_warnings, require_publishable
from mesh_catalog.cli.main import run_command
from mesh_catalog.errors import DocumentError, PolicyRefusedError
from mesh_catalog.settings import load_settings
from mesh_catalog.workspace import check_workspace, load_workspace
from mesh_catalog.workspace.policies import PolicyFinding, find_breaches, stale_exemptions
from tests.unit.workspace.samples import fill, write

TODAY = date(2026, 6, 1)


def findings(root: Path, policies: str) -> list[PolicyFinding]:
    write(fill(root), "conf/policies.yaml", policies)
    return find_breaches(load_workspace(root), today=TODAY)


def told(root: Path, policies: str) -> list[str]:
    return [f"{one.path.relative_to(root)}:{one.line} {one.sentence}" for one in findings(root, policies)]


def test_no_file_is_no_policies(workspace_dir: Path) -> None:
    assert find_breaches(load_workspace(fill(workspace_dir)), today=TODAY) == []


def test_metadata_that_must_be_there_is_missed_at_its_file_and_line(workspace_dir: Path) -> None:
    found = told(
        workspace_dir,
        """\
        policies:
          - name: known
            require: [owner, onCall, description, tags, sla.frequency, licence, columns.classification]
            domains: [shop]
            because: Nobody finds what is not described.
          - {name: models, kinds: [model], require: [purpose, decides]}
          - {name: elsewhere, domains: [crm], require: [description]}
        """,
    )
    orders = (
        "domains/shop/orders/contract.yaml:3 shop.orders: has no {}. Policy known. Nobody finds what is not described."
    )
    assert orders.format("description. Add it") in found
    assert orders.format("service level 'frequency'. Add it to slaProperties") in found
    assert orders.format("customProperty licence. Add it") in found
    assert any(one.startswith("domains/shop/domain.yaml:1 shop.orders: has no onCall") for one in found)
    assert any(
        one.startswith("domains/shop/orders/contract.yaml:12 shop.orders.amount: has no classification")
        for one in found
    )
    assert not any("shop.orders.customer" in one or "has no owner" in one or "elsewhere" in one for one in found)
    assert [one for one in found if "model.yaml" in one] == [
        "domains/shop/churn/model.yaml:1 shop.churn: has no purpose. Add one. Policy models.",
        "domains/shop/churn/model.yaml:1 shop.churn: has no decides. Add one. Policy models.",
    ]


def test_names_classifications_and_retention_are_held_to_patterns_and_bounds(workspace_dir: Path) -> None:
    found = told(
        workspace_dir,
        """\
        policies:
          - {name: words, severity: warning, names: {product: "[a-z]+s", column: "[a-z]{3,}"}}
          - {name: people, classify: {columns: "^(customer|amount)$", as: [personal, special]}}
          - {name: short, retention: {classification: [personal], most: 30d}}
        """,
    )
    late = "says no retention, which must be at most 30 days. Add it to slaProperties. Policy short."
    people = "a column of this name is personal or special; its classification is none. Policy people."
    assert [one.removeprefix("domains/shop/") for one in found] == [
        "activity/contract.yaml:3 shop.activity: the name 'activity' does not match [a-z]+s. Policy words.",
        f"activity/contract.yaml:3 shop.activity: {late}",
        "activity/contract.yaml:11 shop.activity.at: the name does not match [a-z]{3,}. Policy words.",
        f"orders/contract.yaml:3 shop.orders: {late}",
        "orders/contract.yaml:11 shop.orders.at: the name does not match [a-z]{3,}. Policy words.",
        f"orders/contract.yaml:12 shop.orders.amount: {people}",
    ]
    path = workspace_dir / "domains/shop/orders/contract.yaml"
    for length, bad in (("3", 0), ("60", 1)):
        path.write_text(path.read_text() + f"slaProperties:\n  - {{property: retention, value: {length}, unit: w}}\n")
        sentences = [one.sentence for one in find_breaches(load_workspace(workspace_dir), today=TODAY)]
        assert sum("its retention is 420 days, but must be at most 30 days" in one for one in sentences) == bad
        path.write_text(path.read_text().partition("slaProperties")[0])


def test_an_exception_holds_until_its_day_and_is_told_of_after_it(workspace_dir: Path) -> None:
    policies = """\
        policies:
          - name: known
            require: [description]
            exceptions:
              - {of: shop.orders, until: 2026-06-01, reason: the team moves}
              - {of: shop.activity, until: 2026-05-31, reason: the team moves}
              - {of: shop.gone, until: 2026-12-31, reason: the team moves}
        """
    found = {one.subject: one for one in findings(workspace_dir, policies)}
    assert not found["shop.orders"].stops and found["shop.orders"].excepted_until == TODAY
    assert found["shop.activity"].stops and "(its exception ended on 2026-05-31)" in found["shop.activity"].sentence
    place = "conf/policies.yaml:{}: the exception of known for shop.{}"
    assert stale_exemptions(load_workspace(workspace_dir), today=TODAY) == [
        f"{place.format(6, 'activity')} ended on 2026-05-31. Remove it, or agree on a new day.",
        f"{place.format(7, 'gone')} covers nothing that is there. Remove it.",
    ]


def test_errors_refuse_a_publish_before_spark_and_warnings_are_shown(
    workspace_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(
        fill(workspace_dir),
        "conf/policies.yaml",
        "policies:\n  - {name: known, require: [description]}\n  - {name: nice, severity: warning, require: [tags]}\n",
    )
    monkeypatch.setenv("MESH_WORKSPACE", str(workspace_dir))
    (workspace_dir / "landing/shop/orders").mkdir(parents=True)
    (workspace_dir / "landing/shop/orders/a.csv").write_text("customer,At,amount,returned\n")
    assert run_command(["publish", "shop.orders"]) == 3
    told = capsys.readouterr().err
    assert "orders/contract.yaml:3  shop.orders: has no description. Add it. Policy known." in told
    assert "starts Spark" not in told
    assert run_command(["check", "--json"]) == 2
    document = json.loads(capsys.readouterr().out)
    assert {(one["policy"], one["severity"], one["path"]) for one in document["policies"]} == {
        (policy, severity, f"domains/shop/{product}/contract.yaml")
        for policy, severity in (("known", "error"), ("nice", "warning"))
        for product in ("orders", "activity")
    }
    assert [one["line"] for one in document["problems"]] == [3, 3]
    with open_mesh(load_settings()) as mesh:
        product = mesh.workspace.product("shop.orders")
        assert publish_warnings(mesh, product) == ("shop.orders: has no tags. Add it. Policy nice.",)
        with pytest.raises(PolicyRefusedError, match="conf/policies.yaml"):
            require_publishable(mesh, product)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("policies: 3\n", "policies.yaml:1: policies must be a list"),
        ("polices: []\n", "policies.yaml:1: 'polices' is not known here. Did you mean 'policies'"),
        (
            "policies:\n  - {name: a}\n",
            "policies.yaml:2: a policy has one of require, names, classify, retention; 'a' has",
        ),
        ("policies:\n  - {name: a, require: [onwer]}\n", "cannot be required of product. Did you mean 'owner'"),
        ("policies:\n  - {name: a, kinds: [model], require: [tags]}\n", "'tags' cannot be required of model"),
        ("policies:\n  - {name: a, names: {column: '(a+)+$'}}\n", "policies.yaml:2: the pattern of column "),
        ("policies:\n  - {name: a, names: {column: '[a'}}\n", "the pattern of column "),
        ("policies:\n  - {name: a, classify: {columns: mail}}\n", "'as' is missing"),
        ("policies:\n  - {name: a, classify: {columns: mail, as: [pii]}}\n", "as 'pii' is not known"),
        ("policies:\n  - {name: a, retention: {most: 1d, least: 2d}}\n", "least is longer than most"),
        ("policies:\n  - {name: a, severity: fatal, require: [tags]}\n", "severity 'fatal' is not known"),
        (
            "policies:\n  - name: a\n    require: [tags]\n    exceptions: [{of: shop, until: soon, reason: x}]\n",
            "policies.yaml:4: until 'soon' is no day",
        ),
        (
            "policies:\n  - name: a\n    require: [tags]\n    exceptions: [{of: shop, until: 2026-01-01}]\n",
            "'reason' is mis",
        ),
        ("rights: {unspecified: maybe}\n", "unspecified 'maybe' is not known. Allowed: allow, deny"),
        ("purposes: [billing]\n", "purposes maps the name of each purpose"),
        ("a: [\n", "is not YAML"),
    ],
)
def test_a_broken_policy_file_is_told_in_a_sentence_and_refuses_everything(
    workspace_dir: Path, text: str, sentence: str
) -> None:
    write(fill(workspace_dir), "conf/policies.yaml", text)
    with pytest.raises(DocumentError, match=sentence):
        load_workspace(workspace_dir)
    assert len(check_workspace(workspace_dir)) == 1


def test_a_file_under_another_name_or_outside_is_refused_and_purposes_are_a_closed_list(workspace_dir: Path) -> None:
    root = fill(workspace_dir)
    write(root, "conf/policies.yml", "policies: []\n")
    with pytest.raises(DocumentError, match=r"policies.yml: is not read, so its policies would not hold"):
        load_workspace(root)
    (root / "conf/policies.yml").rename(root.parent / "outside.yaml")
    (root / "conf/policies.yaml").symlink_to(root.parent / "outside.yaml")
    with pytest.raises(DocumentError, match="leads out of the workspace"):
        load_workspace(root)
    (root / "conf/policies.yaml").unlink()
    write(root, "conf/policies.yaml", "purposes: {fraud: Stop fraud.}\n")
    model = root / "domains/shop/churn/model.yaml"
    model.write_text(model.read_text() + "purpose: fraut\n")
    with pytest.raises(
        DocumentError, match=r"model.yaml:14: the purpose 'fraut' is not in conf/policies.yaml. Did you mean 'f"
    ):
        load_workspace(root)

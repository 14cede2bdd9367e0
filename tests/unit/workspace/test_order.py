from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh_catalog.errors import DocumentError, NotFoundError
from mesh_catalog.workspace import check_workspace, load_workspace, publish_order
from tests.unit.workspace.samples import contract, fill, write


def _chain(root: Path, reads: dict[str, list[str]]) -> None:
    write(root, "domains/d/domain.yaml", "name: d\n")
    for name, inputs in reads.items():
        write(root, f"domains/d/{name}/contract.yaml", contract(f"d.{name}", "{name: a, logicalType: integer}"))
        tables = " union all ".join(f"select a from d.{one}" for one in inputs) or "select 1 as a"
        write(root, f"domains/d/{name}/build.sql", tables)


def test_inputs_come_first_and_else_the_given_order_holds(workspace_dir: Path) -> None:
    _chain(workspace_dir, {"a": ["b", "c"], "b": ["c"], "c": [], "z": []})
    workspace = load_workspace(workspace_dir)
    assert [p.name for p in publish_order(workspace, ["d.z", "d.a", "d.b", "d.c"])] == ["d.z", "d.c", "d.b", "d.a"]


def test_an_order_holds_across_products_that_are_not_published(workspace_dir: Path) -> None:
    _chain(workspace_dir, {"a": ["b"], "b": ["c"], "c": []})
    workspace = load_workspace(workspace_dir)
    assert [p.name for p in publish_order(workspace, ["d.a", "d.c"])] == ["d.c", "d.a"]


def test_a_circle_is_named(workspace_dir: Path) -> None:
    _chain(workspace_dir, {"a": ["b"], "b": ["c"], "c": ["b"]})
    workspace = load_workspace(workspace_dir)
    with pytest.raises(DocumentError, match=r"circle: d\.b -> d\.c -> d\.b"):
        publish_order(workspace, ["d.a"])
    assert ["circle" in str(error) for error in check_workspace(workspace_dir)] == [True]


def test_an_unknown_input_is_named_with_its_line_and_the_nearest(workspace_dir: Path) -> None:
    _chain(workspace_dir, {"orders": [], "b": []})
    write(workspace_dir, "domains/d/b/build.sql", "select a\nfrom d.order")
    with pytest.raises(DocumentError, match=r"build.sql:2: there is no product 'd.order'. Did you mean 'd.orders'"):
        publish_order(load_workspace(workspace_dir), ["d.b"])


def test_a_product_that_cannot_be_read_is_not_also_said_to_be_missing(workspace_dir: Path) -> None:
    _chain(workspace_dir, {"a": ["b"], "b": []})
    write(workspace_dir, "domains/d/b/contract.yaml", "[")
    assert [Path(error.path).name for error in check_workspace(workspace_dir)] == ["contract.yaml"]


def test_what_a_model_writes_can_be_read(workspace_dir: Path) -> None:
    fill(workspace_dir)
    write(workspace_dir, "domains/shop/kpi/contract.yaml", contract("shop.kpi", "{name: a, logicalType: integer}"))
    write(workspace_dir, "domains/shop/kpi/build.sql", "select count(*) as a from shop.churn__predictions")
    assert check_workspace(workspace_dir) == []
    assert [p.name for p in publish_order(load_workspace(workspace_dir), ["shop.kpi"])] == ["shop.kpi"]


def test_a_name_that_is_no_product_is_not_found(workspace_dir: Path) -> None:
    with pytest.raises(NotFoundError, match="there is no product 'd.x'"):
        publish_order(load_workspace(workspace_dir), ["d.x"])


@settings(max_examples=20, deadline=None)
@given(st.data())
def test_in_any_workspace_without_a_circle_everything_comes_after_its_inputs(data: st.DataObject) -> None:
    names = [f"p{place}" for place in range(data.draw(st.integers(1, 7)))]
    reads = {
        name: data.draw(st.lists(st.sampled_from(names[:place]), unique=True)) if place else []
        for place, name in enumerate(names)
    }
    wanted = [f"d.{name}" for name in data.draw(st.permutations(names))]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "conf").mkdir()
        _chain(root, reads)
        order = [product.name for product in publish_order(load_workspace(root), wanted)]
    assert sorted(order) == sorted(wanted)
    for name, inputs in reads.items():
        assert all(order.index(f"d.{one}") < order.index(f"d.{name}") for one in inputs)


def _with_rule(root: Path, name: str, column: str, *, table: str = "") -> None:
    text = contract(f"d.{name}", column, "{name: b, logicalType: string}")
    write(root, f"domains/d/{name}/contract.yaml", text + table)


def test_what_an_error_rule_refers_to_comes_first_and_what_a_warning_refers_to_need_not(workspace_dir: Path) -> None:
    _chain(workspace_dir, {"a": [], "z": []})
    _with_rule(workspace_dir, "a", "{name: a, logicalType: integer, relationships: [{to: d.z.a}]}")
    order = publish_order(load_workspace(workspace_dir), ["d.a", "d.z"])
    assert [product.name for product in order] == ["d.z", "d.a"]
    severity = "customProperties: [{property: severity, value: warning}]"
    _with_rule(workspace_dir, "a", f"{{name: a, logicalType: integer, relationships: [{{to: z.a, {severity}}}]}}")
    order = publish_order(load_workspace(workspace_dir), ["d.a", "d.z"])
    assert [product.name for product in order] == ["d.a", "d.z"]


@pytest.mark.parametrize(
    ("column", "sentence"),
    [
        ("{name: a, logicalType: integer, relationships: [{to: d.zz.a}]}", "no product 'd.zz'. Did you mean 'd.z'"),
        ("{name: a, logicalType: integer, relationships: [{to: d.z.aa}]}", "d.z has no column 'aa'"),
        ("{name: a, logicalType: string, relationships: [{to: d.z.a}]}", "'a' is string, but d.z.a"),
        (
            "{name: a, logicalType: integer, quality: [{type: sql, query: select count(*) from d.zz, mustBe: 0}]}",
            "no product 'd.zz'",
        ),
    ],
)
def test_a_rule_that_refers_to_what_is_not_there_is_named_with_its_line(
    workspace_dir: Path, column: str, sentence: str
) -> None:
    _chain(workspace_dir, {"a": [], "z": []})
    _with_rule(workspace_dir, "a", column)
    (error,) = check_workspace(workspace_dir)
    assert sentence in str(error)
    assert error.line == 10

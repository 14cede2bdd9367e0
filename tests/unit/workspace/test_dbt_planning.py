from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import sqlglot

from mesh_catalog.documents import read_document
from mesh_catalog.errors import DocumentError, InputError, MeshError, NotFoundError
from mesh_catalog.workspace import check_workspace, load_workspace, publish_order
from mesh_catalog.workspace.dbt.personal import made_from_personal
from mesh_catalog.workspace.dbt.plan import DbtPlan
from mesh_catalog.workspace.dbt.planning import plan_dbt_import
from mesh_catalog.workspace.dbt.sql import Relation, UntranslatableSqlError, translate
from mesh_catalog.workspace.dbt.writing import write_dbt_import
from tests.dbt_samples import JAFFLE, SEEDS, write_project
from tests.unit.workspace.samples import fill

PROJECT = {"dbt_project.yml": "name: shop\n"}


def _columns(sql: str, _inputs: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Every column a text: these tests are not about types."""
    query = sqlglot.parse_one(sql, read="spark")
    assert isinstance(query, sqlglot.exp.Query)
    return dict.fromkeys(query.named_selects, "string")


def _plan(root: Path, folder: Path, files: Mapping[str, str], seeds: Mapping[str, str] = SEEDS, **more: Any) -> DbtPlan:
    project = write_project(folder / "dbt", {**PROJECT, **files}, seeds)
    return plan_dbt_import(root, project, analyse=_columns, **more)


def _reasons(plan: DbtPlan) -> dict[str, str]:
    return {f"{one.kind} {one.name}": one.reason for one in plan.left_out}


def test_a_project_becomes_a_sound_workspace_with_everything_after_its_inputs(
    workspace_dir: Path, tmp_path: Path
) -> None:
    plan = _plan(workspace_dir, tmp_path, JAFFLE, owner="ada")
    assert sorted(path.name for path in (workspace_dir / "domains").iterdir()) == []
    write_dbt_import(workspace_dir, plan)
    assert check_workspace(workspace_dir) == []
    workspace = load_workspace(workspace_dir)
    order = [product.name for product in publish_order(workspace, workspace.products)]
    assert sorted(order) == sorted(product.name for product in plan.products)
    for name, reads in ((product.name, product.reads) for product in plan.products):
        assert all(order.index(read) < order.index(name) for read in reads)
    customers = workspace.product("jaffle.customers")
    assert customers.owner == "ada"
    assert customers.contract.description == "Who has ever bought something."
    assert customers.contract.tags == ("core",)
    assert {rule.id for rule in customers.contract.rules} == {
        "customer_id.unique", "customer_id.required", "place.unique", "worth.valid_values"
    }  # fmt: skip
    assert "first_name" in customers.contract.personal_columns
    assert set(plan.written) == {
        path.relative_to(workspace_dir).as_posix()
        for top in ("domains", "landing")
        for path in (workspace_dir / top).rglob("*")
        if path.is_file()
    }


def test_an_exposure_becomes_a_dashboard(workspace_dir: Path, tmp_path: Path) -> None:
    write_dbt_import(workspace_dir, _plan(workspace_dir, tmp_path, JAFFLE, domain="cafe"))
    dashboard = load_workspace(workspace_dir).dashboards["cafe.weekly_sales"]
    assert (dashboard.title, dashboard.kind, dashboard.url) == (
        "Weekly sales", "dashboard", "https://bi.example.org/sales"
    )  # fmt: skip
    assert dashboard.owner == "Grace Hopper"
    assert dashboard.reads == ("cafe.orders", "cafe.customers")


def test_what_is_left_out_is_listed_with_what_depends_on_it(workspace_dir: Path, tmp_path: Path) -> None:
    files = {
        "dbt_project.yml": "name: shop\non-run-end: ['grant all']\nmodels: {shop: {off: {+enabled: false}}}\n",
        "packages.yml": "packages: []\n",
        "models/a.py": "def model(dbt, session): ...\n",
        "models/b.sql": "{{ config(post_hook='vacuum') }}select id from {{ ref('raw_orders') }}",
        "models/after_a.sql": "select 1 as x from {{ ref('a') }}",
        "models/after_that.sql": "select x from {{ ref('after_a') }}",
        "models/off/c.sql": "select 1 as x",
        "models/after_c.sql": "select x from {{ ref('c') }}",
        "models/hard_coded.sql": "select * from prod.orders",
        "models/files.sql": "select * from read_csv('/etc/passwd')",
        "models/two.sql": "select 1 as x; select 2 as x",
        "models/ddl.sql": "drop table x",
        "models/itself.sql": "select x from {{ this }}",
        "models/named.sql": "select '{{ ref('b') }}' as name from {{ ref('b') }}",
        "models/odd.sql": "{{ config(materialized='stream') }}select 1 as x",
        "models/pkg.sql": "select * from {{ ref('other', 'x') }}",
        "models/all.yml": """\
            models:
              - {name: b, columns: [{name: id, tests: [is_even]}]}
              - {name: ghost}
              - {name: v, versions: [{v: 1}]}
            metrics: [{name: revenue}]
            unit_tests: [{name: one, model: b}]
            exposures:
              - {name: board, type: dashboard, owner: {email: x@y.z}, depends_on: [ref('a')]}
            """,
        "snapshots/s.sql": "{% snapshot kept %}select 1 as x{% endsnapshot %}",
        "tests/one.sql": "select 1",
        "analyses/look.sql": "select 1",
        "models/sources.yml": "sources: [{name: raw, freshness: {warn_after: {}}, tables: [{name: unread}]}]\n",
    }
    plan = _plan(workspace_dir, tmp_path, files)
    reasons = _reasons(plan)
    expected = {
        "model a": "Python model",
        "model after_a": "reads 'a', which is left out",
        "model after_that": "reads 'after_a', which is left out",
        "model c": "disabled",
        "model after_c": "reads 'c', which is left out",
        "model hard_coded": "reads 'prod.orders', which neither ref",
        "model files": "read",
        "model two": "not one SELECT",
        "model ddl": "not one SELECT",
        "model itself": "reads itself",
        "model named": "not as a table to read",
        "model odd": "materialised as 'stream'",
        "model pkg": "of the package other",
        "model ghost": "has no file",
        "model v": "has versions",
        "hook post_hook of b": "statements of its own",
        "hook on-run-end": "statements of its own",
        "test b: is_even of id": "generic test",
        "test tests/one.sql": "singular test",
        "snapshot kept": "no unique_key",
        "metric revenue": "no counterpart",
        "unit test one": "no counterpart",
        "exposure board": "reads nothing that is imported",
        "analysis analyses/look.sql": "not a table",
        "source raw.unread": "read by no model",
        "freshness raw.unread": "slaProperty",
        "packages packages.yml": "not read",
    }
    assert reasons.keys() == expected.keys()
    for what, reason in expected.items():
        assert reason in reasons[what], what
    assert [p.name for p in plan.products if p.kind == "model"] == ["shop.b"]


def test_sources_are_products_of_the_workspace_or_wait_for_their_files(workspace_dir: Path, tmp_path: Path) -> None:
    fill(workspace_dir)
    files = {
        "models/a.sql": (
            "select customer from {{ source('shop', 'orders') }} union all select c from {{ source('raw', 'acts') }}"
            " union all select email from {{ source('raw', 'typed') }}"
        ),
        "models/b.sql": "select 1 as x from {{ source('raw', 'untyped') }}",
        "models/c.sql": "select 1 as x from {{ source('raw', 'undeclared') }}",
        "models/all.yml": """\
            sources:
              - name: raw
                tables:
                  - {name: acts, columns: [{name: c, tests: [unique]}]}
                  - {name: untyped, columns: [{name: x}]}
                  - name: typed
                    columns:
                      - {name: email, data_type: varchar(20), tests: [not_null]}
                      - {name: n, data_type: int8}
              - {name: shop, tables: [{name: orders}]}
            """,
    }
    plan = _plan(
        workspace_dir, tmp_path, files, {}, domain="marts", dialect="postgres", sources={"raw.acts": "shop.activity"}
    )
    products = {product.name: product for product in plan.products}
    assert products["marts.a"].reads == ("shop.orders", "shop.activity", "marts.raw_typed")
    assert products["marts.raw_typed"].columns == {"email": "string", "n": "bigint"}
    assert "--source raw.untyped=domain.product" in _reasons(plan)["source raw.untyped"]
    assert "contract of shop.activity" in _reasons(plan)["test raw.acts: unique of c"]
    assert "not declared" in _reasons(plan)["source raw.undeclared"]
    write_dbt_import(workspace_dir, plan)
    assert check_workspace(workspace_dir) == []
    typed = load_workspace(workspace_dir).product("marts.raw_typed")
    assert typed.contract.personal_columns == ("email",)
    assert [rule.id for rule in typed.contract.rules] == ["email.required"]


def test_a_source_given_by_hand_must_be_there(workspace_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"no product 'shop\.nothing'"):
        _plan(
            workspace_dir, tmp_path, {"models/a.sql": "select 1 as x from {{ source('r', 't') }}"},
            sources={"r.t": "shop.nothing"},
        )  # fmt: skip


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"models/a.sql": "{{ ref('raw_order') }}"}, r"a\.sql: .*'raw_order'.*Did you mean 'raw_orders'\?"),
        (
            {"models/a.sql": "select * from {{ ref('b') }}", "models/b.sql": "select * from {{ ref('c') }}",
             "models/c.sql": "select * from {{ ref('a') }}"},
            r"circle: (a -> b -> c -> a|b -> c -> a -> b|c -> a -> b -> c)\. Break it",
        ),
        ({"models/a.sql": "select * from {{ ref('a') }}"}, "circle: a -> a"),
        ({"models/x/a.sql": "select 1 as x", "models/y/a.sql": "select 1 as x"}, r"y/a\.sql: 'a' is the name of .*x/a"),
        ({"models/raw_orders.sql": "select 1 as x"}, "'raw_orders' is the name of"),
        ({"models/a__b.sql": "select 1 as x", "models/a_b.sql": "select 1 as x"}, r"both be the product shop\.a_b"),
        ({"models/m.yml": "models: [{columns: []}]\n"}, r"m\.yml:1: .*no name"),
        ({"models/m.yml": "models: {a: 1}\n"}, r"m\.yml:1: models must be a list"),
        ({"dbt_project.yml": "name: 'a b'\n"}, r"dbt_project\.yml:1: 'name' is missing, or is no name"),
        ({"dbt_project.yml": "name: shop\nmodel-paths: ['../..']\n"}, r"'\.\./\.\.' leaves the project"),
    ],
)  # fmt: skip
def test_a_project_that_is_wrong_is_refused_whole(
    files: Mapping[str, str], message: str, workspace_dir: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message):
        _plan(workspace_dir, tmp_path, files)


def test_a_folder_without_a_project_is_named(workspace_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no dbt_project\.yml in it"):
        plan_dbt_import(workspace_dir, tmp_path, analyse=_columns)


def test_a_project_is_not_imported_over_what_is_there(workspace_dir: Path, tmp_path: Path) -> None:
    plan = _plan(workspace_dir, tmp_path, JAFFLE)
    write_dbt_import(workspace_dir, plan)
    before = {path: path.stat().st_mtime_ns for path in workspace_dir.rglob("*")}
    with pytest.raises(InputError, match="Nothing was imported|exists already|has landed there"):
        write_dbt_import(workspace_dir, plan)
    with pytest.raises(MeshError, match="exists already|has landed there"):
        _plan(workspace_dir, tmp_path, JAFFLE)
    assert {path: path.stat().st_mtime_ns for path in workspace_dir.rglob("*")}.keys() == before.keys()


def test_passwords_of_a_profile_reach_nothing_that_is_written(workspace_dir: Path, tmp_path: Path) -> None:
    profile = "shop: {target: dev, outputs: {dev: {type: postgres, password: hunter2}}}\n"
    plan = _plan(workspace_dir, tmp_path, {"profiles.yml": profile, "models/a.sql": "select '{{ target.name }}' as x"})
    assert (plan.dialect, plan.dialect_from) == ("postgres", "profiles.yml (postgres)")
    assert "hunter2" not in repr(plan)


def test_an_incremental_model_keeps_its_key(workspace_dir: Path, tmp_path: Path) -> None:
    files = {
        "models/a.sql": "{{ config(materialized='incremental', unique_key=['id', 'day']) }}select 1 as day, 2 as ID"
    }
    plan = _plan(workspace_dir, tmp_path, files, {})
    write_dbt_import(workspace_dir, plan)
    contract = load_workspace(workspace_dir).product("shop.a").contract
    assert (contract.write_mode, contract.primary_key) == ("upsert", ("ID", "day"))


def test_a_snapshot_is_a_history(workspace_dir: Path, tmp_path: Path) -> None:
    block = (
        "{% snapshot kept %}{{ config(strategy='timestamp', unique_key='id', updated_at='order_date') }}"
        "select id, cast(order_date as date) as order_date from {{ ref('raw_orders') }}{% endsnapshot %}"
    )
    files = {
        "snapshots/kept.sql": block,
        "snapshots/more.yml": (
            "snapshots: [{name: checked, relation: ref('raw_orders'),"
            " config: {unique_key: [id], strategy: check, check_cols: [status]}}]\n"
        ),
        "models/current.sql": "select id, valid_from from {{ ref('kept') }} where is_current",
    }
    project = write_project(tmp_path / "dbt", {**PROJECT, **files}, SEEDS)
    kinds = {"id": "bigint", "order_date": "date", "user_id": "bigint", "status": "string", "valid_from": "timestamp"}

    def analyse(sql: str, inputs: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
        names = _columns(sql, inputs)
        return {name: kinds[name] for name in (names if "*" not in names else next(iter(inputs.values())))}

    plan = plan_dbt_import(workspace_dir, project, analyse=analyse)
    write_dbt_import(workspace_dir, plan)
    assert check_workspace(workspace_dir) == []
    kept = load_workspace(workspace_dir).product("shop.kept").contract
    assert (kept.write_mode, kept.primary_key, kept.event_time) == ("history", ("id",), "order_date")
    assert [column.name for column in kept.columns][-3:] == ["valid_from", "valid_to", "is_current"]
    assert load_workspace(workspace_dir).product("shop.checked").contract.write_mode == "history"
    assert any("not those of check_cols" in note for note in plan.notes)
    assert "shop.current" in {product.name for product in plan.products}


def test_a_relationship_to_what_is_made_from_it_is_left_out(workspace_dir: Path, tmp_path: Path) -> None:
    plan = _plan(workspace_dir, tmp_path, JAFFLE)
    assert "made from it" in _reasons(plan)["test orders: relationships of customer_id"]


def test_a_type_of_a_seed_that_is_not_known_is_told(workspace_dir: Path, tmp_path: Path) -> None:
    types = "name: shop\nseeds: {shop: {s: {+column_types: {A: 'decimal(9,2)', b: 'geometry(4)'}}}}\n"
    plan = _plan(workspace_dir, tmp_path, {"dbt_project.yml": types}, {"s": "a,b\n1,2\n3,4\n"}, dialect="postgres")
    assert plan.products[0].columns == {"a": "decimal(9,2)", "b": "bigint"}
    assert plan.notes == ("s: the column_type 'geometry(4)' of b is not known: integer is taken",)


def test_dates_and_numbers_that_dbt_takes_for_text_stay_text(workspace_dir: Path, tmp_path: Path) -> None:
    rows = "".join(f"{n},NA,{n}/12/2026,2026-01-{n:02d},0{n}\n" for n in range(1, 9)) + "9,1,13/12/2026,2026-01-09,09\n"
    plan = _plan(workspace_dir, tmp_path, {}, {"odd": "n,maybe,written,day,code\n" + rows})
    kinds = plan.products[0].columns
    assert (kinds["n"], kinds["maybe"], kinds["written"], kinds["day"]) == ("bigint", "string", "string", "date")


# SQL ---------------------------------------------------------------------------------------------------------------

ORDERS = {
    "mesh_ref_0": Relation(product="shop.orders", identifier="the_orders", columns={"a": "bigint", "b": "double"})
}


@pytest.mark.parametrize(
    ("dialect", "sql", "translated"),
    [
        ("postgres", "select a / 2 as x from mesh_ref_0", "a DIV 2"),
        ("postgres", "select sum(a) / count(*) as x from mesh_ref_0", "DIV"),
        ("postgres", "select b / 2 as x from mesh_ref_0", "b / 2"),
        ("postgres", "with w as (select a as c from mesh_ref_0) select c / 2 as x from w", "c DIV 2"),
        ("duckdb", "select a / 2 as x from mesh_ref_0", "a / 2"),
        ("snowflake", "select iff(a > 1, 'x', 'y') as x from mesh_ref_0", "IF(a > 1, 'x', 'y')"),
        ("bigquery", "select safe_cast(a as string) as x from mesh_ref_0", "TRY_CAST(a AS STRING)"),
        ("duckdb", "select mesh_ref_0.a from mesh_ref_0", "the_orders.a"),
        (
            "duckdb",
            "with source as (select a from mesh_ref_0) select source.a from source",
            "FROM source_rows AS source",
        ),
    ],
)
def test_sql_means_in_spark_what_it_meant(dialect: str, sql: str, translated: str) -> None:
    found = translate(sql, ORDERS, dialect=dialect)
    assert translated in found.text
    assert found.notes == ()
    assert "shop.orders AS the_orders" in found.text


def test_a_division_of_unknown_types_is_told() -> None:
    found = translate("select some_function(a) / 2 as x from mesh_ref_0", ORDERS, dialect="postgres")
    assert len(found.notes) == 1
    assert "whole numbers" in found.notes[0]


def test_sql_that_cannot_be_read_is_said_so() -> None:
    with pytest.raises(UntranslatableSqlError, match="is not SQL that can be read"):
        translate("select from from from", ORDERS, dialect="duckdb")


def test_written_files_say_where_they_come_from(workspace_dir: Path, tmp_path: Path) -> None:
    write_dbt_import(workspace_dir, _plan(workspace_dir, tmp_path, JAFFLE))
    folder = workspace_dir / "domains/jaffle/customers"
    assert (folder / "build.sql").read_text().startswith("-- from dbt: models/customers.sql\n")
    assert (folder / "contract.yaml").read_text().startswith("# from dbt: models/customers.sql\n")
    assert read_document(folder / "contract.yaml").data["id"] == "jaffle.customers"


def test_a_broken_properties_file_is_placed(workspace_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match=r"m\.yml:2: is not YAML|m\.yml:\d+: "):
        _plan(workspace_dir, tmp_path, {"models/m.yml": "models:\n  - [name: a\n"})


PEOPLE = {"shop.people": {"id": "bigint", "email": "string", "n": "int"}, "shop.orders": {"id": "bigint"}}


@pytest.mark.parametrize(
    ("sql", "personal"),
    [
        ("select id, lower(email) as contact, n from shop.people", {"contact"}),
        (
            "with w as (select email as who, n from shop.people) select concat(who, n) as text, n + 1 as m from w",
            {"text"},
        ),
        ("select count(email) as a, max(email) as b, count(distinct email) over () as c from shop.people", {"b"}),
        ("select * from shop.people", {"email"}),
        ("select ID, (select max(email) from shop.people) as s from shop.orders", {"s"}),
        ("select id as a from shop.orders union all select email from shop.people", {"a"}),
        ("select o.id, p.n from shop.orders o left join shop.people p using (id)", set()),
    ],
)
def test_what_is_made_from_people_is_known_under_any_name(sql: str, personal: set[str]) -> None:
    query = sqlglot.parse_one(sql, read="spark")
    assert isinstance(query, sqlglot.exp.Query)
    columns = list(PEOPLE["shop.people"]) if "*" in sql.split()[1] else query.named_selects
    assert made_from_personal(sql, columns, inputs=PEOPLE, personal={"shop.people": ["email"]}) == personal

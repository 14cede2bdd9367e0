"""Rules on the whole batch, as contracts write them: foreign keys, SQL, distributions."""

from __future__ import annotations

from pathlib import Path

import pytest

from mesh_catalog.contracts.contract import Distribution, Query, Reference, Rule, Threshold
from mesh_catalog.errors import DocumentError
from tests.unit.contracts.samples import contract_of

_COLUMNS = ("{name: a, logicalType: integer}", "{name: mail, logicalType: string, classification: personal}")


def _table_rule(folder: Path, entry: str, word: str = "quality") -> Rule:
    return contract_of(folder, *_COLUMNS, table=f"    {word}:\n      - {{{entry}}}\n").rules[0]


def _column_rule(folder: Path, entry: str, kind: str = "integer", word: str = "quality", more: str = "") -> Rule:
    return contract_of(folder, f"{{name: a, logicalType: {kind}{more}, {word}: [{{{entry}}}]}}", _COLUMNS[1]).rules[0]


# Relationships -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("to", "product", "key"),
    [("crm.customers.id", "crm.customers", "id"), ("customers.id", "shop.customers", "id"),
     ("shop.orders.mail", "shop.orders", "mail")],
)  # fmt: skip
def test_a_relationship_of_a_column_is_a_reference(tmp_path: Path, to: str, product: str, key: str) -> None:
    rule = _column_rule(tmp_path, f"to: {to}", word="relationships")
    assert rule.argument == Reference(columns=("a",), product=product, keys=(key,))
    assert (rule.id, rule.kind, rule.severity) == ("a.reference", "reference", "error")
    assert rule.text == f"a exists in {product} ({key})"


def test_a_relationship_of_the_table_has_several_columns(tmp_path: Path) -> None:
    entry = "from: [orders.a, orders.mail], to: [crm.people.n, crm.people.mail]"
    entry += ", customProperties: [{property: severity, value: warning}]"
    rule = _table_rule(tmp_path, entry, "relationships")
    assert rule.argument == Reference(columns=("a", "mail"), product="crm.people", keys=("n", "mail"))
    assert (rule.column, rule.severity) == (None, "warning")


def test_products_that_rules_read_are_known_and_the_own_table_is_none_of_them(tmp_path: Path) -> None:
    contract = contract_of(
        tmp_path,
        "{name: a, logicalType: integer, relationships: [{to: crm.customers.id}, {to: shop.orders.b}]}",
        "{name: b, logicalType: integer}",
        table="    quality:\n      - {type: sql, query: 'select count(*) from crm.x join crm.customers using (id)',"
        " mustBe: 0}\n",
    )
    assert set(contract.other_products) == {"crm.customers", "crm.x"}


def test_a_relationship_by_id_is_declared_but_not_run(tmp_path: Path) -> None:
    rule = _column_rule(tmp_path, "to: schema/customers/properties/id", word="relationships")
    assert rule.kind == "not_run"
    assert "by id" in rule.argument


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        ("from: [orders.a, orders.mail], to: [crm.people.n]", "2 columns here and 1 there"),
        ("from: orders.amout, to: crm.people.n", "no column 'amout'"),
        ("from: [a.a, a.mail], to: [crm.people.n, crm.other.n]", "one key leads to one product"),
        ("from: orders.a, to: x.crm.people.n", "names no column of a product"),
        ("from: orders.a, to: orders.a", "refers to itself"),
        (
            "from: orders.a, to: crm.people.n, customProperties: [{property: severity, value: quarantine}]",
            "not quarantine",
        ),
    ],
)
def test_a_relationship_that_cannot_be_meant_is_refused(tmp_path: Path, entry: str, sentence: str) -> None:
    with pytest.raises(DocumentError, match=sentence) as caught:
        _table_rule(tmp_path, entry, "relationships")
    assert caught.value.line == 14


# Distributions -----------------------------------------------------------------------------------------------------


def test_a_distribution_has_a_method_by_type_and_an_upper_limit(tmp_path: Path) -> None:
    entry = "type: custom, engine: mesh, implementation: {metric: distribution, mustBeLessThan: 0.1}"
    number, text = _column_rule(tmp_path, entry), _column_rule(tmp_path, entry, "string")
    assert number.argument == Distribution(method="wasserstein")
    assert text.argument == Distribution(method="jensenshannon")
    assert number.threshold == Threshold(operator="mustBeLessThan", value=0.1)
    assert number.text == "a as in the last version (wasserstein less than 0.1)"


@pytest.mark.parametrize(
    ("implementation", "kind", "more", "sentence"),
    [
        ("'metric: x'", "integer", "", "must be a mapping"),
        ("{metric: distribution}", "integer", "", "no limit"),
        ("{metric: distrib, mustBeLessThan: 1}", "integer", "", "metric 'distrib' is not known"),
        ("{metric: distribution, mehtod: psi, mustBeLessThan: 1}", "integer", "", "Did you mean 'method'"),
        ("{metric: distribution, method: ks, mustBeLessThan: 1}", "integer", "", "method 'ks' is not known"),
        ("{metric: distribution, method: psi, mustBeGreaterThan: 1}", "integer", "", "upper limit only"),
        ("{metric: distribution, method: wasserstein, mustBeLessThan: 1}", "string", "", "is for numbers"),
        ("{metric: distribution, mustBeLessThan: 1}", "timestamp", "", "numbers, strings and booleans"),
        ("{metric: distribution, mustBeLessThan: 1}", "integer", ", classification: special", "is personal"),
    ],
)
def test_a_distribution_that_cannot_be_compared_is_refused(
    tmp_path: Path, implementation: str, kind: str, more: str, sentence: str
) -> None:
    with pytest.raises(DocumentError, match=sentence):
        _column_rule(tmp_path, f"type: custom, engine: mesh, implementation: {implementation}", kind, more=more)


def test_a_distribution_without_profiles_is_refused(tmp_path: Path) -> None:
    entry = "{type: custom, engine: mesh, implementation: {metric: distribution, mustBeLessThan: 1}}"
    rest = "customProperties:\n  - {property: profile, value: false}\n"
    with pytest.raises(DocumentError, match="compared by profiles"):
        contract_of(tmp_path, f"{{name: a, logicalType: integer, quality: [{entry}]}}", rest=rest)


def test_a_check_of_another_engine_is_not_run_and_says_why(tmp_path: Path) -> None:
    rule = _column_rule(tmp_path, "type: custom, engine: great-expectations, implementation: {a: 1}, name: no dupes")
    assert (rule.kind, rule.text) == ("not_run", "no dupes")
    assert "'great-expectations', which this project does not run" in rule.argument


# SQL ---------------------------------------------------------------------------------------------------------------


def _sql(query: str) -> str:
    return f'type: sql, query: "{query}", mustBe: 0, name: check'


@pytest.mark.parametrize(
    ("query", "reads"),
    [
        ("select count(*) from ${table} where a < 0", ()),
        ("SELECT COUNT(*) FROM ${object} o WHERE o.a IS NULL", ()),
        ("select count(*) from Orders where orders.a < 0", ()),
        ("select count(*) from shop.orders where shop.orders.a < 0", ()),
        ("select sum(a) - (select sum(b) from crm.totals) from ${table}", ("crm.totals",)),
        ("with x as (select a, count(*) as n from orders group by a) select count(*) from x where n > 1", ()),
        ("select count(*) from (select a from ${table} union all select id from crm.a) y", ("crm.a",)),
        ("with a as (select a from orders), b as (select a from a) select count(*) from b join a on a.a = b.a", ()),
        ("with `crm.x` as (select 1) select count(*) from crm.x", ("crm.x",)),
        ("select count_if(not exists(select 1 from crm.a c where c.id = o.a)) from orders o", ("crm.a",)),
        ("select max(datediff(current_date(), cast(a as date))) from ${table}", ()),
    ],
)
def test_a_query_names_its_tables(tmp_path: Path, query: str, reads: tuple[str, ...]) -> None:
    rule = _table_rule(tmp_path, _sql(query))
    assert isinstance(rule.argument, Query)
    assert rule.argument.reads == reads
    assert "orders." not in rule.argument.sql.replace("`", "").replace("orders.a", "")
    assert rule.text == "check: exactly 0"


def test_a_placeholder_stands_for_the_column(tmp_path: Path) -> None:
    rule = _column_rule(tmp_path, _sql("select count(*) from ${table} where ${column} < 0 or ${property} > 9"))
    assert rule.argument.sql == ("SELECT COUNT(*) FROM mesh_table_0 AS `orders` WHERE `a` < 0 OR `a` > 9")


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("select count(*) from ${table} where mail like '%x'", True),
        ("select max(a) from ${table}", True),
        ("select max(length(mail)) from ${table}", False),
        ("select max(b) from crm.other", False),
        ("select max(n) from (select * from ${table}) t(n, m)", False),
    ],
)
def test_a_result_is_shown_only_where_it_counts_or_no_personal_column_is_near(
    tmp_path: Path, query: str, shown: bool
) -> None:
    assert _table_rule(tmp_path, _sql(query)).argument.shows_result is shown


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("delete from ${table}", "is DELETE, and may only read"),
        ("drop table orders", "is DROP"),
        ("insert into orders select 1", "is INSERT"),
        ("create table x as select 1", "is CREATE"),
        ("set spark.x = 1", "is SET"),
        ("select 1; select 2", "holds 2 statements"),
        ("select a, count(*) from ${table} group by a", "one number"),
        ("select * from ${table}", "one number"),
        ("select java_method('java.lang.System', 'exit', 1) from ${table}", r"calls java_method\(\)"),
        ("select reflect('java.lang.System', 'exit', 1)", r"calls reflect\(\)"),
        ("select count(*) from read_files('/etc')", r"calls read_files\(\)"),
        ("select ai_query('m', mail) from ${table}", r"calls ai_query\(\)"),
        ("select count(from_csv(mail, 'x int')) from ${table}", "calls from_csv"),
        ("select current_user()", r"calls current_user\(\)"),
        ("select count(*) from range(10)", "function"),
        ("select count(*) from parquet.`/etc/passwd`", "neither"),
        ("select count(*) from delta.`s3://x`", "neither"),
        ("select count(*) from a.b.c", "neither"),
        ("select count(*) from orders version as of 1", "version"),
        ("select transform(a) using 'cat' as x from orders", "USING|TRANSFORM|QUERYTRANSFORM|read"),
        ("select count(*) from ${tabel}", r"placeholder \$\{tabel\}"),
        ("select '${env:HOME}' from ${table}", "Spark would replace|one number"),
        ("select count(*) from ${table} where ${column} = 1", "the rule is the table's"),
        ("select count(*) from mesh_table_1", "the framework's"),
        ("select count(*) from ${table} where amout > 1", "column 'amout', which is not there"),
        ("select count(*) from ${table} where :x = 1", "PLACEHOLDER"),
        ("with orders as (select 1) select count(*) from orders", "WITH part 'orders'"),
        ("with `crm.x` as (select 1) select count(*) from crm.x, secrets", "reads 'secrets', which is neither"),
        (
            "select (with t as (select 1 as a) select a from t) + (select count(*) from t)",
            "reads 't', which is neither",
        ),
        ("with a as (select n from b), b as (select 1 as n) select count(*) from a", "reads 'b', which is neither"),
        ("select count(*) frm orders where", "cannot be read|can be read|neither|not"),
    ],
)
def test_a_query_that_does_more_than_read_is_refused(tmp_path: Path, query: str, sentence: str) -> None:
    with pytest.raises(DocumentError, match=sentence) as caught:
        _table_rule(tmp_path, _sql(query))
    assert caught.value.line == 14


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        ("type: sql, mustBe: 0", "needs a query"),
        ("type: sql, query: select 1", "no limit"),
        ("type: sql, query: select 1, mustBe: x", "must be a number"),
        ("type: sql, query: select count(*) from orders, mustBe: 0, severity: quarantine", "quarantine sets single"),
        ("type: custom, engine: soda, implementation: x, severity: quarantine", "quarantine sets single"),
    ],
)
def test_an_entry_that_cannot_be_meant_is_refused(tmp_path: Path, entry: str, sentence: str) -> None:
    with pytest.raises(DocumentError, match=sentence):
        _table_rule(tmp_path, entry)

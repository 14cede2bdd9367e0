from __future__ import annotations

import re
from pathlib import Path

import pytest

from mesh_catalog.workspace.dbt.project import read_project
from mesh_catalog.workspace.dbt.rendering import Rendered, Template, render
from tests.dbt_samples import write_project

PROJECT = {
    "dbt_project.yml": "name: shop\nvars: {limit: 3, shop: {days: 7}}\n",
    "profiles.yml": (
        "shop: {target: dev, outputs: {dev: {type: postgres, password: hunter2}, prod: {type: snowflake}}}\n"
    ),
    "macros/all.sql": """\
        {% macro cents(column) -%} {{ column }} * 100 {%- endmacro %}
        {% macro methods() %}{{ return(['card', 'cash']) }}{% endmacro %}
        {% macro default__now() %}current_date{% endmacro %}
        {% macro postgres__now() %}now(){% endmacro %}
        {% macro now() %}{{ adapter.dispatch('now', 'shop')() }}{% endmacro %}
        {% macro endless() %}{{ endless() }}{% endmacro %}
        """,
}


def _render(folder: Path, *texts: str) -> list[Rendered]:
    project = read_project(write_project(folder, PROJECT, {}))
    found = render(project, [Template(name=str(i), text=text) for i, text in enumerate(texts)], dialect="postgres")
    return [found[str(index)] for index in range(len(texts))]


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("select {{ var('limit') }}, {{ var('days') }}, {{ var('none', 'x') }}", "select 3, 7, x"),
        ("{% set m = ['a', 'b'] %}{% for x in m %}{{ x }}{{ ',' if not loop.last }}{% endfor %}", "a,b"),
        ("a{% if is_incremental() %} where b > (select max(b) from {{ this }}){% endif %}", "a"),
        ("{{ cents('amount') }}", "amount * 100"),
        ("{% for m in methods() %}[{{ m }}]{% endfor %}", "[card][cash]"),
        ("{{ now() }}", "now()"),
        ("{% snapshot s %}select 1{% endsnapshot %}", "select 1"),
        ("{% test t(model) %}select {{ nothing }}{% endtest %}x", "x"),
        ("{{ target.name }} {{ target.type }}", "dev postgres"),
        ("{{ dbt.type_string() }} {{ dbt.concat(['a', 'b']) }}", "varchar a || b"),
        ("{{ env_var('HOME', 'somewhere') }}", "somewhere"),
        ("{% set l = [] %}{% do log('x') %}{{ l | length }}", "0"),
    ],
)
def test_what_templates_may_do_is_rendered(template: str, text: str, tmp_path: Path) -> None:
    assert _render(tmp_path, template)[0] == Rendered(
        text=text, used=("target.name", "target.type") if "target" in template else ()
    )


def test_references_and_configuration_are_told(tmp_path: Path) -> None:
    text = (
        "{{ config(materialized='table', tags=['a']) }}select * from {{ ref('x') }} join {{ ref('p', 'y') }}"
        " join {{ source('raw', 't') }} join {{ ref('x') }}"
    )
    found = _render(tmp_path, text)[0]
    assert found.text == "select * from mesh_ref_0 join mesh_ref_1 join mesh_source_0 join mesh_ref_0"
    assert found.refs == ((None, "x", None), ("p", "y", None))
    assert found.sources == (("raw", "t"),)
    assert found.config == {"materialized": "table", "tags": ["a"]}


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("{{ ''.__class__.__mro__[1].__subclasses__() }}", "inside of Python"),
        ("{{ cycler.__init__.__globals__ }}", "inside of Python"),
        ("{{ ref.__func__.__globals__ }}", "inside of Python"),
        ("{{ '{0.__class__}'.format(1) }}", "inside of Python"),
        ("{{ config._settings }}", "inside of Python"),
        ("{% include '/etc/passwd' %}", "includes or imports another file"),
        ("{% import '/etc/passwd' as x %}", "includes or imports another file"),
        ("{% extends 'x' %}", "includes or imports another file"),
        ("{{ 'a' * 10 ** 10 }}", "too large|too much memory"),
        ("{{ 10 ** 10 ** 8 }}", "number that is too large"),
        ("{{ 'x' | center(10000000000) }}", "too much memory"),
        ("{% for a in range(99999) %}{{ 'twenty characters...' }}{% endfor %}", "more than 1 MiB"),
        ("{{ endless() }}", "without an end"),
        ("{{ run_query('select 1') }}", "asks the database"),
        ("{{ adapter.get_relation('x') }}", "asks the database"),
        ("{% call statement('x') %}select 1{% endcall %}", "asks the database"),
        ("{{ dbt_utils.star(ref('x')) }}", "'dbt_utils', which is a macro of a package"),
        ("{{ dbt.last_day('x') }}", "dbt.last_day"),
        ("{% if nothing == 1 %}x{% endif %}", "'nothing', which is"),
        ("{{ var('missing') }}", "variable 'missing', which has no value"),
        ("{{ env_var('HOME') }}", "environment variable 'HOME', which has no default"),
        ("{{ target.password }}", "target.password, which belongs to dbt's own connection"),
        ("{% if %}", "is not Jinja"),
        ("{{ exceptions.raise_compiler_error('secret') }}", "stops with an error of its own"),
    ],
)
def test_what_they_may_not_is_said_and_nothing_of_it_rendered(template: str, reason: str, tmp_path: Path) -> None:
    found, after = _render(tmp_path, template, "select 1")
    assert found.text == ""
    assert found.error is not None
    assert re.search(reason, found.error), found.error
    assert after.text == "select 1"


def test_a_loop_that_is_too_long_ends_and_the_others_go_on(tmp_path: Path) -> None:
    loop = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
    found = _render(tmp_path, "1", loop, "2")
    assert [one.error for one in found] == [None, "takes more than 5 seconds to render", None]


def test_a_template_sees_nothing_of_our_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MESH_SECRET", "hunter2")
    assert _render(tmp_path, "{{ env_var('MESH_SECRET', 'nothing') }}")[0].text == "nothing"

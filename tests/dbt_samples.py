"""dbt projects for tests, and the real dbt to build them with."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent

import pyarrow as pa
from pyarrow import parquet

from tests.environments import tool_environment

__all__ = ["HARD", "JAFFLE", "SEEDS", "build_with_dbt", "write_project"]

_REQUIREMENTS = ("dbt-core==1.10.13", "dbt-duckdb==1.9.6", "duckdb==1.4.1")
PROFILE = """\
shop:
  target: dev
  outputs: {dev: {type: duckdb, path: built.duckdb, threads: 1}}
"""

SEEDS = {
    "raw_customers": "id,first_name,last_name\n1,Ada,L.\n2,Grace,H.\n3,Alan,T.\n",
    "raw_orders": (
        "id,user_id,order_date,status\n1,1,2026-01-02,completed\n2,1,2026-02-03,returned\n3,2,2026-02-03,placed\n"
    ),
    "raw_payments": (
        "id,order_id,payment_method,amount\n1,1,card,1050\n2,1,coupon,99\n3,2,card,700\n4,3,bank_transfer,1\n"
    ),
}

JAFFLE = {
    "dbt_project.yml": """\
        name: jaffle
        version: "1.0"
        profile: shop
        vars: {methods: [card, coupon, bank_transfer, credit_card, gift_card]}
        models:
          jaffle:
            +materialized: table
            staging: {+materialized: view}
        """,
    "profiles.yml": PROFILE,
    "macros/money.sql": """\
        {% macro euros(column, places=2) -%}
          cast({{ column }} as decimal(16, {{ places }})) / 100
        {%- endmacro %}
        """,
    "models/staging/stg_customers.sql": """\
        with source as (select * from {{ ref('raw_customers') }})
        select id as customer_id, first_name, last_name from source
        """,
    "models/staging/stg_shop__orders.sql": """\
        with source as (select * from {{ ref("raw_orders") }})
        select source.id as order_id, user_id as customer_id, order_date, status from source
        """,
    "models/staging/stg_payments.sql": """\
        {{ config(materialized='ephemeral') }}
        select id as payment_id, order_id, payment_method, {{ euros('amount') }} as amount
        from {{ ref('raw_payments') }}
        """,
    "models/orders.sql": """\
        {% set methods = var('methods') %}
        with by_order as (
          select
            order_id,
            {% for method in methods %}
            sum(case when payment_method = '{{ method }}' then amount else 0 end) as {{ method }}_amount,
            {% endfor %}
            sum(amount) as total
          from {{ ref('stg_payments') }}
          group by order_id
        )
        select
          o.order_id, o.customer_id, o.order_date, o.status,
          {% for method in methods -%} by_order.{{ method }}_amount, {% endfor %}
          by_order.total as amount
        from {{ ref('stg_shop__orders') }} o
        left join by_order using (order_id)
        """,
    "models/customers.sql": """\
        with firsts as (
          select customer_id, min(order_date) as first_order, max(order_date) as latest_order, count(*) as orders
          from {{ ref('stg_shop__orders') }} group by 1
        ),
        spent as (
          select customer_id, sum(amount) as lifetime_value, avg(amount) as mean_value
          from {{ ref('orders') }} group by 1
        )
        select
          stg_customers.customer_id, first_name, last_name, first_order, latest_order,
          coalesce(firsts.orders, 0) as number_of_orders, lifetime_value,
          case when lifetime_value >= 20 then 'much' when lifetime_value > 0 then 'some' end as worth,
          round(mean_value, 2) as mean_value,
          row_number() over (order by lifetime_value desc, stg_customers.customer_id) as place
        from {{ ref('stg_customers') }}
        left join firsts using (customer_id)
        left join spent on spent.customer_id = stg_customers.customer_id
        """,
    "models/monthly.sql": """\
        {{ config(materialized='incremental', unique_key='month') }}
        select date_trunc('month', order_date) as month, count(distinct customer_id) as customers,
               strftime(min(order_date), '%Y-%m') as label
        from {{ ref('orders') }}
        {% if is_incremental() %} where order_date >= (select max(month) from {{ this }}) {% endif %}
        group by 1
        """,
    "models/schema.yml": """\
        version: 2
        models:
          - name: customers
            description: "{{ doc('people') }}"
            config: {tags: [core]}
            columns:
              - {name: customer_id, description: One a customer., data_tests: [unique, not_null]}
              - {name: place, data_tests: [unique]}
              - {name: worth, data_tests: [{accepted_values: {arguments: {values: [much, some]}}}]}
          - name: orders
            columns:
              - name: order_id
                tests: [unique, not_null]
              - name: customer_id
                tests: [not_null, {relationships: {to: ref('customers'), field: customer_id}}]
              - name: status
                tests:
                  - accepted_values:
                      values: [placed, shipped, completed, return_pending, returned]
                      config: {severity: warn}
              - {name: amount, tests: [{not_null: {config: {where: "order_id > 0"}}}]}
        exposures:
          - name: weekly_sales
            label: Weekly sales
            type: dashboard
            url: https://bi.example.org/sales
            owner: {name: Grace Hopper, email: grace@example.org}
            description: What was sold.
            depends_on: [ref('orders'), ref('customers')]
        """,
    "models/docs.md": "{% docs people %}\nWho has ever bought something.\n{% enddocs %}\n",
    "tests/no_negative_amounts.sql": "select order_id from {{ ref('orders') }} where amount < 0\n",
}
"""A shop as in dbt's well-known example: staging views, orders by payment method, customers, tests, one exposure."""


def write_project(folder: Path, files: Mapping[str, str], seeds: Mapping[str, str] | Path) -> Path:
    """Write a project; seeds are texts by name, or a folder of CSV files."""
    for name, text in files.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(dedent(text), encoding="utf-8")
    (folder / "seeds").mkdir(parents=True, exist_ok=True)
    if isinstance(seeds, Path):
        for path in sorted(seeds.glob("*.csv")):
            shutil.copyfile(path, folder / "seeds" / path.name)
    else:
        for name, text in seeds.items():
            (folder / "seeds" / f"{name}.csv").write_text(text, encoding="utf-8")
    return folder


_EXPORT = """\
import duckdb, sys
with duckdb.connect("built.duckdb", read_only=True) as opened:
    for (name,) in opened.execute("select table_name from information_schema.tables").fetchall():
        opened.execute(f"copy (select * from main.{name}) to '{name}.parquet' (format parquet)")
        print(name)
"""


def build_with_dbt(folder: Path) -> dict[str, pa.Table]:
    """Run the real `dbt build` in the project's folder and read every table and view that it made."""
    tools = tool_environment("dbt", _REQUIREMENTS)
    env = {**os.environ, "DBT_SEND_ANONYMOUS_USAGE_STATS": "false", "DBT_PROFILES_DIR": str(folder)}
    env.pop("PYTHONPATH", None)
    built = subprocess.run(
        [str(tools / "dbt"), "build", "--no-use-colors"],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stdout[-3000:] + built.stderr[-500:]
    exported = subprocess.run(
        [str(tools / "python"), "-c", _EXPORT], cwd=folder, env=env, capture_output=True, text=True, check=True
    )
    return {name: parquet.read_table(folder / f"{name}.parquet") for name in exported.stdout.split()}


HARD = {
    "macros/lists.sql": """\
        {% macro columns() %}{{ return(['card', 'coupon']) }}{% endmacro %}
        {% macro default__quoted(text) %}'{{ text }}'{% endmacro %}
        {% macro quoted(text) %}{{ adapter.dispatch('quoted')(text) }}{% endmacro %}
        """,
    "models/order.sql": """\
        {{ config(alias='the_orders') }}
        select id, user_id, order_date, id // 2 as half, id / 2 as exact, order_date + interval 3 day as due,
               date_diff('day', date '2026-01-01', order_date) as days, null as nothing
        from {{ ref('raw_orders') }}
        """,
    "models/windows.sql": """\
        select the_orders.id, lag(the_orders.id) over (partition by user_id order by order_date) as before,
               sum(id) over (order by id rows between unbounded preceding and current row) as running
        from {{ ref('order') }}
        qualify row_number() over (partition by user_id order by order_date desc) <= 5
        """,
    "models/sets.sql": """\
        with recent as (select id from {{ ref('order') }} where order_date > date '2026-01-15'),
        source as (select source.id from {{ ref('raw_orders') }} as source)
        select id, 'recent' as kind from recent
        union all
        select id, {{ quoted('all') }} from source
        where exists (select 1 from {{ ref('raw_payments') }} p where p.order_id = source.id)
        """,
    "models/texts.sql": """\
        select id, upper(first_name) || ' ' || last_name as name, length(first_name) as letters,
               first_name ilike 'a%' as is_a, split_part(first_name, 'a', 1) as part,
               regexp_matches(first_name, '^A') as a, coalesce(nullif(last_name, 'L.'), '-') as last_name
        from {{ ref('raw_customers') }}
        """,
    "models/pivot.sql": """\
        select order_id,
          {% for name in columns() %}
          sum(amount) filter (where payment_method = '{{ name }}') as {{ name }}{{ ',' if not loop.last }}
          {% endfor %}
        from {{ ref('raw_payments') }} group by all
        """,
    "snapshots/kept.sql": """\
        {% snapshot kept %}
        {{ config(strategy='check', unique_key='id', check_cols='all') }}
        select id, status from {{ ref('raw_orders') }}
        {% endsnapshot %}
        """,
    "models/by_python.py": """\
        def model(dbt, session):
            dbt.config(materialized="table")
            return session.sql("select 1 as one")
        """,
    "models/by_query.sql": """\
        {% if execute %}{% set found = run_query('select 1').columns[0].values() %}{% endif %}
        select 1 as one
        """,
    "models/after_query.sql": "select one from {{ ref('by_query') }}",
    "models/duck_only.sql": "select id, current_setting('TimeZone') as zone from {{ ref('raw_orders') }}",
}
"""More models for the same shop, of Jinja and SQL that is not plain: dbt builds them all, Spark may not."""

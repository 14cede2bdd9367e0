"""A small workspace for tests: two products, a transform in SQL and one in Python, a model."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

MODEL = """\
model: shop.churn
goal: Keep customers.
kind: binary
target: shop.orders.returned
features: [shop.orders.amount, shop.activity]
entity: customer
event_time: at
split: {by: time, test: 7d, gap: 1d}
algorithm: {name: xgboost, max_depth: 6}
metric: roc_auc
gate: {beats_champion: 0.9, at_least: {roc_auc: 0.6}}
monitor: {window: 2d, drift_share: 0.3}
retrain: {on: [drift], debounce: 2 of 3, cooldown: 3d}
"""


def contract(name: str, *columns: str, event_time: str | None = None) -> str:
    domain, _, table = name.partition(".")
    lines = "".join(f"      - {column}\n" for column in columns)
    custom = f"customProperties:\n  - {{property: eventTime, value: {event_time}}}\n" if event_time else ""
    return (
        f"apiVersion: v3.1.0\nkind: DataContract\nid: {name}\nversion: 1.0.0\nstatus: active\n"
        f"team: {{name: {domain}}}\nschema:\n  - name: {table}\n    properties:\n{lines}{custom}"
    )


def write(root: Path, path: str, text: str) -> Path:
    target = root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(dedent(text), encoding="utf-8")
    return target


def fill(root: Path) -> Path:
    """Write the sample; every file of it is right."""
    key, at = "{name: customer, logicalType: integer, classification: personal}", "{name: at, logicalType: timestamp}"
    write(root, "domains/shop/domain.yaml", "name: shop\nowner: ada\n")
    write(
        root,
        "domains/shop/orders/contract.yaml",
        contract(
            "shop.orders",
            key,
            at,
            "{name: amount, logicalType: number}",
            "{name: returned, logicalType: boolean}",
            event_time="at",
        ),
    )
    write(
        root,
        "domains/shop/orders/source.yaml",
        "path: landing/shop/orders/*.csv\nformat: csv\noptions: {header: true}\n"
        "columns: {customer: bigint, At: timestamp, amount: double, returned: boolean}\n",
    )
    write(root, "domains/shop/orders/build.sql", "select * from source\n")
    write(root, "domains/shop/activity/contract.yaml", contract("shop.activity", key, at, event_time="at"))
    write(
        root,
        "domains/shop/activity/build.py",
        """\
        from mesh_catalog import build

        @build(reads=["shop.orders"])
        def activity(orders):
            return orders
        """,
    )
    write(root, "domains/shop/churn/model.yaml", MODEL)
    return root

"""Domains that are hard to put into Airflow: two that read each other, and texts that try to be code."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

TODAY = date(2026, 5, 1)

NASTY = "\"\"\"'); import os; os.system('true') #\n{{ var.value.secret }} ${HOME} \\ see ../../notes.md"

MODEL = """\
model: east.risk
goal: Know what is late.
kind: binary
target: east.orders.late
features: [east.orders.n]
event_time: at
split: {by: time, test: 7d}
algorithm: {name: xgboost}
metric: roc_auc
"""


def _product(root: Path, name: str, sql: str, *columns: str, frequency: str | None = None, about: str = "x") -> None:
    domain, _, table = name.partition(".")
    folder = root / "domains" / domain / table
    folder.mkdir(parents=True)
    types = {"at": "timestamp", "late": "boolean"}
    contract = {
        "apiVersion": "v3.1.0",
        "kind": "DataContract",
        "id": name,
        "version": "1.0.0",
        "status": "active",
        "description": {"purpose": about},
        "schema": [
            {"name": table, "properties": [{"name": c, "logicalType": types.get(c, "integer")} for c in columns]}
        ],
    }
    if frequency:
        value, unit = frequency.split()
        contract["slaProperties"] = [{"property": "frequency", "value": float(value), "unit": unit}]
    (folder / "contract.yaml").write_text(json.dumps(contract))
    (folder / "build.sql").write_text(sql)


def fill(root: Path) -> Path:
    """`east` and `west` read each other, `sink` reads both and what the model east.risk predicts."""
    for domain in ("east", "west", "sink"):
        (root / "domains" / domain).mkdir(parents=True)
        text = json.dumps({"name": domain, "owner": f"{domain}@example.org", "description": NASTY})
        (root / "domains" / domain / "domain.yaml").write_text(text)
    _product(root, "east.orders", "select 1 as n, now() as at, true as late", "n", "at", "late", frequency="6 h")
    _product(root, "east.back", "select n from west.sh join east.risk__predictions", "n", frequency="1 d", about=NASTY)
    _product(root, "west.sh", "select n from east.orders", "n")
    _product(root, "sink.total", "select sum(n) as n from west.sh union all select n from east.back", "n")
    _product(root, "sink.risky", "select count(*) as n from east.risk__predictions", "n")
    (root / "domains/east/risk").mkdir()
    (root / "domains/east/risk/model.yaml").write_text(MODEL)
    return root

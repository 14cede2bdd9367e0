"""Contracts for tests, written as a domain team writes them."""

from __future__ import annotations

from pathlib import Path

from mesh_catalog.contracts.contract import Contract
from mesh_catalog.contracts.odcs import load_contract

HEAD = """\
apiVersion: v3.1.0
kind: DataContract
id: shop.orders
version: 1.0.0
status: active
team: {name: shop}
"""


def contract_text(*properties: str, table: str = "", rest: str = "") -> str:
    """A contract of one table with these properties, each one line of YAML flow style."""
    lines = "\n".join(f"      - {line}" for line in properties)
    return f"{HEAD}schema:\n  - name: orders\n    physicalType: table\n    properties:\n{lines}\n{table}{rest}"


def write_contract(folder: Path, *properties: str, table: str = "", rest: str = "") -> Path:
    path = folder / "contract.yaml"
    path.write_text(contract_text(*properties, table=table, rest=rest), encoding="utf-8")
    return path


def contract_of(folder: Path, *properties: str, table: str = "", rest: str = "") -> Contract:
    return load_contract(write_contract(folder, *properties, table=table, rest=rest))

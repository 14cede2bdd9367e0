"""A small domain to publish, and the hands to do it with."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from mesh_catalog.access.mesh import Mesh, open_mesh
from mesh_catalog.catalog.assets import sync_workspace
from mesh_catalog.lake.frames import PublishResult
from mesh_catalog.lake.publish import publish_product
from mesh_catalog.settings import load_settings

ORDERS = {
    "apiVersion": "v3.1.0",
    "kind": "DataContract",
    "id": "shop.orders",
    "version": "1.0.0",
    "status": "active",
    "schema": [
        {
            "name": "orders",
            "physicalType": "table",
            "properties": [
                {"name": "order_id", "logicalType": "integer", "required": True, "unique": True, "primaryKey": True},
                {"name": "ordered_at", "logicalType": "timestamp", "required": True},
                {"name": "email", "logicalType": "string", "classification": "personal"},
                {"name": "amount", "logicalType": "number", "logicalTypeOptions": {"minimum": 0}},
                {
                    "name": "state",
                    "logicalType": "string",
                    "quality": [
                        {
                            "type": "library",
                            "metric": "invalidValues",
                            "arguments": {"validValues": ["open", "paid"]},
                            "mustBe": 0,
                            "severity": "quarantine",
                        }
                    ],
                },
            ],
        }
    ],
    "customProperties": [
        {"property": "eventTime", "value": "ordered_at"},
        {"property": "writeMode", "value": "append"},
    ],
}
SOURCE = {
    "path": "landing/shop/orders/*.csv",
    "format": "csv",
    "options": {"header": "true"},
    "columns": {
        "order_id": "bigint",
        "ordered_at": "timestamp",
        "email": "string",
        "amount": "double",
        "state": "string",
    },
}
HEADER = "order_id,ordered_at,email,amount,state\n"


@dataclass
class Shop:
    """A workspace with the product shop.orders, fed by CSV files."""

    root: Path
    spark: SparkSession
    mesh: Mesh
    opened: ExitStack

    def write(self, relative: str, content: str | Mapping[str, Any]) -> Path:
        path = self.root / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    def land(self, name: str, lines: list[str], product: str = "orders") -> Path:
        return self.write(f"landing/shop/{product}/{name}.csv", HEADER + "\n".join(lines) + "\n")

    def reload(self) -> None:
        """Open the workspace anew, as the next command would."""
        self.opened.close()
        self.mesh = self.opened.enter_context(open_mesh(load_settings(workspace=self.root)))
        sync_workspace(self.mesh.catalog, self.mesh.workspace)

    def publish(self, product: str = "shop.orders", **options: Any) -> PublishResult:
        return publish_product(self.spark, self.mesh, self.mesh.workspace.product(product), **options)

    @property
    def location(self) -> Path:
        return Path(self.mesh.settings.lake) / "shop" / "orders"

    def files(self) -> set[str]:
        """Every data file under the table, committed or not."""
        return {str(path.relative_to(self.location)) for path in self.location.rglob("*.parquet")}


def order(
    number: int, *, email: str = "a@example.org", amount: object = 10.5, state: str = "open", day: int = 1
) -> str:
    return f"{number},2026-01-{day:02d} 10:00:00,{email},{amount},{state}"


@pytest.fixture
def shop(workspace_dir: Path, spark: SparkSession) -> Iterator[Shop]:
    root = workspace_dir
    domain = root / "domains" / "shop"
    (domain / "orders").mkdir(parents=True)
    (domain / "domain.yaml").write_text("name: shop\nowner: shop@example.org\n")
    (domain / "orders" / "contract.yaml").write_text(json.dumps(ORDERS))
    (domain / "orders" / "source.yaml").write_text(json.dumps(SOURCE))
    (domain / "orders" / "build.sql").write_text("select * from source\n")
    with ExitStack() as opened:
        mesh = opened.enter_context(open_mesh(load_settings(workspace=root)))
        sync_workspace(mesh.catalog, mesh.workspace)
        yield Shop(root=root, spark=spark, mesh=mesh, opened=opened)

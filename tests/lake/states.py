"""Publishing small batches of states in every write mode, and looking at the table as Spark and as delta-rs do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from deltalake import DeltaTable, QueryBuilder
from pyspark.sql import DataFrame, SparkSession

from mesh_catalog.access.mesh import Mesh, open_mesh
from mesh_catalog.contracts.contract import Contract
from mesh_catalog.lake.frames import PublishResult, publish_frame
from mesh_catalog.settings import load_settings
from mesh_catalog.specs import Interval

SCHEMA = "k bigint, day string, at string, v string"


@dataclass
class States:
    """A lake with one product, made of rows (key, time, value); a time is `2026-01-01 00` or None."""

    spark: SparkSession
    mesh: Mesh
    root: Path

    def publish(
        self,
        contract: Contract,
        rows: Sequence[tuple[int, str | None, str]],
        *,
        run_id: str | None = None,
        interval: Interval | None = None,
    ) -> PublishResult:
        return self.publish_frame(contract, self.frame(rows), run_id=run_id, interval=interval)

    def publish_frame(
        self, contract: Contract, frame: DataFrame, *, run_id: str | None = None, **options: Any
    ) -> PublishResult:
        result: PublishResult = publish_frame(
            self.spark,
            self.mesh,
            contract,
            frame,
            owner="shop@example.org",
            inputs={},
            run_id=run_id or uuid4().hex,
            **options,
        )
        return result

    def frame(self, rows: Sequence[tuple[int, str | None, str]]) -> DataFrame:
        told = [(k, at[:10] if at else None, f"{at}:00:00" if at else None, v) for k, at, v in rows]
        frame = self.spark.createDataFrame(told, SCHEMA).coalesce(1)
        return frame.selectExpr("k", "cast(day as date) as day", "cast(at as timestamp) as at", "v")

    def location(self, contract: Contract) -> Path:
        return Path(self.mesh.settings.lake, *contract.id.split("."))

    def rows(self, contract: Contract, columns: str = "k, v") -> list[tuple[Any, ...]]:
        """The table's rows in order; read by Spark and by delta-rs, which must agree."""
        names = columns.split(", ")
        quoted = ", ".join(f'"{name}"' for name in names)
        location = str(self.location(contract))
        found = [tuple(row) for row in self.spark.read.format("delta").load(location).select(*names).collect()]
        batch = QueryBuilder().register("t", DeltaTable(location)).execute(f"select {quoted} from t").read_all()
        other = zip(*([_plain(v) for v in batch.column(n).to_pylist()] for n in range(len(names))), strict=True)
        assert sorted(map(str, found)) == sorted(map(str, other))
        return sorted(found, key=lambda row: tuple((value is not None, value) for value in row))


def _plain(value: Any) -> Any:
    """Without the zone that delta-rs gives to its timestamps, and Spark does not."""
    return value.replace(tzinfo=None) if getattr(value, "tzinfo", None) else value


@contextmanager
def open_states(spark: SparkSession, root: Path) -> Iterator[States]:
    (root / "conf").mkdir(parents=True, exist_ok=True)
    (root / "domains").mkdir(exist_ok=True)
    (root / "conf" / "local.yaml").write_text("spark: {master: 'local[2]'}\n")
    with open_mesh(load_settings(workspace=root)) as mesh:
        yield States(spark=spark, mesh=mesh, root=root)

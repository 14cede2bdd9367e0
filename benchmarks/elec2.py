"""The loop on the electricity market: never retrained, retrained every month, retrained by the loop.

    python -m benchmarks.elec2 --json

Replays Elec2 (Harries 1999; 45,312 half hours from 7 May 1996) month by month, prequentially: a month arrives, each
policy's champion predicts it from its features, then its labels may be learned. The first three months train the first
champion of all three. Everything runs through the product: landing files, publish, score, monitor, retrain.

- never: the first champion predicts all.
- monthly: trained every month on the newest 90 days and promoted without a gate.
- loop: `mesh monitor` and `mesh retrain` as domains/energy/direction/model.yaml says.

No leakage: a champion that predicts month m was trained on rows before m, and scoring reads no label.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mesh_catalog.access.gate import request_read
from mesh_catalog.access.mesh import Mesh, open_mesh
from mesh_catalog.catalog.assets import sync_workspace
from mesh_catalog.catalog.models import set_alias
from mesh_catalog.lake.publish import publish_product
from mesh_catalog.lake.read import read_table
from mesh_catalog.lake.session import open_session
from mesh_catalog.models.registry import open_registry
from mesh_catalog.models.train import train_model
from mesh_catalog.monitoring.run import monitor_model
from mesh_catalog.retraining.loop import retrain_model
from mesh_catalog.serving.score import score_model
from mesh_catalog.settings import load_settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

REPOSITORY = Path(__file__).resolve().parent.parent
START = pd.Timestamp("1996-05-07")
FIRST_MONTHS = 3
POLICIES = {"never": "energy.direction_never", "monthly": "energy.direction_monthly", "loop": "energy.direction"}


@dataclass(frozen=True, kw_only=True)
class PolicyResult:
    """How one policy did over all months after the first three."""

    accuracy: float
    trainings: int
    promotions: int
    monthly_accuracy: dict[str, float]


def load_months(path: Path) -> list[tuple[str, pd.DataFrame]]:
    """Calendar months of the file, with the time that the order of its rows stands for."""
    rows = pd.read_csv(path).drop(columns="nswprice")
    rows.insert(0, "observed_at", START + pd.to_timedelta(np.arange(len(rows)) * 30, unit="min"))
    return [(str(month), part) for month, part in rows.groupby(rows.observed_at.dt.to_period("M"))]


@contextmanager
def workspace(folder: Path) -> Iterator[Mesh]:
    """The example domain energy, with one model for each policy."""
    shutil.copytree(REPOSITORY / "conf", folder / "conf")
    shutil.copytree(REPOSITORY / "domains" / "energy", folder / "domains" / "energy")
    template = folder / "domains" / "energy" / "direction"
    for name in POLICIES.values():
        target = template.with_name(name.partition(".")[2])
        if target != template:
            shutil.copytree(template, target)
            text = (target / "model.yaml").read_text().replace("energy.direction", name)
            (target / "model.yaml").write_text(text)
    with open_mesh(load_settings(workspace=folder)) as mesh:
        sync_workspace(mesh.catalog, mesh.workspace)
        yield mesh


class Replay:
    """Months in, predictions and trainings out."""

    def __init__(self, spark: SparkSession, mesh: Mesh) -> None:
        self.spark = spark
        self.mesh = mesh
        self.trainings = dict.fromkeys(POLICIES, 0)
        self.promotions = dict.fromkeys(POLICIES, 0)

    def publish(self, months: list[tuple[str, pd.DataFrame]]) -> None:
        landing = self.mesh.settings.landing / "energy" / "market"
        landing.mkdir(parents=True, exist_ok=True)
        for name, rows in months:
            rows.to_csv(landing / f"{name}.csv", index=False, date_format="%Y-%m-%d %H:%M:%S")
        publish_product(self.spark, self.mesh, self.mesh.workspace.product("energy.market"))

    def train(self, policy: str, run_id: str) -> None:
        """Train and make champion, no gate."""
        model = self.mesh.workspace.model(POLICIES[policy])
        result = train_model(self.spark, self.mesh, model, run_id=run_id)
        open_registry(self.mesh.settings).set_alias(model.name, "champion", result.version)
        set_alias(
            self.mesh.catalog,
            model.name,
            "champion",
            result.version,
            reason="benchmark",
            at=datetime.now().astimezone(),
        )
        self.trainings[policy] += 1
        self.promotions[policy] += 1

    def score(self, policy: str, run_id: str, start: datetime) -> None:
        model = self.mesh.workspace.model(POLICIES[policy])
        score_model(self.spark, self.mesh, model, run_id=run_id, start=start)

    def loop(self) -> str:
        model = self.mesh.workspace.model(POLICIES["loop"])
        verdict = monitor_model(self.mesh, model)
        result = retrain_model(lambda: self.spark, self.mesh, model)
        self.trainings["loop"] += result.action != "keep"
        self.promotions["loop"] += result.action == "promote"
        return f"{verdict.outcome}: share {verdict.share:.2f}, {result.action}"

    def accuracy(self, policy: str) -> PolicyResult:
        def rows(name: str, columns: list[str]) -> pd.DataFrame:
            ticket = request_read(self.mesh, name, purpose="analysis", columns=columns)
            return read_table(self.spark, ticket).toPandas()

        predictions = rows(f"{POLICIES[policy]}__predictions", ["observed_at", "score"])
        joined = predictions.merge(rows("energy.market", ["observed_at", "price_up"]), on="observed_at", validate="1:1")
        right = (joined.score >= 0.5) == (joined.price_up == 1)
        months = right.groupby(joined.observed_at.dt.to_period("M")).mean()
        return PolicyResult(
            accuracy=float(right.mean()),
            trainings=self.trainings[policy],
            promotions=self.promotions[policy],
            monthly_accuracy={str(month): round(float(value), 4) for month, value in months.items()},
        )


def replay(spark: SparkSession, mesh: Mesh, months: list[tuple[str, pd.DataFrame]]) -> dict[str, PolicyResult]:
    """Run all three policies over the months."""
    run = Replay(spark, mesh)
    run.publish(months[:FIRST_MONTHS])
    for policy in POLICIES:
        run.train(policy, f"{policy}-first")
    start = months[FIRST_MONTHS][1].observed_at.iloc[0].to_pydatetime().astimezone()
    for name, rows in months[FIRST_MONTHS:]:
        began = time.monotonic()
        run.publish([(name, rows)])
        run.score("monthly", f"monthly-score-{name}", start)
        run.score("loop", f"loop-score-{name}", start)
        told = "the last month"
        if name != months[-1][0]:  # nothing is predicted after it
            run.train("monthly", f"monthly-{name}")
            told = run.loop()
        print(f"{name}  {told}  {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    run.score("never", "never-score", start)
    return {policy: run.accuracy(policy) for policy in POLICIES}


def judged(results: dict[str, PolicyResult]) -> dict[str, Any]:
    """The figures and whether the bars hold."""
    never, monthly, loop = results["never"], results["monthly"], results["loop"]
    return {
        **{policy: asdict(replace(result, accuracy=round(result.accuracy, 4))) for policy, result in results.items()},
        "above_never": round(loop.accuracy - never.accuracy, 4),
        "below_monthly": round(monthly.accuracy - loop.accuracy, 4),
        "trainings_ratio": round(loop.trainings / monthly.trainings, 3),
        "holds": loop.accuracy - never.accuracy >= 0.07
        and monthly.accuracy - loop.accuracy <= 0.02
        and loop.trainings <= monthly.trainings * 2 / 3,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--months", type=int, help="only so many months (all: 32)")
    parser.add_argument("--data", type=Path, default=REPOSITORY.parent / "shared" / "data" / "elec2" / "elec.csv")
    options = parser.parse_args()
    if not options.data.exists():
        print(f"{options.data} is not there. Name the file elec.csv of Elec2: --data", file=sys.stderr)
        return 4
    months = load_months(options.data)[: options.months]
    with tempfile.TemporaryDirectory() as folder, workspace(Path(folder) / "elec2") as mesh:
        spark = open_session(mesh.settings, app_name="benchmark elec2")
        figures = judged(replay(spark, mesh, months))
        spark.stop()
    if options.json:
        print(json.dumps(figures, indent=2))
        return 0
    for policy in POLICIES:
        print(f"{policy:8} accuracy {figures[policy]['accuracy']:.4f}   trainings {figures[policy]['trainings']}")
    print(f"loop above never {figures['above_never']:.4f}, below monthly {figures['below_monthly']:.4f}")
    print(f"the bars hold: {'yes' if figures['holds'] else 'no'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The loop's trainer on Spark: a candidate of a search, a wider one trained, and the whole gate."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from mesh_catalog.catalog.models import read_model_versions
from mesh_catalog.errors import GateRefusedError, InputError
from mesh_catalog.models.registry import open_registry
from mesh_catalog.retraining.search import Variant
from mesh_catalog.retraining.trainer import SparkTrainer
from mesh_catalog.specs import FairnessGate, GateSpec, SliceGate, StabilityGate
from tests.lake.test_models_train import START, open_shop, payments


@pytest.mark.slow
def test_a_candidate_is_tried_and_trained_and_compared_by_the_whole_gate(
    spark: SparkSession, workspace_dir: Path
) -> None:
    trainer = SparkTrainer(lambda: spark)
    for shop in open_shop(spark, workspace_dir):
        shop.train("a" * 32)
        plain = trainer.try_out(shop.mesh, shop.model)
        assert 0.5 < plain <= 1
        assert [one.version for one in read_model_versions(shop.mesh.catalog, "payments.risk")] == [1]
        # without the amount, which the label is made of, and from a day on
        variant = Variant(parameters={"max_depth": 2}, left_out=("amount",), since=START)
        blind = variant.applied(shop.model)
        assert trainer.try_out(shop.mesh, blind) < plain
        version = trainer.train(shop.mesh, blind, retraining_id="b" * 32)
        assert trainer.train(shop.mesh, blind, retraining_id="b" * 32) == version == 2
        pins = open_registry(shop.mesh.settings).read_pins(
            read_model_versions(shop.mesh.catalog, "payments.risk")[-1].mlflow_run_id
        )
        assert "amount" not in pins.features
        assert pins.parameters["max_depth"] == 2
        gate = GateSpec(
            slices=SliceGate(by=("shop",), rows=20),
            fairness=FairnessGate(by="shop", ratio=1.0, rows=20),
            stability=StabilityGate(needed=2, of=2),
            latency=1000.0,
        )
        model = replace(shop.model, gate=gate)
        told = trainer.compare(shop.mesh, model, champion=1, challenger=2, obliged=False)
        assert not told.passes
        assert told.difference < 0
        assert any("parts of the window" in one for one in told.unmet)
        back = trainer.compare(shop.mesh, model, champion=2, challenger=1, obliged=True)
        assert back.difference > 0
        assert back.needed_share == pytest.approx(0.05)
        assert not any("parts of the window" in one or "scoring takes" in one for one in back.unmet)
        with pytest.raises(GateRefusedError):
            trainer.compare(shop.mesh, shop.model, champion=1, challenger=2, obliged=False, again=True)
        shop.publish("payments.transactions", payments(600, 90))
        later = trainer.compare(shop.mesh, shop.model, champion=1, challenger=2, obliged=False, again=True)
        assert later.rows == 90
        assert later.difference < 0
        wrong = replace(model, gate=replace(gate, slices=SliceGate(by=("shp",))))
        with pytest.raises(InputError, match="gate.slices: 'shp' is no column of its rows. Did you mean 'shop'"):
            trainer.compare(shop.mesh, wrong, champion=1, challenger=2, obliged=False)

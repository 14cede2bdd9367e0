"""The rollout of model.yaml: plans, and mistakes with the line they stand on."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from mesh_catalog.errors import DocumentError
from mesh_catalog.specs import RolloutAlarm, RolloutSpec
from mesh_catalog.workspace import load_workspace
from tests.unit.catalog.samples import write_workspace


def read(root: Path, text: str) -> RolloutSpec | None:
    write_workspace(root)
    path = root / "domains" / "payments" / "fraud" / "model.yaml"
    path.write_text(path.read_text() + text)
    return load_workspace(root).model("payments.fraud").rollout


@pytest.mark.parametrize(
    ("steps", "shares"),
    [
        ("[shadow, 5%, 25%]", (0.0, 0.05, 0.25)),
        ("[0.5%, 100 %]", (0.005, 1.0)),
        ("all_at_once", (1.0,)),
        ("canary 10%", (0.1, 1.0)),
        ("linear 25%", (0.25, 0.5, 0.75, 1.0)),
        ("linear 30%", (0.3, 0.6, 0.9, 1.0)),
        ("rolling 50%", (0.5, 1.0)),
    ],
)
def test_steps_are_a_list_or_a_plan_by_its_name(workspace_dir: Path, steps: str, shares: tuple[float, ...]) -> None:
    plan = read(workspace_dir, f"rollout: {{steps: {steps}}}\n")
    assert plan is not None
    assert plan.steps == pytest.approx(shares)
    assert [alarm.name for alarm in plan.alarms] == ["drift", "ratio", "errors"]
    assert plan.bake_rows == 1000


def test_bakes_limits_and_alarms_are_read(workspace_dir: Path) -> None:
    plan = read(
        workspace_dir,
        "rollout: {steps: [shadow, 5%], bake_rows: 200, bake: 1d, give_up_after: 14d,"
        " alarms: [drift, {errors: 0.01}, {kpi: payments.approval_rate}, {latency: 1.5}]}\n",
    )
    assert plan == RolloutSpec(
        steps=(0.0, 0.05),
        bake_rows=200,
        bake=timedelta(days=1),
        give_up_after=timedelta(days=14),
        alarms=(
            RolloutAlarm(name="drift"),
            RolloutAlarm(name="errors", limit=0.01),
            RolloutAlarm(name="kpi", kpi="payments.approval_rate"),
            RolloutAlarm(name="latency", limit=1.5),
        ),
    )


def test_a_model_without_one_is_promoted_at_once(workspace_dir: Path) -> None:
    assert read(workspace_dir, "") is None


@pytest.mark.parametrize(
    ("rollout", "message"),
    [
        ("{}", "'steps' must be a list"),
        ("{steps: []}", "'steps' must be a list"),
        ("{steps: [5%, 5%]}", "no more than the one before"),
        ("{steps: [5%, shadow]}", "no more than the one before"),
        ("{steps: [0%]}", "neither shadow nor a share"),
        ("{steps: [120%]}", "neither shadow nor a share"),
        ("{steps: [5]}", "neither shadow nor a share"),
        ("{steps: blue_green}", "is not known"),
        ("{steps: canary 60%}", "canary goes by shares from"),
        ("{steps: linear 5%}", "linear goes by shares from"),
        ("{steps: [shadow], alarms: []}", "must be a list of 1 to 10"),
        ("{steps: [shadow], alarms: [drfit]}", "Did you mean 'drift'"),
        ("{steps: [shadow], alarms: [drift, drift]}", "stands twice"),
        ("{steps: [shadow], alarms: [kpi]}", "must name one"),
        ("{steps: [shadow], alarms: [{estimate: 0.1}]}", "takes no limit here"),
        ("{steps: [shadow], alarms: [{errors: 2}]}", "must be a number from 0 to 1"),
        ("{steps: [shadow], alarms: [[drift]]}", "is not known"),
        ("{steps: [shadow], bake_rows: 0}", "must be from 1"),
        ("{steps: [shadow], bake_rows: 1.5}", "must be a whole number"),
        ("{steps: [shadow], bake: soon}", "bake"),
        ("{steps: [shadow], wait: 1d}", "'wait' is not known"),
        ("[shadow]", "must be a mapping"),
    ],
)
def test_a_mistake_is_told_with_its_line(workspace_dir: Path, rollout: str, message: str) -> None:
    with pytest.raises(DocumentError, match=message) as caught:
        read(workspace_dir, f"rollout: {rollout}\n")
    assert caught.value.line == 10

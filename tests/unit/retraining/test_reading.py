"""What the loop knows, read from the catalog."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from mesh_catalog.access.mesh import Mesh
from mesh_catalog.catalog.decisions import (
    DecisionAction,
    DecisionRecord,
    begin_retraining,
    record_decision,
    settle_retraining,
)
from mesh_catalog.catalog.models import ModelVersionRecord, record_model_version, set_alias
from mesh_catalog.catalog.retrain_requests import request_retraining
from mesh_catalog.catalog.store import Catalog, utc_now
from mesh_catalog.catalog.verdicts import Measure, VerdictRecord, record_verdict, verdict_id
from mesh_catalog.retraining.facts import Training
from mesh_catalog.retraining.policy import budget_left, decide
from mesh_catalog.retraining.reading import learned_all, read_facts
from mesh_catalog.settings import load_settings
from mesh_catalog.specs import BudgetSpec, ModelSpec, RetrainSpec
from mesh_catalog.workspace import Workspace
from tests.unit.catalog.samples import NOON, publish

MODEL = "payments.fraud"
DAY = timedelta(days=1)


@pytest.fixture
def mesh(catalog: Catalog, workspace: Workspace) -> Mesh:
    root = workspace.root
    (root / "conf/local.yaml").write_text("{}\n")
    return Mesh(settings=load_settings(workspace=root), workspace=workspace, catalog=catalog, principal="ana")


def model_of(mesh: Mesh, **policy: object) -> ModelSpec:
    return replace(mesh.workspace.model(MODEL), retrain=RetrainSpec(**policy))  # type: ignore[arg-type]


def trained(mesh: Mesh, version: int, *, transactions: int, retraining_id: str | None = None) -> None:
    record_model_version(
        mesh.catalog,
        ModelVersionRecord(
            model=MODEL,
            version=version,
            mlflow_run_id=f"run{version}",
            training_version=None,
            inputs={"payments.transactions": transactions},
            contract_versions={"payments.transactions": "1.0.0"},
            metrics={},
            algorithm="xgboost",
            code_commit=None,
            retraining_id=retraining_id,
            created_at=utc_now(),
        ),
    )


def judged(
    mesh: Mesh, days: int, outcome: str, *, kind: str = "data_drift", slice_text: str = "", loss: float | None = None
) -> None:
    current = f"payments.fraud__predictions@{days}..{days}"
    record_verdict(
        mesh.catalog,
        VerdictRecord(
            id=verdict_id(
                MODEL,
                kind,  # type: ignore[arg-type]
                slice_text=slice_text,
                reference="r@0",
                current=current,
                model_version=1,
            ),
            subject=MODEL,
            subject_kind="model",
            kind=kind,  # type: ignore[arg-type]
            slice=slice_text,
            window_from=NOON + (days - 1) * DAY,
            window_to=NOON + days * DAY,
            reference="r@0",
            current=current,
            outcome=outcome,  # type: ignore[arg-type]
            reason=f"{kind} of day {days}",
            code_version="0",
            created_at=utc_now(),
            measures=() if loss is None else (lost(loss, outcome),),
        ),
    )


def lost(mean: float, outcome: str) -> Measure:
    told = {"rows": 500, "mean": mean, "variance": 1.0, "reference_rows": 400, "reference_mean": 20.0}
    return Measure(method="loss", score=mean, outcome=outcome, details=told)  # type: ignore[arg-type]


def test_verdicts_of_the_monitors_that_the_policy_names_newest_first_and_of_all_rows(mesh: Mesh) -> None:
    judged(mesh, 1, "fail")
    judged(mesh, 2, "warn")
    judged(mesh, 2, "fail", slice_text="channel = web")
    judged(mesh, 3, "fail", kind="performance")
    facts = read_facts(mesh, model_of(mesh, on=("drift",)))
    assert [(one.outcome, one.reason) for one in facts.windows] == [
        ("warn", "data_drift of day 2"),
        ("fail", "data_drift of day 1"),
    ]
    both = read_facts(mesh, model_of(mesh, on=("drift", "performance")))
    assert {one.trigger for one in both.windows} == {"drift", "performance"}


def test_new_rows_versions_and_contracts_count_from_the_newest_training(mesh: Mesh) -> None:
    for version in range(2):
        publish(mesh.catalog, "payments.transactions", version)
    trained(mesh, 1, transactions=1)
    model = model_of(mesh, on=("new_data", "contract"), new_rows=1)
    facts = read_facts(mesh, model)
    assert (facts.new_rows, facts.new_versions, list(facts.contracts)) == (0, 0, [])
    assert learned_all(mesh, model) == 1
    assert not decide(facts, model.retrain).train
    for version, contract in ((2, "1.0.1"), (3, "2.0.0")):
        changes = {"contract_version": contract, "event_to": NOON + version * DAY}
        publish(mesh.catalog, "payments.transactions", version, changes=changes)
    facts = read_facts(mesh, model)
    assert (facts.new_rows, facts.new_versions) == (20, 2)
    assert learned_all(mesh, model) is None
    assert facts.contracts == ["contract of payments.transactions: 1.0.0 → 2.0.0"]
    assert facts.clock == NOON + 3 * DAY
    decision = decide(facts, model.retrain)
    assert (decision.train, decision.obliged) == (True, True)


def test_a_promotion_that_was_rolled_back_did_not_help_and_requests_are_answered_once(mesh: Mesh) -> None:
    model = model_of(mesh, budget=BudgetSpec(trainings=3, per="month"))
    trained(mesh, 1, transactions=0)
    asked = request_retraining(mesh.catalog, MODEL, kind="hand", reason="a look", principal="ana")
    assert [one.id for one in read_facts(mesh, model).requests] == [asked]
    state = {"clock": NOON.isoformat(), "answers": [asked], "challenger": 2, "searched": [{}, {}]}
    begun = begin_retraining(mesh.catalog, MODEL, state, requests=[asked])
    trained(mesh, 2, transactions=0, retraining_id=begun.id)
    decision = promotion(begun.id, 2)
    assert settle_retraining(mesh.catalog, decision, aliases={"champion": 2, "challenger": None})
    assert not settle_retraining(mesh.catalog, decision, aliases={"champion": 1})
    facts = replace(read_facts(mesh, model), clock=NOON)
    assert facts.requests == []
    assert [(one.outcome, one.fits) for one in facts.trainings] == [("promote", 3), ("by_hand", 1)]
    assert budget_left(facts, model.retrain) == 0
    back = replace(decision, id="back", action="rollback", from_version=2, to_version=1, at=utc_now())
    record_decision(mesh.catalog, back, aliases={"champion": 1})
    assert read_facts(mesh, model).trainings[0].outcome == "rollback"
    assert not set_alias(mesh.catalog, MODEL, "champion", 1, reason="is there", at=utc_now())


def test_how_it_went_on_after_a_promotion_is_read_from_verdicts_and_then_from_what_came_next(mesh: Mesh) -> None:
    model = model_of(mesh, on=("performance",))
    trained(mesh, 1, transactions=0)
    judged(mesh, 1, "fail", kind="performance", loss=40.0)
    first = promoted(mesh, 2, day=1)
    for day in (2, 3):
        judged(mesh, day, "fail", kind="performance", loss=38.0)
    decision = decide(replace(read_facts(mesh, model), clock=NOON + 3 * DAY), model.retrain)
    assert decision.recovery is not None
    assert (decision.recovery.windows, decision.recovery.failed) == (2, 2)
    assert decision.recovery.share == pytest.approx(0.1)  # 2 of 20 over the windows since, 1 of 20 on the gate's rows
    assert [one.id for one in decision.unhelpful] == [first]
    assert decision.search == ("parameters",)
    second = promoted(mesh, 3, day=3, recovery=decision.recovery.to_state())
    known: list[Training] = list(read_facts(mesh, model).trainings)
    assert [(one.id, one.recovery) for one in known[:2]] == [(second, None), (first, decision.recovery)]


def promoted(mesh: Mesh, version: int, *, day: int, recovery: object = None) -> str:
    """A training that an alarm of 40 over 20 called for, whose challenger lost 39 on the gate's rows."""
    state = {
        "clock": (NOON + day * DAY).isoformat(),
        "challenger": version,
        "triggers": [{"kind": "performance", "reason": "", "evidence": {"loss": 40.0, "before": 20.0}}],
        "comparison": {"champion_loss": 40.0, "challenger_loss": 39.0},
        "recovery": recovery,
    }
    begun = begin_retraining(mesh.catalog, MODEL, state)
    trained(mesh, version, transactions=0, retraining_id=begun.id)
    assert settle_retraining(mesh.catalog, promotion(begun.id, version), aliases={"champion": version})
    return begun.id


def test_a_refused_challenger_may_be_looked_at_again_and_what_comes_of_it_is_its_trainings(mesh: Mesh) -> None:
    model = model_of(mesh, on=("performance",))
    publish(mesh.catalog, "payments.transactions", 0)
    trained(mesh, 1, transactions=0)
    refused: dict[str, object] = {
        "better_share": 0.3,
        "needed_share": 0.95,
        "unmet": [],
        "champion_loss": 40.0,
        "challenger_loss": 41.0,
    }

    def tried(day: int, outcome: DecisionAction, told: dict[str, object], **state: object) -> Training:
        clock = (NOON + day * DAY).isoformat()
        begun = begin_retraining(mesh.catalog, MODEL, {"clock": clock, "challenger": 2, "comparison": told, **state})
        if "again" not in state:
            trained(mesh, 2, transactions=0, retraining_id=begun.id)
        told_so = replace(promotion(begun.id, 2), action=outcome)
        assert settle_retraining(mesh.catalog, told_so, aliases={})
        return read_facts(mesh, model).trainings[0]

    first = tried(1, "reject", refused)
    assert (first.outcome, first.refused, first.looked_at) == ("reject", 2, None)
    looked = tried(2, "reject", refused, again=first.id)
    assert looked == replace(first, looked_at=NOON + 2 * DAY)
    said_no, not_kept = {"better_share": 0.97}, {"unmet": ["roc_auc 0.6 is below 0.7"]}
    for more in (said_no, not_kept):
        assert tried(3, "reject", {**refused, **more}, again=first.id).refused is None
    assert tried(4, "reject", refused, again=first.id).refused == 2
    better = {**refused, "better_share": 0.97, "challenger_loss": 30.0}
    taken = tried(5, "promote", better, again=first.id)
    assert (taken.id, taken.outcome, taken.refused, taken.gate) == (first.id, "promote", None, (40.0, 30.0))
    assert (taken.at, taken.seen_until, taken.fits) == (first.at, NOON + 5 * DAY, 1)
    assert len(read_facts(mesh, model).trainings) == 2  # v1's and this one


def test_a_challenger_of_another_contract_is_not_looked_at_again(mesh: Mesh) -> None:
    model = model_of(mesh)
    trained(mesh, 1, transactions=0)
    begun = begin_retraining(mesh.catalog, MODEL, {"clock": NOON.isoformat(), "challenger": 2})
    trained(mesh, 2, transactions=0, retraining_id=begun.id)
    assert settle_retraining(mesh.catalog, replace(promotion(begun.id, 2), action="reject"), aliases={})
    for version, contract, refused in ((0, "1.0.1", 2), (1, "1.1.0", None)):
        publish(mesh.catalog, "payments.transactions", version, changes={"contract_version": contract})
        assert read_facts(mesh, model).trainings[0].refused == refused


def promotion(retraining: str, version: int) -> DecisionRecord:
    return DecisionRecord(
        id=retraining,
        model=MODEL,
        action="promote",
        reasons=("better",),
        at=utc_now(),
        principal="ana",
        from_version=version - 1,
        to_version=version,
        evidence={},
    )

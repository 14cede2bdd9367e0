from __future__ import annotations

import math
import time
from dataclasses import replace
from datetime import timedelta

import pytest

from mesh_catalog.catalog.decisions import (
    DecisionRecord,
    advance_retraining,
    begin_retraining,
    finish_retraining,
    open_retraining,
    read_decisions,
    read_retrainings,
    record_decision,
)
from mesh_catalog.catalog.leases import acquire_lease, release_lease, renew_lease
from mesh_catalog.catalog.models import (
    alias_history,
    read_alias,
    read_aliases,
    read_model_versions,
    record_model_version,
    set_alias,
)
from mesh_catalog.catalog.store import Catalog
from mesh_catalog.catalog.verdicts import Measure, VerdictRecord, read_verdict, read_verdicts, record_verdict
from mesh_catalog.errors import ConflictError, NotFoundError
from tests.unit.catalog.samples import NOON, train

MODEL = "payments.fraud"


def verdict(**changes: object) -> VerdictRecord:
    record = VerdictRecord(
        id="v1",
        subject=MODEL,
        subject_kind="model",
        kind="data_drift",
        window_from=NOON - timedelta(days=1),
        window_to=NOON,
        reference=f"{MODEL}__training@0",
        current=f"{MODEL}__predictions@0..3",
        model_version=1,
        outcome="fail",
        reason="drift in 1 of 2 columns",
        share=0.5,
        limit=0.5,
        measures=(
            Measure(
                column="tx_amount",
                method="Wasserstein distance (normed)",
                score=0.143,
                threshold=0.1,
                outcome="fail",
                details={"type": "numerical"},
            ),
            Measure(column="country", method="", outcome="not_run", reason="text"),
        ),
        report_html="reports/a.html",
        report_json="reports/a.json",
        reference_digest="a",
        current_digest="b",
        code_version="0.1.0",
        created_at=NOON,
    )
    return replace(record, **changes)  # type: ignore[arg-type]


def test_a_model_version_is_kept_once_with_all_its_pins(catalog: Catalog) -> None:
    record = train(catalog)
    record_model_version(catalog, record)
    assert read_model_versions(catalog, MODEL) == [record]
    with pytest.raises(ConflictError, match="is known as MLflow run mlflow1"):
        record_model_version(catalog, replace(record, mlflow_run_id="other"))


def test_a_metric_that_is_not_a_number_comes_back_as_such(catalog: Catalog) -> None:
    record = train(catalog)
    record_model_version(catalog, replace(record, version=2, mlflow_run_id="m2", metrics={"roc_auc": math.nan}))
    assert math.isnan(read_model_versions(catalog, MODEL)[1].metrics["roc_auc"])


def test_an_alias_moves_and_remembers_where_it_was(catalog: Catalog) -> None:
    train(catalog)
    train(catalog, version=2)
    assert read_alias(catalog, MODEL, "champion") is None
    assert set_alias(catalog, MODEL, "champion", 1, reason="first", at=NOON)
    assert set_alias(catalog, MODEL, "champion", 2, reason="better", at=NOON)
    assert not set_alias(catalog, MODEL, "champion", 2, reason="again", at=NOON)
    assert set_alias(catalog, MODEL, "challenger", 1, reason="try", at=NOON)
    assert set_alias(catalog, MODEL, "challenger", None, reason="done", at=NOON)
    assert read_alias(catalog, MODEL, "champion") == 2
    assert read_aliases(catalog, MODEL) == {"champion": 2}
    assert [(move.version, move.reason) for move in alias_history(catalog, MODEL, "champion")] == [
        (1, "first"),
        (2, "better"),
    ]
    with pytest.raises(NotFoundError, match=r"has no version 7\. There is: v1, v2"):
        set_alias(catalog, MODEL, "champion", 7, reason="no", at=NOON)


def test_a_verdict_is_kept_once_and_the_newest_comes_first(catalog: Catalog) -> None:
    record_verdict(catalog, verdict())
    record_verdict(catalog, verdict(share=0.9))
    newer = verdict(
        id="v2",
        current=f"{MODEL}__predictions@4..4",
        window_to=NOON + timedelta(days=1),
        outcome="pass",
        window_from=None,
        measures=(),
    )
    record_verdict(catalog, newer)
    assert read_verdicts(catalog, MODEL) == [newer, verdict()]
    assert read_verdicts(catalog, MODEL, limit=1) == [newer]


def test_of_a_window_that_was_judged_again_the_last_verdict_is_read(catalog: Catalog) -> None:
    record_verdict(catalog, verdict())
    again = verdict(id="v9", reference=f"{MODEL}__training@1", created_at=NOON + timedelta(hours=1), outcome="warn")
    record_verdict(catalog, again)
    assert read_verdicts(catalog, MODEL) == [again]


def test_verdicts_are_found_by_monitor_slice_and_the_beginning_of_their_id(catalog: Catalog) -> None:
    whole, bias = verdict(), verdict(id="w", kind="bias")
    web = verdict(id="v3", slice="channel = web")
    for record in (whole, bias, web):
        record_verdict(catalog, record)
    assert read_verdicts(catalog, MODEL, kind="bias") == [bias]
    assert read_verdicts(catalog, MODEL, kind="data_drift") == [whole]
    assert read_verdicts(catalog, MODEL, kind="data_drift", slice="channel = web") == [web]
    assert {record.id for record in read_verdicts(catalog, MODEL, slice=None)} == {"v1", "v3", "w"}
    assert read_verdict(catalog, "w") == bias
    for unclear in ("v", "%", ""):
        with pytest.raises(NotFoundError, match="verdict"):
            read_verdict(catalog, unclear)


def test_a_product_has_verdicts_and_a_score_without_end_is_none(catalog: Catalog) -> None:
    measure = Measure(column="amount", method="KL divergence", score=math.inf, outcome="fail", reason="no overlap")
    record = verdict(subject="payments.transactions", subject_kind="product", measures=(measure,), model_version=None)
    record_verdict(catalog, record)
    assert read_verdicts(catalog, "payments.transactions") == [record]
    assert record.measures[0].score is None
    with pytest.raises(NotFoundError, match="no such product.*Did you mean 'payments.transactions'"):
        record_verdict(catalog, verdict(subject="payments.transaction", subject_kind="product"))


def test_nothing_is_kept_of_an_unknown_model(catalog: Catalog) -> None:
    with pytest.raises(NotFoundError, match=r"payments\.frau: no such model.*Did you mean 'payments\.fraud'"):
        record_verdict(catalog, verdict(subject="payments.frau"))
    with pytest.raises(NotFoundError, match="no such model"):
        begin_retraining(catalog, "payments.frau", {})


def test_a_retraining_goes_step_by_step_and_only_one_is_open(catalog: Catalog) -> None:
    begun = begin_retraining(catalog, MODEL, {"verdict": "v1"})
    assert open_retraining(catalog, MODEL) == begun
    with pytest.raises(ConflictError, match="a retraining is under way already"):
        begin_retraining(catalog, MODEL, {})
    advanced = advance_retraining(catalog, begun.id, "trained", {"verdict": "v1", "challenger": 2})
    assert open_retraining(catalog, MODEL) == advanced
    assert (advanced.step, advanced.state["challenger"], advanced.outcome) == ("trained", 2, None)
    finish_retraining(catalog, begun.id, "promote", ["better"])
    finish_retraining(catalog, begun.id, "promote", ["better"])
    assert open_retraining(catalog, MODEL) is None
    with pytest.raises(ConflictError, match="is finished as promote, not reject"):
        finish_retraining(catalog, begun.id, "reject", [])
    with pytest.raises(ConflictError, match="is finished"):
        advance_retraining(catalog, begun.id, "trained", {})
    second = begin_retraining(catalog, MODEL, {})
    assert [one.id for one in read_retrainings(catalog, MODEL)] == [second.id, begun.id]
    with pytest.raises(NotFoundError, match="does not exist"):
        finish_retraining(catalog, "ghost", "promote", [])


def test_a_decision_is_kept_once(catalog: Catalog) -> None:
    record = DecisionRecord(
        id="d1",
        model=MODEL,
        action="promote",
        reasons=("better by 0.06",),
        at=NOON,
        principal="ana",
        from_version=1,
        to_version=2,
        evidence={"difference": 0.06, "interval": [0.04, 0.08]},
    )
    record_decision(catalog, record)
    record_decision(catalog, replace(record, action="reject"))
    assert read_decisions(catalog, MODEL) == [record]


def test_a_lease_has_one_holder_until_it_is_released_or_expires(catalog: Catalog) -> None:
    assert acquire_lease(catalog, "retrain", holder="a", seconds=30)
    assert acquire_lease(catalog, "retrain", holder="a", seconds=30)
    assert not acquire_lease(catalog, "retrain", holder="b", seconds=30)
    assert acquire_lease(catalog, "other", holder="b", seconds=30)
    release_lease(catalog, "retrain", holder="b")
    assert not acquire_lease(catalog, "retrain", holder="b", seconds=30)
    release_lease(catalog, "retrain", holder="a")
    assert acquire_lease(catalog, "retrain", holder="b", seconds=0.05)
    time.sleep(0.06)
    assert not renew_lease(catalog, "retrain", holder="b", seconds=30)
    assert acquire_lease(catalog, "retrain", holder="a", seconds=30)
    assert renew_lease(catalog, "retrain", holder="a", seconds=30)
    assert not renew_lease(catalog, "retrain", holder="b", seconds=30)

"""Every monitor on a model's window and a product's, on tables written without Spark: what they say and keep."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mesh_catalog.access.mesh import Mesh, open_mesh
from mesh_catalog.catalog.verdicts import VerdictRecord, read_verdicts
from mesh_catalog.cli.main import run_command
from mesh_catalog.errors import InputError, NotFoundError
from mesh_catalog.monitoring.run import replay_verdict, run_monitors
from mesh_catalog.settings import load_settings
from mesh_catalog.specs import MonitorSpec
from tests.unit.monitoring.samples import MODEL, land, rows, score_champion, train

NAME = "payments.fraud"
WANTED = """
monitor:
  window: 2d
  slices: [country, {column: amount, edges: [20]}, e_mail, chanel]
  performance: {at_least: {accuracy: 0.6}, labels: {share: 0.5, rows: 50}}
  bias: {facets: [country, e_mail, {column: country_, groups: [x]}], limits: {DPPL: 0.1}}
"""


def judged(mesh: Mesh, kind: Any, slice_text: str = "") -> VerdictRecord:
    found = run_monitors(mesh, mesh.workspace.model(NAME), kinds=[kind], slices=[slice_text])
    assert not found.errors
    return found.verdicts[0]


def measures(verdict: VerdictRecord) -> dict[str, float | None]:
    return {one.method: one.score for one in verdict.measures}


def drawn(frame: pd.DataFrame, *, seed: int = 1) -> tuple[Any, Any]:
    """Scores that are probabilities, and labels drawn from them."""
    rng = np.random.default_rng(seed)
    scores = rng.beta(1, 2, len(frame))
    return scores, (rng.random(len(frame)) < scores).astype(float)


@pytest.fixture
def watched(mesh: Mesh) -> Mesh:
    """A champion that has scored ten days, and whose labels of these have come."""
    path = mesh.settings.workspace / "domains" / "payments" / "fraud" / "model.yaml"
    path.write_text(MODEL.replace("monitor: {window: 2d, drift_share: 0.5}\n", WANTED))
    with open_mesh(load_settings()) as opened:
        train(opened, roc_auc=0.83)
        before, now = rows(10, 10, rows=3000), rows(1, 25, rows=2000)
        old_scores, old_labels = drawn(before)
        new_scores, _ = drawn(now, seed=2)
        score_champion(opened, 0, before, old_scores)
        score_champion(opened, 1, now, new_scores)
        land(opened, 0, pd.concat([before, now]), [*old_labels, *([None] * len(now))])
        return opened


def test_a_window_without_labels_is_not_judged_and_one_with_half_of_them_is(watched: Mesh) -> None:
    waiting = judged(watched, "performance")
    assert (waiting.outcome, waiting.reason) == ("not_run", "0 of 2,000 labels have come, 1,000 are needed")
    now = rows(1, 25, rows=2000)
    scores, labels = drawn(now, seed=2)
    late = labels.copy()
    late[:500] = np.nan
    land(watched, 1, now, [None if np.isnan(one) else one for one in late])
    verdict = judged(watched, "performance")
    assert verdict.outcome == "pass" and "500 of 2,000 labels are still missing" in verdict.reason
    from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

    known, found = labels[500:], measures(verdict)
    assert found["roc_auc"] == pytest.approx(roc_auc_score(known, scores[500:]), abs=1e-9)
    assert found["average_precision"] == pytest.approx(average_precision_score(known, scores[500:]), abs=1e-9)
    assert found["f1"] == pytest.approx(f1_score(known, scores[500:] >= 0.5), abs=1e-9)
    assert verdict.reference == f"{NAME}__training@0, payments.cards@1"
    assert read_verdicts(watched.catalog, NAME, kind="performance") == [verdict]


def test_a_model_that_became_bad_fails_and_is_below_its_limit_with_the_whole_interval(watched: Mesh) -> None:
    now = rows(1, 25, rows=2000)
    land(watched, 1, now, np.random.default_rng(0).integers(0, 2, len(now)).astype(float))
    verdict = judged(watched, "performance")
    auc = next(one for one in verdict.measures if one.method == "roc_auc")
    assert verdict.outcome == "fail" and auc.threshold == pytest.approx(0.83 * 0.9)
    assert auc.high is not None and auc.threshold is not None and auc.high < auc.threshold


def test_performance_is_estimated_without_a_label_near_what_it_turns_out_to_be(watched: Mesh) -> None:
    estimate = judged(watched, "estimated_performance")
    now = rows(1, 25, rows=2000)
    land(watched, 1, now, drawn(now, seed=2)[1])
    real = measures(judged(watched, "performance"))
    for one in estimate.measures:
        if one.method in ("roc_auc", "average_precision", "accuracy", "f1", "precision", "recall"):
            assert one.score == pytest.approx(real[one.method], abs=0.05), one.method
            assert one.low is not None and one.high is not None and one.low <= (one.score or 0) <= one.high
    assert "sees no concept drift" in estimate.reason
    assert measures(estimate)["calibration rows"] == 3000


def test_scores_that_shift_are_prediction_drift_and_those_of_a_first_window_are_not_judged(mesh: Mesh) -> None:
    train(mesh)
    before, now = rows(10, 10), rows(1, 25)
    score_champion(mesh, 0, before, drawn(before)[0])
    assert judged(mesh, "prediction_drift").outcome == "not_run"
    score_champion(mesh, 1, now, drawn(now)[0] / 2)
    verdict = judged(mesh, "prediction_drift")
    assert (verdict.outcome, verdict.reference) == ("fail", f"{NAME}__predictions@0..0")
    assert [one.column for one in verdict.measures] == ["score"]


def test_bias_is_found_with_an_interval_and_values_of_personal_columns_are_not_shown(watched: Mesh) -> None:
    now = rows(1, 30, rows=2000)
    score_champion(watched, 2, now, np.where(now["country"] == "DE", 0.9, 0.1))
    land(watched, 1, now, np.ones(len(now)))
    verdict = judged(watched, "bias")
    found = {one.method: one for one in verdict.measures if one.column == "country"}
    assert verdict.outcome == "fail" and found["DPPL"].score == 1.0 and found["DI"].score == 0.0
    assert found["RD"].score == 1.0 and found["RD"].low is not None and found["RD"].low > 0.99
    assert found["DPPL"].details["group"] == "FR"
    refused = {one.column: one.reason for one in verdict.measures if one.outcome == "not_run"}
    assert "personal: name the groups" in str(refused["e_mail"])
    assert "has no column 'country_'. Did you mean 'country'?" in str(refused["country_"])
    assert "example.com" not in Path(str(verdict.report_html)).read_text() + Path(str(verdict.report_json)).read_text()


def test_the_sexes_on_the_titanic_are_treated_unlike(mesh: Mesh, shared: Path) -> None:
    from sklearn.linear_model import LogisticRegression

    people = pd.read_csv(shared / "data" / "titanic" / "titanic_seaborn.csv").rename(columns=str.lower)
    number = (people["sex"] == "female").astype(float)
    known = pd.DataFrame({"sex": number, "class": people["pclass"], "fare": people["fare"].fillna(0)})
    scores = LogisticRegression(max_iter=1000).fit(known, people["survived"]).predict_proba(known)[:, 1]
    frame = rows(1, 10, rows=len(people)).assign(country=people["sex"].to_numpy())
    train(mesh)
    score_champion(mesh, 0, frame, scores)
    land(mesh, 0, frame, people["survived"].astype(float))
    (mesh.settings.workspace / "domains/payments/fraud/model.yaml").write_text(
        MODEL.replace("drift_share: 0.5}", "bias: {facets: [country]}}")
    )
    with open_mesh(load_settings()) as opened:
        verdict = judged(opened, "bias")
    gap = next(one for one in verdict.measures if one.method == "DPPL")
    assert verdict.outcome == "fail" and gap.outcome == "fail"
    chosen = scores >= 0.5
    women = number.to_numpy() == 1
    assert gap.score == pytest.approx(chosen[women].mean() - chosen[~women].mean())
    assert gap.low is not None and gap.low > 0.5


def test_each_slice_is_a_verdict_of_its_own_and_one_that_cannot_be_says_why(watched: Mesh) -> None:
    run = run_monitors(watched, watched.workspace.model(NAME), kinds=["data_drift", "estimated_performance"])
    told = {(one.kind, one.slice): one for one in run.verdicts}
    slices = {text for _kind, text in told}
    assert slices == {"", "country = DE", "country = FR", "amount in [-inf, 20)", "amount in [20, inf)",
                      "e_mail = *", "chanel = *"}  # fmt: skip
    assert told["data_drift", "e_mail = *"].reason == "the column is personal, so its values are not shown"
    assert "has no column 'chanel'" in told["data_drift", "chanel = *"].reason
    small = told["data_drift", "amount in [-inf, 20)"]
    assert small.outcome in ("pass", "warn") and {one.column for one in small.measures} == {
        "amount",
        "country",
        "e_mail",
    }
    assert {one.slice for one in read_verdicts(watched.catalog, NAME, slice=None, limit=99)} == slices
    assert [one.slice for one in read_verdicts(watched.catalog, NAME, kind="data_drift")] == [""]
    whole, parts = told["estimated_performance", ""], ("country = DE", "country = FR")
    calibration = [told["estimated_performance", part] for part in parts]
    assert sum(measures(one)["calibration rows"] or 0 for one in calibration) == measures(whole)["calibration rows"]


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ("chanel = web", "fraud__predictions has no column 'chanel'. It has: id, at, amount, country, e_mail"),
        ("e_mail = a@example.com", "'e_mail': the column is personal, so its values are not shown"),
        ("country in [1, 2)", "edges need a number, and 'country' is string"),
    ],
)
def test_a_slice_that_cannot_be_is_refused_by_hand_and_leaves_no_verdict(
    watched: Mesh, asked: str, sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence) as refused:
        run_monitors(watched, watched.workspace.model(NAME), kinds=["data_drift"], slices=["", asked])
    assert "example.com" not in str(refused.value)
    assert read_verdicts(watched.catalog, NAME, slice=None, limit=99) == []


def test_every_verdict_is_replayed_from_its_versions_after_newer_ones_came(watched: Mesh) -> None:
    model = watched.workspace.model(NAME)
    first = run_monitors(watched, model, slices=["", "country = FR"])
    assert {one.kind for one in first.verdicts} == {
        "data_quality", "data_drift", "prediction_drift", "performance", "estimated_performance", "bias", "operations",
    }  # fmt: skip
    now = rows(1, 40, rows=300)
    score_champion(watched, 2, now, drawn(now)[0])
    land(watched, 1, now, drawn(now)[1])
    for verdict in first.verdicts:
        replay = replay_verdict(watched, model, verdict.id)
        assert replay.equal, (verdict.kind, verdict.slice, replay.again.reason)
        assert replay.again.id == verdict.id
    with pytest.raises(NotFoundError, match="no verdict has this id"):
        replay_verdict(watched, model, "nothing")


def test_a_product_is_watched_by_its_monitor_file(watched: Mesh) -> None:
    path = watched.settings.workspace / "domains" / "payments" / "cards" / "monitor.yaml"
    path.write_text("window: 1d\nslices: [country]\n")
    now = rows(1, 30, shift=2.0)
    land(watched, 1, now, np.ones(len(now)))
    with open_mesh(load_settings()) as opened:
        product = opened.workspace.product("payments.cards")
        assert product.monitor is not None and [one.column for one in product.monitor.slices] == ["country"]
        run = run_monitors(opened, product)
    assert {(one.kind, one.subject_kind) for one in run.verdicts} == {
        ("data_quality", "product"), ("data_drift", "product"), ("operations", "product"),
    }  # fmt: skip


def test_the_command_prints_a_row_a_monitor_and_exits_as_it_is_told(
    watched: Mesh, capsys: pytest.CaptureFixture[str]
) -> None:
    now = rows(1, 25, rows=2000)
    land(watched, 1, now, np.random.default_rng(0).integers(0, 2, len(now)).astype(float))
    assert run_command(["monitor", NAME]) == 0
    out = capsys.readouterr().out
    for name in ("data quality", "data drift", "performance", "estimated performance", "bias", "operations"):
        assert name in out
    assert run_command(["monitor", NAME, "--kind", "performance", "--fail-on", "fail"]) == 3
    capsys.readouterr()
    assert run_command(["monitor", NAME, "--kind", "performance", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["outcome"] == "fail" and data["verdicts"][0]["slice"] == ""
    assert run_command(["monitor", NAME, "--replay", data["verdicts"][0]["id"][:10]]) == 0
    assert capsys.readouterr().out.rstrip().endswith("\nequal")
    assert run_command(["monitor", "payments.frod"]) == 4
    assert "Did you mean 'payments.fraud'?" in capsys.readouterr().err


def test_rows_of_other_versions_than_the_champion_do_not_count_in_its_performance(watched: Mesh) -> None:
    now = rows(1, 26, rows=500)
    score_champion(watched, 2, now, drawn(now)[0], model_version=2)
    assert judged(watched, "performance").measures[0].details["rows"] == 2000


def test_defaults_watch_one_day_without_slices() -> None:
    assert MonitorSpec().slices == () and MonitorSpec().bias.facets == ()


def test_a_regressions_error_is_measured_with_labels_and_estimated_without(mesh: Mesh) -> None:
    path = mesh.settings.workspace / "domains" / "payments" / "fraud" / "model.yaml"
    text = MODEL.replace("kind: binary", "kind: regression").replace("metric: roc_auc", "metric: mae")
    path.write_text(text.replace("logistic_regression", "linear_regression"))
    before, now = rows(10, 10, rows=4000), rows(1, 25, rows=1000)
    rng = np.random.default_rng(0)

    def labels(frame: pd.DataFrame, scores: Any) -> Any:
        return scores + rng.normal(size=len(frame)) * np.where(frame["country"] == "FR", 4.0, 1.0)

    with open_mesh(load_settings()) as opened:
        train(opened, mae=1.0)
        old, new = rng.normal(size=4000), rng.normal(size=1000)
        score_champion(opened, 0, before, old)
        score_champion(opened, 1, now, new)
        land(opened, 0, pd.concat([before, now]), [*labels(before, old), *([None] * 1000)])
        estimate = judged(opened, "estimated_performance")
        real = labels(now, new)
        land(opened, 1, now, real)
        verdict = judged(opened, "performance")
    found = measures(verdict)
    assert found["mae"] == pytest.approx(np.abs(real - new).mean())
    assert found["rmse"] == pytest.approx(np.sqrt(((real - new) ** 2).mean()))
    assert found["r2"] == pytest.approx(1 - ((real - new) ** 2).mean() / real.var())
    assert verdict.outcome == "fail" and "mae" in verdict.reason
    assert measures(estimate)["mae"] == pytest.approx(found["mae"], rel=0.1)
    assert estimate.outcome == "fail" and "sees no concept drift" in estimate.reason

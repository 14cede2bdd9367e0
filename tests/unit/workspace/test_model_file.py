from __future__ import annotations

from pathlib import Path

import pytest

from mesh_catalog.errors import DocumentError
from mesh_catalog.workspace import check_workspace, load_workspace
from tests.unit.workspace.samples import MODEL, fill, write


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("model: shop.churn", "model: shop.chrun", "its folder says 'shop.churn'"),
        ("goal: Keep customers.", "gaol: x", "Did you mean 'goal'"),
        ("goal: Keep customers.\n", "", "'goal' is missing"),
        ("kind: binary", "kind: ranking", "Allowed: binary, regression"),
        ("kind: binary", "kind: multiclass", "write a binary model for each, its target a column that is 1 for it"),
        ("kind: binary", "kind: regression", "roc_auc' is not known. Allowed: mae, rmse, r2"),
        (
            "{roc_auc: 0.6}}",
            "{roc_auc: 0.6}, at_most: {roc_auc: 0.7}}",
            "of 'roc_auc' more is better. Write it under at_least",
        ),
        ("target: shop.orders.returned", "target: returned", "must be domain.product.column"),
        ("target: shop.orders.returned", "target: shop.order.returned", "Did you mean 'shop.orders'"),
        ("target: shop.orders.returned", "target: shop.orders.return", "Did you mean 'returned'"),
        ("target: shop.orders.returned", "target: shop.orders.amount", "is double"),
        ("[shop.orders.amount, shop.activity]", "[]", "'features' is missing"),
        ("[shop.orders.amount, shop.activity]", "[amount]", "must be domain.product"),
        ("[shop.orders.amount, shop.activity]", "[shop.orders.amunt]", "Did you mean 'amount'"),
        ("[shop.orders.amount, shop.activity]", "[shop.orders.returned]", "is the target itself"),
        ("[shop.orders.amount, shop.activity]", "[shop.a, shop.a]", "stands twice"),
        ("entity: customer\n", "", "'entity' is missing"),
        ("entity: customer", "entity: [custmer]", "Did you mean 'customer'"),
        ("event_time: at", "event_time: amount", "no date or timestamp column"),
        ("by: time", "by: random", "Allowed: time"),
        ("test: 7d, ", "", "length of the test window"),
        ("test: 7d", "test: 7 days", "not a length of time"),
        ("test: 7d", "test: 0d", "length of the test window"),
        ("name: xgboost", "name: lightgbm", "Allowed: xgboost, logistic_regression"),
        ("max_depth: 6", "max_depth: deep", "must be a number"),
        ("metric: roc_auc", "metric: auc", "Allowed: roc_auc"),
        ("beats_champion: 0.9", "beats_champion: 95", "must be from 0 to 1"),
        ("{roc_auc: 0.6}", "{roc: 0.6}", "Did you mean 'roc_auc'"),
        ("window: 2d", "window: 0d", "longer than nothing"),
        ("drift_share: 0.3", "drift_share: high", "must be a number from 0 to 1"),
        ("on: [drift]", "on: [weather]", "is not known"),
        ("on: [drift]", "on: [hand]", "is always heard"),
        ("on: [drift]", "on: [performace]", "Did you mean 'performance'"),
        ("on: [drift]", "on: [schedule]", "needs 'every', for example every: 30d"),
        ("on: [drift]", "on: [new_data]", "needs 'new_data'"),
        ("on: [drift]", "on: [kpi]", "needs 'kpi'"),
        ("on: [drift]", "on: [drift], every: 30d", "does not name schedule"),
        ("on: [drift]", "on: [schedule], every: 0d", "longer than nothing"),
        ("on: [drift]", "on: [new_data], new_data: {}", "needs rows or versions"),
        ("on: [drift]", "on: [new_data], new_data: {rows: 1.5}", "whole number"),
        ("on: [drift]", "on: [kpi], kpi: {name: returns}", "Write domain.kpi"),
        ("on: [drift]", "on: [kpi], kpi: {name: shop.returns, falls: 10%, rises: 10%}", "either falls or rises"),
        ("on: [drift]", "on: [kpi], kpi: {name: shop.returns, falls: much}", "a share such as 10%"),
        ("debounce: 2 of 3", "debounce: 4 of 3", "must read like 2 of 3"),
        ("cooldown: 3d", "cooldown: 3d, budget: 4 monthly", "must read like 4 per month"),
        ("cooldown: 3d", "cooldown: 3d, budget: 0 per month", "must read like 4 per month"),
        ("cooldown: 3d", "cooldown: 3d, window: since_dirft", "must be all, since_drift"),
        ("cooldown: 3d", "cooldown: 3d, patience: 0", "must be from 1 to 100"),
        ("cooldown: 3d", "cooldown: 3d, wins_back: much", "must be a share such as 10%"),
        ("metric: roc_auc", "metric: roc_auc\ntune: {trials: 0}", "must be from 1"),
        ("metric: roc_auc", "metric: roc_auc\ntune: {parameters: {max_depth: [8, 3]}}", "for example \\[3, 8\\]"),
        ("metric: roc_auc", "metric: roc_auc\napproval: maybe", "Allowed: person, automatic"),
        ("metric: roc_auc", "metric: roc_auc\ntouches: [love]", "Allowed: health, credit, fraud, rights"),
        ("beats_champion: 0.9", "beats_champion: 0.9, stability: 1 of 1", "needs 2 to 50 parts"),
        ("beats_champion: 0.9", "beats_champion: 0.9, slices: {drop: 0.1}", "slices needs 'by'"),
        ("beats_champion: 0.9", "beats_champion: 0.9, fairness: {by: sex, measure: luck}", "Allowed: selection_rate"),
        ("beats_champion: 0.9", "beats_champion: 0.9, fairness: {by: sex, ratio: 120%}", "a share such as 10%"),
        ("metric: roc_auc", "metric: roc_auc\ncosts: {false_negative: 1}", "'false_positive' is missing: what one"),
        ("metric: roc_auc", "metric: roc_auc\ncosts: {false_negative: 0, false_positive: 1}", "must be from 1e-09"),
        ("metric: roc_auc", "metric: expected_cost", "needs what wrong decisions cost: costs: {false_negative"),
        ("{roc_auc: 0.6}}", "{roc_auc: 0.6}, at_most: {expected_cost: 1}}", "'expected_cost' is not known here"),
        ("metric: roc_auc", "metric: roc_auc\nseed: 1.5", "whole number"),
    ],
)
def test_a_wrong_model_is_refused_with_the_line(workspace_dir: Path, old: str, new: str, sentence: str) -> None:
    assert old in MODEL
    write(fill(workspace_dir), "domains/shop/churn/model.yaml", MODEL.replace(old, new))
    with pytest.raises(DocumentError, match=sentence) as caught:
        load_workspace(workspace_dir)
    assert caught.value.line is not None


def test_a_feature_product_must_say_when_its_rows_happened(workspace_dir: Path) -> None:
    fill(workspace_dir)
    path = workspace_dir / "domains/shop/activity/contract.yaml"
    path.write_text(path.read_text().partition("customProperties")[0])
    assert ["set customProperty eventTime" in str(error) for error in check_workspace(workspace_dir)] == [True]


def test_a_feature_product_must_hold_the_entity(workspace_dir: Path) -> None:
    fill(workspace_dir)
    path = workspace_dir / "domains/shop/activity/contract.yaml"
    path.write_text(path.read_text().replace("name: customer,", "name: client,"))
    with pytest.raises(DocumentError, match="has no column 'customer', which entity names"):
        load_workspace(workspace_dir)


def test_a_regression_has_its_own_metrics_algorithms_and_targets(workspace_dir: Path) -> None:
    text = MODEL.replace("kind: binary", "kind: regression").replace("orders.returned", "orders.amount")
    text = text.replace("[shop.orders.amount, shop.activity]", "[shop.activity]").replace(
        "metric: roc_auc", "metric: mae"
    )
    text = text.replace("at_least: {roc_auc: 0.6}", "at_least: {r2: -1}, at_most: {mae: 250}")
    fill(workspace_dir)
    path = write(workspace_dir, "domains/shop/churn/model.yaml", text)
    model = load_workspace(workspace_dir).model("shop.churn")
    assert (model.kind, model.metric, dict(model.gate.at_most)) == ("regression", "mae", {"mae": 250})
    path.write_text(text.replace("name: xgboost", "name: logistic_regression"))
    with pytest.raises(DocumentError, match="Allowed: xgboost, linear_regression"):
        load_workspace(workspace_dir)


def test_an_algorithm_may_be_a_name_alone(workspace_dir: Path) -> None:
    text = MODEL.replace("{name: xgboost, max_depth: 6}", "logistic_regression")
    write(fill(workspace_dir), "domains/shop/churn/model.yaml", text)
    model = load_workspace(workspace_dir).model("shop.churn")
    assert (model.algorithm, dict(model.parameters)) == ("logistic_regression", {})


@pytest.mark.parametrize(
    ("written", "sentence", "line"),
    [
        ("split:\n  by: time\n", "split needs the length of the test window", 1),
        ("algorithm:\n  max_depth: 6\n", "'name' is missing", 1),
        ("gate:\n  beats_champion: 0.9\n  slices:\n    rows: 20\n", "slices needs 'by'", 3),
        ("monitor:\n  slices:\n    - score\n    - edges: [1]\n", "'column' is missing", 4),
        ("retrain:\n  on:\n    - kpi\n  kpi:\n    falls: 10%\n", "'name' is missing", 4),
        ("features:\n  - shop.orders.amount\n  - shop.activity\n", "'entity' is missing", 3),
    ],
)
def test_a_key_that_is_missing_is_told_at_the_section_that_lacks_it(
    workspace_dir: Path, written: str, sentence: str, line: int
) -> None:
    fill(workspace_dir)
    gone = (f"{written.partition(':')[0]}:", *(["entity:"] if "entity" in sentence else []))
    kept = [one for one in MODEL.splitlines() if not one.startswith(gone)]
    write(workspace_dir, "domains/shop/churn/model.yaml", "\n".join([*kept, written]))
    (error,) = check_workspace(workspace_dir)
    assert sentence in str(error) and error.line == len(kept) + line

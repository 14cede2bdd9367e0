"""`mesh check` knows the columns, KPIs and monitors that a policy may name."""

from __future__ import annotations

from pathlib import Path

import pytest

from mesh_catalog.workspace import check_workspace, load_workspace
from tests.unit.workspace.samples import MODEL, fill, write

KPIS = """\
kpis:
  - {name: returns, title: Returns, source: shop.orders, grain: week, unit: ratio, formula: avg(amount),
     reason: Costs., cadence: weekly}
"""


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("monitor: {slices: [amunt]}", "the rows of shop.churn have no column 'amunt'. Did you mean 'amount'?"),
        ("monitor: {slices: [customer]}", "'customer' is personal, so its values are no slices"),
        ("monitor: {slices: [{column: at, edges: [1]}]}", "edges need a number, and 'at' is timestamp"),
        ("monitor: {drift: {columns: {amunt: {method: psi}}}}", "have no column 'amunt'"),
        ("monitor: {bias: {facets: [sex]}}", "have no column 'sex'"),
        ("monitor: {bias: {facets: [customer]}}", "'customer' is personal. Name its groups"),
        ("monitor: {performance: {at_most: {mae: 3}}}", "'mae' is no metric of a binary model. There is: roc_auc"),
        ("gate: {slices: {by: [amunt]}}", "have no column 'amunt'"),
        ("gate: {fairness: {by: sex}}", "have no column 'sex'"),
        ("retrain: {on: [bias]}", "retraining on bias needs its monitor. Add to monitor: bias: {facets"),
        ("retrain: {on: [kpi], kpi: {name: shop.retuns, falls: 10%}}", "no KPI 'shop.retuns'. Did you mean"),
        ("rollout: {steps: [10%], alarms: [attribution]}", "the alarm attribution needs its monitor"),
        ("rollout: {steps: [10%], alarms: [{kpi: shop.gone}]}", "there is no KPI 'shop.gone'. There is: shop.returns"),
    ],
)
def test_a_word_that_means_nothing_is_told_with_its_line(workspace_dir: Path, line: str, sentence: str) -> None:
    fill(workspace_dir)
    write(workspace_dir, "domains/shop/kpis.yaml", KPIS)
    key = line.partition(":")[0]
    kept = [one for one in MODEL.splitlines() if not one.startswith(f"{key}:")]
    write(workspace_dir, "domains/shop/churn/model.yaml", "\n".join([*kept, line]))
    (error,) = check_workspace(workspace_dir)
    assert sentence in str(error) and error.line == len(kept) + 1
    load_workspace(workspace_dir)  # stops no other command


def test_what_is_there_may_be_named_and_a_products_file_is_checked_too(workspace_dir: Path) -> None:
    fill(workspace_dir)
    write(workspace_dir, "domains/shop/kpis.yaml", KPIS)
    more = (
        "rollout: {steps: [10%], alarms: [bias, {kpi: shop.returns}]}\n"
        "monitor: {slices: [model_version, {column: score, edges: [0.5]}, {column: amount, edges: [10]}],"
        " bias: {facets: [{column: customer, groups: ['7']}]}, drift_share: 25%,"
        " drift: {columns: {score: {method: psi}}}}"
    )
    text = MODEL.replace("monitor: {window: 2d, drift_share: 0.3}\n", "").replace("[drift]", "[drift, bias]")
    write(workspace_dir, "domains/shop/churn/model.yaml", text + more)
    assert check_workspace(workspace_dir) == []
    assert load_workspace(workspace_dir).model("shop.churn").monitor.drift_share == 0.25
    write(workspace_dir, "domains/shop/orders/monitor.yaml", "window: 1d\nslices: [retuned]\n")
    (error,) = check_workspace(workspace_dir)
    assert "monitor.yaml:2: shop.orders has no column 'retuned'. Did you mean 'returned'?" in str(error)

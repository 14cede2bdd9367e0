"""What the gate asks beside the metric: parts of the rows, groups of people, steadiness."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mesh_catalog.models.compare import ScoreSample, paired_bootstrap
from mesh_catalog.models.gate import check_fairness, check_slices, check_stability, parts_of
from mesh_catalog.specs import FairnessGate, SliceGate, StabilityGate

ROWS = 1200


def sample(seed: int = 0, **extra: Any) -> ScoreSample:
    """A challenger that is better where `channel` is shop, and worse where it is web."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, ROWS).astype(float)
    channel = np.array(["shop", "web"], dtype=object)[rng.integers(0, 2, ROWS)]
    web = channel == "web"
    noise = rng.uniform(size=(2, ROWS))
    good, bad = labels * 0.5 + noise[0] * 0.5, labels * 0.1 + noise[1] * 0.9
    return ScoreSample(
        labels=labels,
        champion=np.where(web, good, bad),
        challenger=np.where(web, bad, good),
        total=ROWS,
        extra={"channel": channel, "hour": rng.uniform(0, 24, ROWS), "at": np.arange(ROWS), **extra},
    )


def test_a_part_in_which_the_challenger_is_surely_worse_is_named_where_it_may_be_shown() -> None:
    gate = SliceGate(by=("channel", "hour"))
    (told,) = check_slices(sample(), gate, metric="roc_auc", shown={"channel"})
    assert told.startswith("worse in channel = web: roc_auc 0.")
    (hidden,) = check_slices(sample(), gate, metric="roc_auc")
    assert "web" not in hidden
    assert check_slices(sample(), SliceGate(by=("channel",), drop=0.9), metric="roc_auc") == ()
    assert check_slices(sample(), SliceGate(by=("channel",), rows=ROWS), metric="roc_auc") == ()


def test_equal_models_are_worse_nowhere() -> None:
    same = sample()
    equal = ScoreSample(labels=same.labels, champion=same.champion, challenger=same.champion, total=1, extra=same.extra)
    assert check_slices(equal, SliceGate(by=("channel", "hour")), metric="roc_auc") == ()
    assert check_stability(equal, StabilityGate(needed=4, of=4), metric="roc_auc", time="at") == ()


def test_numbers_of_many_values_are_cut_into_quarters_and_nulls_belong_to_no_part() -> None:
    values = np.arange(400, dtype=float)
    values[:40] = np.nan
    parts = list(parts_of(values))
    assert [int(mask.sum()) for _, mask in parts] == [90, 90, 90, 90]
    words = np.array(["a", None, "b", "a"], dtype=object)
    assert {name: mask.tolist() for name, mask in parts_of(words)} == {
        "a": [True, False, False, True],
        "b": [False, False, True, False],
    }


@pytest.mark.parametrize(("share", "kept"), [(0.5, True), (0.42, True), (0.38, False), (0.0, False)])
def test_fairness_is_the_ratio_of_the_groups_rates(share: float, kept: bool) -> None:
    group = np.array(["a", "b"], dtype=object).repeat(500)
    called = np.concatenate([np.arange(500) < 250, np.arange(500) < share * 500])
    rows = ScoreSample(
        labels=np.tile([0.0, 1.0], 500),
        champion=np.zeros(1000),
        challenger=np.where(called, 0.9, 0.1),
        total=1000,
        extra={"sex": group},
    )
    unmet = check_fairness(rows, FairnessGate(by="sex"))
    assert (unmet == ()) is kept
    assert all("selection rate differs between 2 groups of sex" in one for one in unmet)
    assert check_fairness(rows, FairnessGate(by="sex", rows=501)) == ()


def test_one_lucky_day_is_not_enough() -> None:
    labels = np.tile([0.0, 1.0], 300)
    lucky = np.arange(600) >= 400
    rng = np.random.default_rng(1)
    champion = np.clip(labels * 0.3 + rng.uniform(size=600) * 0.7, 0, 1)
    challenger = np.where(lucky, labels, np.clip(champion - 0.2 * labels, 0, 1))
    rows = ScoreSample(labels=labels, champion=champion, challenger=challenger, total=600, extra={"at": np.arange(600)})
    (told,) = check_stability(rows, StabilityGate(needed=2, of=3), metric="roc_auc", time="at")
    assert told.startswith("as good in 1 of 3 parts")
    assert check_stability(rows, StabilityGate(needed=1, of=3), metric="roc_auc", time="at") == ()


def test_a_margin_asks_for_more_than_better() -> None:
    rows = sample()
    half = {"metric": "accuracy", "samples": 200}
    plain = paired_bootstrap(rows.labels, rows.champion * 0, rows.labels, **half)  # type: ignore[arg-type]
    assert plain.better_share == 1.0
    far = paired_bootstrap(rows.labels, rows.champion * 0, rows.labels, margin=0.99, **half)  # type: ignore[arg-type]
    assert far.better_share == 0.0

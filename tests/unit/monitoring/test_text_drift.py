"""Text and permutations are decided as Evidently decides them, on the rows in their order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mesh_catalog.lake.profile import ColumnProfile
from mesh_catalog.monitoring.drift import compare_column, compare_sides
from mesh_catalog.monitoring.files import open_file
from mesh_catalog.monitoring.methods import METHODS
from mesh_catalog.monitoring.scores import ScoreError
from mesh_catalog.monitoring.text_drift import score_rows

WORDS = (  # noqa: SIM905
    "card payment late order parcel refund broken happy slow fast lost money account answer week price"
).split()


def texts(seed: int, rows: int, *, apart: bool) -> list[str]:
    """Rows of six words and a number; of half of the words where `apart`."""
    rng = np.random.default_rng(seed)
    words = WORDS[len(WORDS) // 2 :] if apart else WORDS
    return [f"{' '.join(rng.choice(words, 6))} {number}" for number in range(rows)]


def evidently(method: str, reference: list[Any], current: list[Any], threshold: float) -> tuple[float, bool]:
    from evidently.legacy.calculations.stattests.registry import get_registered_stattest
    from evidently.legacy.core import ColumnType

    kind = ColumnType.Categorical if method == "TVD" else ColumnType.Text
    found = get_registered_stattest(method, kind)(pd.Series(reference), pd.Series(current), kind, threshold)
    return float(found.drift_score), bool(found.drifted)


@pytest.mark.parametrize(
    ("method", "rows", "threshold", "apart"),
    [
        ("perc_text_content_drift", 400, 0.95, True),
        ("abs_text_content_drift", 1100, 0.55, False),
        pytest.param("perc_text_content_drift", 400, 0.95, False, marks=pytest.mark.slow),
        pytest.param("abs_text_content_drift", 1100, 0.55, True, marks=pytest.mark.slow),
    ],
)
def test_text_is_evidentlys(method: str, rows: int, threshold: float, *, apart: bool) -> None:
    reference, current = texts(1, rows, apart=False), texts(2, rows - 50, apart=apart)
    found = score_rows(method, reference, current, threshold)
    score, drifted = evidently(method, reference, current, threshold)
    limit = threshold if found.critical_value is None else found.critical_value
    assert found.score == pytest.approx(score, abs=1e-12)
    assert (found.score > limit) == drifted == apart


def test_total_variation_is_evidentlys() -> None:
    rng = np.random.default_rng(0)
    reference, current = rng.integers(0, 2, 60).tolist(), rng.integers(0, 2, 50).tolist()
    assert score_rows("TVD", reference, current, 0.1).score == evidently("TVD", reference, current, 0.1)[0]


def test_a_text_column_of_a_file_is_compared_and_counts_in_the_share(tmp_path: Path) -> None:
    for seed, name in enumerate(("reference", "current")):
        said = [*texts(seed, 500, apart=bool(seed)), None]
        pd.DataFrame({"said": said}).to_parquet(tmp_path / f"{name}.parquet")
    with open_file(tmp_path / "reference.parquet") as one, open_file(tmp_path / "current.parquet") as other:
        result = compare_sides(one, other).result
    (column,) = result.columns
    assert (column.type, column.method) == ("text", METHODS["Percentile text content drift"].name)
    assert column.critical_value is not None
    assert column.score is not None
    assert column.score > column.critical_value
    assert column.drifted
    assert result.share == 1.0


@pytest.mark.parametrize(("reference", "current"), [(["a b"], ["c d"]), (["the", "of"] * 9, ["and", "to"] * 9)])
def test_texts_that_train_no_classifier_have_a_reason(reference: list[str], current: list[str]) -> None:
    with pytest.raises(ScoreError, match="its texts are too few"):
        score_rows("abs_text_content_drift", reference, current, 0.55)


def test_text_without_rows_has_a_reason() -> None:
    profile = ColumnProfile(kind="string", count=5000, null_count=0, values={f"w{n}": 1 for n in range(900)})
    found = compare_column("x", profile, ColumnProfile(kind="string", count=900, null_count=0, values=profile.values))
    assert (found.type, found.reason) == ("text", "abs_text_content_drift needs the rows, which are not at hand")

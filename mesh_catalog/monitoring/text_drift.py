"""The methods that need rows in their order: Evidently's text drift, and its permutation test of total variation.

Text drifts when a classifier tells the current rows from the reference's: as in Evidently 0.7.23, TF-IDF and a linear
model with the same seeds, trained on one half and judged on the other by the area under the ROC curve. Above 1,000
reference rows that area has a fixed threshold; below, it must pass a percentile of what a random classifier reaches.
The import of scikit-learn takes some seconds: import this module late.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline

from mesh_catalog.monitoring.scores import ScoreError

__all__ = ["RowScore", "score_rows"]

_RANDOM_CLASSIFIERS = 1000
_PERMUTATIONS = 1000
_SEED = 42


@dataclass(frozen=True, kw_only=True)
class RowScore:
    score: float
    critical_value: float | None = None
    """What the score is compared with, where that is not the threshold itself."""


def score_rows(method: str, reference: Sequence[Any], current: Sequence[Any], threshold: float) -> RowScore:
    """What the method says of two columns, nulls dropped, in the order of their rows.

    Raises:
        ScoreError: It cannot be applied to them.

    Cost: of text, some seconds for 10,000 rows; of `TVD`, 1,000 shuffles of all rows.
    """
    if method == "TVD":
        return RowScore(score=_total_variation(reference, current))
    texts = [*reference, *current]
    sides = [0] * len(reference) + [1] * len(current)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        area, judged = _domain_area(texts, sides)
        if method == "abs_text_content_drift":
            return RowScore(score=area)
        return RowScore(score=area, critical_value=_random_percentile(judged, threshold))


def _domain_area(texts: list[Any], sides: list[int]) -> tuple[float, list[int]]:
    """Area under the curve of the classifier, and the sides of the rows that it was judged on."""
    classifier = Pipeline(
        [
            ("vectorization", TfidfVectorizer(sublinear_tf=True, max_df=0.5, stop_words="english")),
            (
                "classification",
                SGDClassifier(alpha=0.0001, max_iter=50, penalty="l1", loss="modified_huber", random_state=_SEED),
            ),
        ]
    )
    try:
        learnt, judged, learnt_sides, judged_sides = train_test_split(
            texts, sides, test_size=0.5, random_state=_SEED, shuffle=True
        )
        classifier.fit(learnt, learnt_sides)
        area = float(roc_auc_score(judged_sides, classifier.predict_proba(judged)[:, 1]))
    except ValueError as error:
        raise ScoreError("its texts are too few, or hold no words that tell rows apart") from error
    if not math.isfinite(area):
        raise ScoreError("its texts are too few to judge a classifier by")
    return area, judged_sides


def _random_percentile(sides: Sequence[int], share: float) -> float:
    """The percentile that random classifiers reach on these rows."""
    seeds = np.random.RandomState(_SEED).randint(0, _RANDOM_CLASSIFIERS * 10, size=_RANDOM_CLASSIFIERS)
    areas = [roc_auc_score(sides, np.random.RandomState(seed).rand(len(sides))) for seed in seeds]
    return float(np.percentile(areas, 100 * (1 - (1 - share))))


def _total_variation(reference: Sequence[Any], current: Sequence[Any]) -> float:
    """p-value of the total variation distance, by 1,000 permutations of the rows."""
    values = {value: place for place, value in enumerate(sorted({*reference, *current}))}
    codes = np.array([values[value] for value in (*reference, *current)])
    size, total = len(reference), np.bincount(codes, minlength=len(values))

    def distance(left: NDArray[Any]) -> float:
        right = total - left
        return float(0.5 * np.sum(np.abs(left / left.sum() - right / right.sum())))

    observed = distance(np.bincount(codes[:size], minlength=len(values)))
    order = np.random.RandomState(0)
    drawn = [
        distance(np.bincount(codes[order.permutation(len(codes))[:size]], minlength=len(values)))
        for _ in range(_PERMUTATIONS)
    ]
    return sum(observed <= one for one in drawn) / _PERMUTATIONS

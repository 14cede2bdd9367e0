"""Each of Evidently's named methods gives from counts what Evidently's own function gives from the rows."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mesh_catalog.lake.statistics import Counts
from mesh_catalog.monitoring.methods import METHODS, Method
from mesh_catalog.monitoring.scores import Sample, ScoreError, score_columns
from mesh_catalog.specs import DriftType

Rows = np.ndarray[Any, Any]
Maker = Callable[[np.random.Generator, int, float], Rows]
NUMBERS: dict[str, Maker] = {
    "normal": lambda r, n, s: r.normal(0.2 * s, 1, n),
    "lognormal": lambda r, n, s: np.exp(r.normal(0.2 * s, 1.5, n)),
    "rounded": lambda r, n, s: r.normal(0.2 * s, 1, n).round(1),
    "whole": lambda r, n, s: r.poisson(30 + s, n),
    "wide": lambda r, n, s: r.integers(-(2**40), 2**40 + int(s * 2**37), n),
    "twelve": lambda r, n, s: r.integers(0, 12 + int(s), n),
    "few": lambda r, n, s: r.choice([0.1, 0.2, 0.7], n, p=[0.3, 0.3 + 0.1 * s, 0.4 - 0.1 * s]),
    "half": lambda r, n, s: np.where(r.random(n) < 0.3, 0.0, r.normal(s, 1, n)),
    "constant": lambda r, n, s: np.full(n, 3),
    "apart": lambda r, n, s: np.full(n, 3 + (s > 0)),
    "close": lambda r, n, s: 1e6 + r.integers(0, 3000, n) / 1e6,
}
CATEGORIES: dict[str, Maker] = {
    "words": lambda r, n, s: r.choice(["a", "b", "c"], n, p=[0.4, 0.3 + 0.1 * s, 0.3 - 0.1 * s]).astype(object),
    "two": lambda r, n, s: r.choice(["a", "b"], n, p=[0.4 + 0.1 * s, 0.6 - 0.1 * s]).astype(object),
    "new": lambda r, n, s: r.choice(["a", "b", "c"][: 2 + int(s)], n).astype(object),
    "many": lambda r, n, s: np.array([f"w{number}" for number in r.integers(0, 60 + int(9 * s), n)], dtype=object),
    "flag": lambda r, n, s: r.choice([0, 1], n, p=[0.4 + 0.1 * s, 0.6 - 0.1 * s]),
    "one": lambda r, n, s: np.full(n, "a", dtype=object),
}
SIZES = [(12, 9), (18, 18), (300, 300), (700, 1500), (4000, 4000)]


def _counted(rows: Rows) -> Counts:
    return Counts.of(pd.Series(rows).value_counts().to_dict())


def _evidently(method: Method, reference: Rows, current: Rows, type_: DriftType) -> tuple[float, bool] | None:
    """Evidently's score and decision; None where it raises."""
    from evidently.legacy.calculations.stattests import get_stattest
    from evidently.legacy.core import ColumnType

    kind = ColumnType.Numerical if type_ == "numerical" else ColumnType.Categorical
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            np.random.seed(0)
            test = get_stattest(pd.Series(reference), pd.Series(current), kind, method.key)
            found = test(pd.Series(reference), pd.Series(current), kind, None)
        except ValueError:
            return None
    assert test.display_name == method.name
    assert found.actual_threshold == method.threshold
    return float(found.drift_score), bool(found.drifted)


def _cases(seed: int) -> list[tuple[Method, DriftType, str, Rows, Rows]]:
    rng = np.random.default_rng(seed)
    found: list[tuple[Method, DriftType, str, Rows, Rows]] = []
    for sizes in SIZES:
        for type_, makers in (("numerical", NUMBERS), ("categorical", CATEGORIES)):
            for name, make in makers.items():
                for shift in (0.0, 1.0):
                    reference, current = make(rng, sizes[0], 0.0), make(rng, sizes[1], shift)
                    for method in METHODS.values():
                        if type_ in method.types and not method.ordered:
                            if method.key == "empirical_mmd" and (sum(sizes) > 700 or name not in ("normal", "whole")):
                                continue
                            found.append((method, type_, f"{name}-{sizes}-{shift}", reference, current))
    return found


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow), pytest.param(2, marks=pytest.mark.slow)])
def test_scores_and_decisions_from_counts_are_evidentlys_from_rows(seed: int) -> None:
    seen: dict[str, int] = {}
    for method, type_, name, reference, current in _cases(seed):
        if method.key == "empirical_mmd":  # its permutations follow the order of the rows
            reference, current = np.sort(reference), np.sort(current)
        said = _evidently(method, reference, current, type_)
        whole = reference.dtype.kind == current.dtype.kind == "i"
        sample = Sample(reference=_counted(reference), current=_counted(current), type=type_, whole=whole)
        case = f"{method.key} on {name}"
        if said is None:
            with pytest.raises(ScoreError):
                score_columns(method.key, sample)
            continue
        score = score_columns(method.key, sample)
        assert method.drifted(score) == said[1], (case, score, said)
        expected = 1.0 if math.isnan(said[0]) else said[0]
        rounding = 1e-4 if method.key == "t_test" and name.startswith("close") else 1e-6  # scipy's mean of a million
        assert math.isclose(score, expected, rel_tol=1e-7, abs_tol=rounding), case
        seen[method.key] = seen.get(method.key, 0) + 1
    assert set(seen) == {method.key for method in METHODS.values() if not method.ordered}
    assert min(seen.values()) >= 8
    assert sum(seen.values()) > 1000


@pytest.mark.parametrize(
    ("method", "values", "sentence"),
    [
        ("g_test", ({"a": 3, "b": 4}, {"a": 3, "b": 5}), "as many rows on either side"),
        ("fisher_exact", ({"a": 3, "b": 4}, {"a": 3, "c": 4}), "takes two values"),
        ("anderson", ({1.0: 3}, {1.0: 4}), "takes two values at least"),
        ("es", ({1.0: 30, 2.0: 1}, {1.0: 40}), "half of its values or more are the same"),
        ("psi", (dict.fromkeys(np.linspace(1e16, 1e16 + 50, 26).tolist(), 10**9), {1e16: 3}), "too close together"),
        ("hellinger", ({-1.7e308: 1, 1.7e308: 1}, {0.0: 1}), "too large to compute with"),
    ],
)
def test_what_a_method_cannot_take_has_a_reason(
    method: Any, values: tuple[dict[Any, int], dict[Any, int]], sentence: str
) -> None:
    reference, current = map(Counts.of, values)
    type_: DriftType = "categorical" if method in ("g_test", "fisher_exact") else "numerical"
    with pytest.raises(ScoreError, match=sentence):
        score_columns(method, Sample(reference=reference, current=current, type=type_, whole=False))

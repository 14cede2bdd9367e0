"""The decision from counts and bins is Evidently's, on random columns of every branch and on real files."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pytest

from mesh_catalog.lake.profile import Kind, Profile
from mesh_catalog.lake.statistics import Counts
from mesh_catalog.monitoring.drift import DriftResult, compare_profiles, compare_sides
from mesh_catalog.monitoring.files import open_file, profile_counts


@dataclass(frozen=True)
class Said:
    method: str
    score: float
    threshold: float
    drifted: bool


@dataclass(frozen=True)
class Verdict:
    columns: dict[str, Said]
    share: float
    drifted: bool


def ask_evidently(
    reference: pd.DataFrame,
    current: pd.DataFrame,
    *,
    numerical: list[str] | None = None,
    categorical: list[str] | None = None,
    text: list[str] | None = None,
) -> Verdict:
    """Evidently's default verdict; on the columns and types that it infers itself where none are given."""
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    definition = DataDefinition()
    if numerical is not None or categorical is not None:
        none: list[str] = []
        lists = dict.fromkeys(("datetime_columns", "unknown_columns", "list_columns"), none)
        definition = DataDefinition(
            numerical_columns=numerical or [], categorical_columns=categorical or [], text_columns=text or [], **lists
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        frames = (Dataset.from_pandas(frame, data_definition=definition) for frame in (current, reference))
        found = Report([DataDriftPreset()], include_tests=True).run(*frames).dict()
    tests = {test["metric_config"]["metric_id"]: test["status"].value == "FAIL" for test in found["tests"]}
    whole, *metrics = found["metrics"]
    columns = {
        metric["config"]["column"]: Said(
            method=metric["config"]["method"],
            score=float(metric["value"]),
            threshold=metric["config"]["threshold"],
            drifted=tests[metric["id"]],
        )
        for metric in metrics
    }
    return Verdict(columns=columns, share=whole["value"]["share"], drifted=tests[whole["id"]])


Values = np.ndarray[Any, np.dtype[Any]]
Maker = Callable[[np.random.Generator, int, bool], Values]

SIZES = [(30, 50), (1000, 900), (1001, 300), (3000, 2500), (900, 12_000), (12_000, 11_000), (1500, 1)]


def _some_null(rng: np.random.Generator, values: Values) -> Values:
    found = values.astype(object)
    found[1:][rng.random(len(values) - 1) < 0.15] = None
    return found


def _infinite(rng: np.random.Generator, values: Values) -> Values:
    found = values.copy()
    found[1:][rng.random(len(values) - 1) < 0.05] = np.inf
    found[1:][rng.random(len(values) - 1) < 0.05] = -np.inf
    found[1:][rng.random(len(values) - 1) < 0.05] = np.nan
    found[-1] = np.nan if len(found) > 1 else found[-1]  # without a null, Evidently's dataset verdict keeps infinities
    return found


def _words(rng: np.random.Generator, n: int, words: int, tilt: float) -> Values:
    share = np.linspace(1, 1 + tilt, words)
    return rng.choice(np.array([f"w{i}" for i in range(words)], dtype=object), n, p=share / share.sum())


MAKERS: dict[str, tuple[Kind, Maker]] = {
    "normal": ("float", lambda r, n, s: r.normal(0.1 * s * r.random() * 2, 1, n)),
    "far": ("float", lambda r, n, s: r.normal(1000 + 0.2 * s * r.random(), 1, n)),
    "very_far": ("float", lambda r, n, s: r.normal(1e9 + 0.2 * s * r.random(), 1, n)),
    "lognormal": ("float", lambda r, n, s: np.exp(r.normal(0.1 * s, 1.5, n))),
    "pareto": ("float", lambda r, n, s: r.pareto(1.2 - 0.1 * s, n)),
    "tiny": ("float", lambda r, n, s: r.normal(1e-5 * s, 1e-5, n)),
    "two_floats": ("float", lambda r, n, s: r.choice([0.25, -1.5], n, p=[0.5 - 0.04 * s, 0.5 + 0.04 * s])),
    "five_floats": ("float", lambda r, n, s: r.choice([0.1, 0.2, 0.3, 0.4, 0.5], n)),
    "six_floats": ("float", lambda r, n, s: r.choice(6, n, p=[0.2, 0.2, 0.2, 0.2, 0.1 + 0.1 * s, 0.1 - 0.1 * s]) / 7),
    "constant_float": ("float", lambda r, n, s: np.full(n, 2.5 + 0.05 * s * (r.random() > 0.5))),
    "zero_float": ("float", lambda r, n, s: np.where(r.random(n) < 0.5, 0.0, -0.0)),
    "infinite": ("float", lambda r, n, s: _infinite(r, r.normal(0.1 * s, 1, n))),
    "null_float": ("float", lambda r, n, s: _some_null(r, r.normal(0.05 * s, 1, n))),
    "many_integers": ("integer", lambda r, n, s: r.integers(-5000, 5000 + 800 * s, n)),
    "some_integers": ("integer", lambda r, n, s: r.poisson(20 + 0.5 * s, n)),
    "eleven": ("integer", lambda r, n, s: r.integers(0, 11, n)),
    "ten": ("integer", lambda r, n, s: r.integers(0, 10 - s, n)),
    "three": ("integer", lambda r, n, s: r.choice(3, n, p=[0.3, 0.3 + 0.04 * s, 0.4 - 0.04 * s])),
    "flag": ("integer", lambda r, n, s: (r.random(n) < 0.3 + 0.04 * s).astype(int)),
    "constant": ("integer", lambda r, n, s: np.full(n, 7)),
    "null_integer": ("integer", lambda r, n, s: _some_null(r, r.integers(0, 4 + s, n))),
    "huge_integers": ("integer", lambda r, n, s: r.integers(2**50, 2**50 + 10**6 * (1 + s), n)),
    "truth": ("boolean", lambda r, n, s: r.random(n) < 0.5 + 0.04 * s),
    "null_truth": ("boolean", lambda r, n, s: _some_null(r, r.random(n) < 0.5)),
    "four_words": ("string", lambda r, n, s: _words(r, n, 4, s * r.random())),
    "new_word": ("string", lambda r, n, s: _words(r, n, 3 + s, 0)),
    "thirty_words": ("string", lambda r, n, s: _words(r, n, 30, 0.3 * s)),
    "null_words": ("string", lambda r, n, s: _some_null(r, _words(r, n, 5, 0.2 * s))),
    "one_word": ("string", lambda r, n, s: _words(r, n, 1, 0)),
    "two_words": ("string", lambda r, n, s: _words(r, n, 2, 0.3 * s)),
    "many_words": ("string", lambda r, n, s: _words(r, n, max(2, n // 4), 0.5 * s)),
}


def _clean(values: Values) -> Counts:
    return Counts.of(pd.Series(values).value_counts(dropna=False).to_dict())


def _profile(frame: Mapping[str, Values], kinds: Mapping[str, Kind]) -> Profile:
    columns = {}
    for name, values in frame.items():
        series = pd.Series(values)
        number = pd.to_numeric(series) if kinds[name] == "float" else None
        infinities = int(np.isinf(number).sum()) if number is not None else 0
        columns[name] = profile_counts(
            _clean(values), kind=kinds[name], rows=len(series), nulls=int(series.isna().sum()), infinities=infinities
        )
    return Profile(rows=len(next(iter(frame.values()))), columns=columns)


def _random_frames(seed: int, rows: tuple[int, int]) -> tuple[dict[str, Values], dict[str, Values], dict[str, Kind]]:
    rng = np.random.default_rng(seed)
    reference: dict[str, Values] = {}
    current: dict[str, Values] = {}
    kinds: dict[str, Kind] = {}
    for name, (kind, make) in MAKERS.items():
        for copy in (1,) if max(rows) > 10_000 else (0, 1):  # Evidently takes its time on large frames
            key = f"{name}_{copy}"
            reference[key], current[key] = make(rng, rows[0], False), make(rng, rows[1], copy > 0)
            kinds[key] = kind
    return reference, current, kinds


def _as_pandas(frame: Mapping[str, Values], kinds: Mapping[str, Kind]) -> pd.DataFrame:
    return pd.DataFrame(
        {name: pd.to_numeric(pd.Series(v)) if kinds[name] in ("float", "integer") else v for name, v in frame.items()}
    )


Case = tuple[dict[str, Values], dict[str, Values], dict[str, Kind], Verdict]


@pytest.fixture(scope="module", params=SIZES, ids=lambda size: f"{size[0]}-{size[1]}")
def case(request: pytest.FixtureRequest) -> Case:
    reference, current, kinds = _random_frames(sum(request.param), request.param)
    frames = _as_pandas(reference, kinds), _as_pandas(current, kinds)
    numerical, categorical = [], []
    for name, kind in kinds.items():
        distinct, count = frames[1][name].nunique(), frames[1][name].count()
        if kind == "float" or (kind == "integer" and distinct > 10):
            numerical.append(name)
        elif kind in ("integer", "boolean") or distinct <= count * 0.5:
            categorical.append(name)
    kept = [*numerical, *categorical]
    said = ask_evidently(frames[0][kept], frames[1][kept], numerical=numerical, categorical=categorical)
    return reference, current, kinds, said


def _agrees(result: DriftResult, said: Verdict, *, score_tolerance: float | Literal["verdict"]) -> int:
    """How many columns were compared; fails on the first that differs."""
    found = {column.column: column for column in result.columns if column.reason is None}
    assert set(found) == set(said.columns)
    for name, expected in said.columns.items():
        ours = found[name]
        assert (ours.method, ours.threshold) == (expected.method, expected.threshold), name
        assert ours.drifted == expected.drifted, name
        assert ours.score is not None
        if score_tolerance != "verdict":
            assert math.isclose(ours.score, expected.score, rel_tol=1e-9, abs_tol=score_tolerance), name
    assert result.share == pytest.approx(said.share)
    assert result.drifted == said.drifted
    return len(found)


def test_verdicts_from_exact_counts_equal_evidentlys_on_random_columns(case: Case) -> None:
    reference, current, kinds, said = case
    sides = {"reference": reference, "current": current}
    bare = [_without_bins(_profile(frame, kinds)) for frame in (reference, current)]
    result = compare_profiles(*bare, exact=lambda side, column: _clean(sides[side][column]))
    assert _agrees(result, said, score_tolerance=1e-9) > 20


def test_verdicts_from_bins_equal_evidentlys_on_random_columns_and_ask_only_where_they_must(case: Case) -> None:
    reference, current, kinds, said = case
    asked: set[str] = set()
    sides = {"reference": reference, "current": current}

    def exact(side: str, column: str) -> Counts:
        asked.add(column)
        return _clean(sides[side][column])

    profiles = [_profile(frame, kinds) for frame in (reference, current)]
    result = compare_profiles(*profiles, exact=exact)
    compared = _agrees(result, said, score_tolerance="verdict")
    large = len(next(iter(reference.values()))) > 1000
    assert compared > 20
    assert not {name for name in asked if name.startswith(("some_integers", "ten", "truth", "four_words", "constant"))}
    if large:
        assert not {name for name in asked if name.startswith(("pareto", "lognormal_0"))}


def _without_bins(profile: Profile) -> Profile:
    columns = {name: replace(column, bins=None) for name, column in profile.columns.items()}
    return Profile(rows=profile.rows, columns=columns)


REAL_FILES = [
    "elec2/elec.csv",
    "titanic/titanic_train.csv",
    "titanic/titanic_seaborn.csv",
    "telco-churn/Telco-Customer-Churn.csv",
    "heart-uci/heart_disease_uci.csv",
    "bike-sharing/hour.csv",
    "california-housing/housing.csv",
    "jaffle-shop/raw_orders.csv",
    "beijing-pm25/pollution.csv",
    "phishing-uci/phishing_websites.csv",
    "mimic-vitals-sample/s00001_numerics.csv",
]


def _is_text(column: pd.Series[Any]) -> bool:
    return bool(column.dtype == object and column.nunique() > column.count() * 0.5)


@pytest.mark.parametrize(
    ("name", "stored", "with_text"),
    [(name, ("csv", "parquet")[place % 2], False) for place, name in enumerate(REAL_FILES)]
    + [
        ("titanic/titanic_train.csv", "csv", False),
        ("heart-uci/heart_disease_uci.csv", "parquet", False),
        pytest.param("titanic/titanic_train.csv", "csv", True, marks=pytest.mark.slow),  # its classifiers take seconds
        pytest.param("telco-churn/Telco-Customer-Churn.csv", "csv", True, marks=pytest.mark.slow),
    ],
)
def test_verdicts_on_halves_of_real_files_equal_evidentlys(
    shared: Path, tmp_path: Path, name: str, stored: str, *, with_text: bool
) -> None:
    frame = pd.read_csv(shared / "data" / name)
    half = len(frame) // 2
    halves = [frame.iloc[:half], frame.iloc[half:]]
    paths = [tmp_path / f"{side}.{stored}" for side in ("reference", "current")]
    for part, path in zip(halves, paths, strict=True):
        part.to_csv(path, index=False) if stored == "csv" else part.to_parquet(path, index=False)
    read = [pd.read_csv(path) if stored == "csv" else pd.read_parquet(path) for path in paths]
    with open_file(paths[0]) as reference, open_file(paths[1]) as current:
        names = [column for column in read[1] if with_text or not _is_text(read[1][column])]
        result = compare_sides(reference, current, columns=names).result
    compared = [column for column in result.columns if column.reason is None]
    types = {
        type_: [column.column for column in compared if column.type == type_]
        for type_ in ("numerical", "categorical", "text")
    }
    kept = [name for names in types.values() for name in names]
    parts = [part[kept] for part in read]
    if any(pd.api.types.infer_dtype(parts[1][name]) == "boolean" and parts[1][name].dtype == object for name in kept):
        said = ask_evidently(*parts, **types)  # or it drops booleans with nulls
    else:
        said = ask_evidently(*parts)  # types as Evidently infers them itself
    assert _agrees(result, said, score_tolerance="verdict") == len(compared)

"""Methods and thresholds of one's own hold for their columns, and a correction for many columns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mesh_catalog.documents import read_document
from mesh_catalog.errors import DocumentError, NotFoundError
from mesh_catalog.lake.profile import Profile
from mesh_catalog.lake.statistics import Counts
from mesh_catalog.monitoring.drift import compare_profiles, compare_sides
from mesh_catalog.monitoring.files import open_file, profile_counts
from mesh_catalog.specs import DriftSpec, MethodChoice
from mesh_catalog.workspace.drift_section import DRIFT_KEYS, read_drift
from mesh_catalog.workspace.section import Section


def _spec(tmp_path: Path, text: str) -> DriftSpec:
    path = tmp_path / "model.yaml"
    path.write_text(text)
    return read_drift(Section(read_document(path), ("drift",)).section("drift", DRIFT_KEYS))


def test_a_section_says_methods_for_all_for_a_type_and_for_a_column(tmp_path: Path) -> None:
    found = _spec(
        tmp_path,
        "drift:\n  method: psi\n  threshold: 0.2\n  correction: fdr\n  categorical: {method: chisquare}\n"
        "  columns: {amount: {method: wasserstein, threshold: 0.1}, age: {threshold: 0.3}}\n",
    )
    assert found.correction == "fdr"
    assert found.choice("amount", "numerical") == MethodChoice(method="wasserstein", threshold=0.1)
    assert found.choice("age", "numerical") == MethodChoice(method="psi", threshold=0.3)
    assert found.choice("word", "categorical") == MethodChoice(method="chisquare", threshold=0.2)
    assert _spec(tmp_path, "drift: {}\n") == DriftSpec()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("drift: {method: pis}", "method 'pis' is not known"),
        ("drift: {treshold: 1}", "Did you mean 'threshold'"),
        ("drift: {threshold: -1}", "threshold is -1"),
        ("drift: {threshold: low}", "'threshold' must be a number"),
        ("drift: {columns: {a: {method: 3}}}", "method '3' is not known"),
        ("drift: {columns: [a]}", "must be a mapping"),
        ("drift: {correction: holm}", "correction 'holm' is not known"),
    ],
)
def test_what_a_section_cannot_say_gets_a_sentence_with_its_line(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(DocumentError, match=sentence) as caught:
        _spec(tmp_path, text)
    assert "model.yaml:1" in str(caught.value)


def test_a_named_method_and_threshold_decide_and_the_others_keep_their_defaults(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    frames = [
        pd.DataFrame({"x": rng.normal(0.2 * side, 1, 700), "y": rng.normal(size=700), "w": ["a", "b"] * 350})
        for side in (0, 1)
    ]
    for frame, name in zip(frames, ("reference", "current"), strict=True):
        frame.to_parquet(tmp_path / f"{name}.parquet")
    spec = DriftSpec(
        columns={
            "x": MethodChoice(method="psi", threshold=5.0),
            "w": MethodChoice(method="ks"),
            "y": MethodChoice(threshold=1.0),
        }
    )
    with open_file(tmp_path / "reference.parquet") as one, open_file(tmp_path / "current.parquet") as other:
        result = compare_sides(one, other, spec=spec).result
        found = {column.column: column for column in result.columns}
        assert (found["x"].method, found["x"].threshold, found["x"].drifted) == ("PSI", 5.0, False)
        assert (found["y"].method, found["y"].threshold, found["y"].drifted) == ("K-S p_value", 1.0, True)
        assert found["w"].reason == "ks does not take categorical columns, only numerical"
        assert result.share == 0.5
        with pytest.raises(NotFoundError, match="no column 'z' on either side"):
            compare_sides(one, other, spec=DriftSpec(columns={"z": MethodChoice()}))


def test_the_correction_adjusts_p_values_as_scipy_does_and_leaves_distances_alone(tmp_path: Path) -> None:
    from scipy.stats import false_discovery_control

    rng = np.random.default_rng(1)
    shifts = np.linspace(0, 0.12, 30)
    frames = [
        pd.DataFrame({f"n{number}": rng.normal(side * shift, 1, 900) for number, shift in enumerate(shifts)})
        for side in (0, 1)
    ]
    for frame, name in zip(frames, ("reference", "current"), strict=True):
        frame.to_parquet(tmp_path / f"{name}.parquet")
    spec = DriftSpec(correction="fdr", columns={"n29": MethodChoice(method="psi")})
    with open_file(tmp_path / "reference.parquet") as one, open_file(tmp_path / "current.parquet") as other:
        columns = compare_sides(one, other, spec=spec).result.columns
        plain = compare_sides(one, other).result.columns
    tested = [column for column in columns if column.method == "K-S p_value"]
    expected = false_discovery_control([column.score for column in tested])
    assert [column.adjusted for column in tested] == pytest.approx(expected.tolist())
    assert [column.drifted for column in tested] == [bool(value <= 0.05) for value in expected]
    assert columns[29].adjusted is None
    assert sum(one.drifted for one in tested) < sum(one.drifted for one in plain[:29])


def test_a_method_that_needs_rows_has_a_reason_where_there_are_none() -> None:
    values = {"a": 40, "b": 60}
    profile = Profile(rows=100, columns={"w": profile_counts(Counts.of(values), kind="string", rows=100, nulls=0)})
    (found,) = compare_profiles(profile, profile, spec=DriftSpec(every=MethodChoice(method="TVD"))).columns
    assert found.reason == "TVD needs the rows, which are not at hand"

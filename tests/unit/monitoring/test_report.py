"""The contract with Evidently's inside: its report from our numbers, and the verdict read back from its tests."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mesh_catalog.errors import StorageError
from mesh_catalog.lake.profile import ColumnProfile, Profile
from mesh_catalog.lake.statistics import Counts
from mesh_catalog.monitoring.drift import ColumnDrift, DriftResult, compare_profiles
from mesh_catalog.monitoring.files import profile_counts
from mesh_catalog.monitoring.methods import METHODS
from mesh_catalog.monitoring.report import ReportFiles, read_report, write_report


def _profile(shift: float, *, rows: int = 1500) -> Profile:
    rng = np.random.default_rng(1)
    numbers = dict.fromkeys((rng.normal(size=rows) + shift).tolist(), 1)
    words: dict[Any, int] = {"</script><script>alert(1)</script>": rows // 2, "<b>&": rows - rows // 2}
    columns = {
        "amount": profile_counts(Counts.of(numbers), kind="float", rows=rows, nulls=0),
        "word </script>": profile_counts(Counts.of(words), kind="string", rows=rows, nulls=0),
        "many": profile_counts(Counts.of(dict.fromkeys(range(rows // 5), 5)), kind="integer", rows=rows, nulls=0),
        "constant": profile_counts(Counts.of({3: rows}), kind="integer", rows=rows, nulls=0),
        "e_mail": ColumnProfile(kind="string", count=rows, null_count=0, withheld=True),
    }
    return Profile(rows=rows, columns=columns)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[DriftResult, ReportFiles]:
    reference, current = _profile(0), _profile(0.5)
    result = compare_profiles(reference, current, limit=0.25)
    folder = tmp_path_factory.mktemp("reports")
    return result, write_report(result, reference, current, folder=folder, name="2026-05-01", title="a against <b>")


def test_evidently_is_the_version_whose_decision_was_studied() -> None:
    assert version("evidently") == "0.7.23"


def test_methods_carry_evidentlys_names_and_thresholds() -> None:
    from evidently.legacy.calculations.stattests import registry

    own = {test.name: test for tests in registry._registered_stat_tests.values() for test in tests.values()}
    assert {key: (test.display_name, test.default_threshold) for key, test in own.items()} == {
        method.key: (method.name, method.threshold) for method in METHODS.values()
    }
    short = {"numerical": "num", "categorical": "cat", "text": "text"}
    assert {key: {kind.value for kind in test.allowed_feature_types} for key, test in own.items()} == {
        method.key: {short[type_] for type_ in method.types} for method in METHODS.values()
    }


def test_the_verdict_read_back_from_the_tests_is_the_result(written: tuple[DriftResult, ReportFiles]) -> None:
    result, files = written
    said = read_report(files.json)
    assert (said.drifted, said.share, said.limit) == (True, 0.25, 0.25)
    assert (said.drifted, said.share, said.limit) == (result.drifted, result.share, result.limit)
    assert said.columns == {one.column: one.drifted for one in result.columns if one.reason is None}
    assert said.columns["amount"] is True


ONE_OF_EACH_DIRECTION = {method.drifts_when: method for method in METHODS.values()}


@pytest.mark.parametrize("method", ONE_OF_EACH_DIRECTION.values(), ids=lambda method: method.name)
@pytest.mark.parametrize("offset", [-1e-9, 0.0, 1e-9])
def test_evidentlys_test_draws_the_line_where_the_method_does(tmp_path: Path, method: Any, offset: float) -> None:
    score = method.threshold + offset
    column = ColumnDrift(
        column="x",
        type="numerical",
        method=method.name,
        score=score,
        threshold=method.threshold,
        drifted=method.drifted(score),
    )
    result = DriftResult.of([column], limit=0.5)
    files = write_report(result, Profile(rows=1), Profile(rows=1), folder=tmp_path, name="line")
    assert read_report(files.json).columns == {"x": method.drifted(score)}


def test_every_column_has_a_test_and_one_that_was_not_compared_a_skipped_one(
    written: tuple[DriftResult, ReportFiles],
) -> None:
    result, files = written
    found = json.loads(files.json.read_text())
    assert len(found["tests"]) == len(found["metrics"]) == len(result.columns) + 1
    skipped = [test for test in found["tests"] if test["status"] == "SKIPPED"]
    assert [test["description"] for test in skipped] == ["personal, so its values are in no profile"]


def test_a_page_shows_scores_and_histograms_and_lets_no_value_break_out(
    written: tuple[DriftResult, ReportFiles],
) -> None:
    page = written[1].html.read_text()
    assert "Drift detection method: Wasserstein distance (normed)" in page
    assert "DATA DISTRIBUTION" in page
    assert "Dataset drift is detected" in page
    assert r"\u2039script\u203aalert(1)" in page  # as JSON has it
    assert "alert(1)</script>" not in page
    assert "word </script>" not in page


def test_evidentlys_snapshot_of_the_report_can_be_dumped_and_loaded() -> None:
    from evidently.core.report import Snapshot

    from mesh_catalog.monitoring import evidently_adapter

    result = compare_profiles(_profile(0), _profile(0.5))
    snapshot = evidently_adapter.run_report(result, {}, title=None)
    assert Snapshot.loads(snapshot.dumps()).dict() == snapshot.dict()


@pytest.mark.parametrize("content", ["", "{}", '{"metrics": [], "tests": []}', '{"metrics": 3, "tests": []}'])
def test_a_damaged_report_is_no_verdict(tmp_path: Path, content: str) -> None:
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(StorageError, match="is not a drift report, or a damaged one"):
        read_report(tmp_path / "x.json")

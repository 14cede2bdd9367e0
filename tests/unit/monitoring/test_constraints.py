"""The six checks of SageMaker Model Monitor on profiles, and its three files in and out."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mesh_catalog.contracts.contract import Column, Contract, Rule
from mesh_catalog.errors import InputError, NotFoundError
from mesh_catalog.lake.profile import ColumnProfile, Kind, Profile
from mesh_catalog.lake.statistics import Counts
from mesh_catalog.monitoring.constraints import (
    Constraints,
    FeatureConstraint,
    MonitoringConfig,
    check_constraints,
    distributions,
    suggest_constraints,
)
from mesh_catalog.monitoring.files import profile_counts
from mesh_catalog.monitoring.sagemaker_files import (
    constraints_document,
    contract_constraints,
    read_constraints,
    read_statistics,
    statistics_document,
    violations_document,
)


def column(values: dict[Any, int], kind: Kind, nulls: int = 0) -> ColumnProfile:
    return profile_counts(Counts.of(values), kind=kind, rows=sum(values.values()) + nulls, nulls=nulls)


def profile(shift: float = 0.0, **columns: ColumnProfile) -> Profile:
    numbers = np.random.default_rng(0).normal(5 + shift, 1, 2000).round(3)
    values, counts = np.unique(np.abs(numbers), return_counts=True)
    found = {
        "amount": profile_counts(Counts(values=values, counts=counts), kind="float", rows=2000, nulls=0),
        "items": column({1: 1000, 2: 800, 3: 200}, "integer"),
        "word": column({"a": 1500, "b": 500}, "string"),
        "flag": column({0: 900, 1: 1100}, "boolean"),
        "e_mail": ColumnProfile(kind="string", count=2000, null_count=0, withheld=True),
    }
    return Profile(rows=2000, columns={**found, **columns})


def broken(now: Profile, **config: Any) -> set[tuple[str, str]]:
    base = profile()
    constraints = replace(suggest_constraints(base), config=MonitoringConfig(**config))
    found = check_constraints(constraints, now, baseline=distributions(base))
    return {(one.column, one.check) for one in found}


def test_the_baseline_keeps_its_own_constraints() -> None:
    assert broken(profile()) == set()


def test_each_of_the_checks_finds_its_fault() -> None:
    assert broken(profile(items=column({1.5: 2000}, "float")), compare=False) == {("items", "data_type_check")}
    assert broken(profile(word=column({"a": 1400, "b": 500}, "string", nulls=100))) == {("word", "completeness_check")}
    assert broken(profile(shift=1.0)) == {("amount", "baseline_drift_check")}
    assert broken(profile(word=column({"a": 200, "b": 1800}, "string"))) == {("word", "baseline_drift_check")}
    assert broken(profile(word=column({"a": 1490, "b": 500, "c": 10}, "string"))) == {
        ("word", "categorical_values_check")
    }
    assert broken(profile(more=column({1: 2000}, "integer"))) == {("more", "extra_column_check")}
    assert broken(profile(items=column({-1: 1, 1: 999, 2: 800, 3: 200}, "integer"))) == {
        ("items", "non_negative_check")
    }
    rest = {name: one for name, one in profile().columns.items() if name != "flag"}
    assert broken(Profile(rows=2000, columns=rest)) == {("flag", "missing_column_check")}


def test_thresholds_and_switches_hold() -> None:
    odd = profile(word=column({"a": 1490, "b": 500, "c": 10}, "string"))
    assert broken(odd, domain_share=0.99) == set()
    assert broken(profile(shift=1.0), compare=False) == set()
    assert broken(profile(shift=1.0), drift_limit=0.9) == set()
    assert broken(profile(shift=1.0), evaluate=False) == set()
    assert broken(profile(word=column({"a": 1400, "b": 600}, "string")), categorical_method="ChiSquared") == {
        ("word", "baseline_drift_check")
    }


def test_texts_that_read_as_numbers_count_as_numbers() -> None:
    constraints = Constraints(
        features=(FeatureConstraint(name="n", inferred_type="Integral"),), config=MonitoringConfig(datatype_share=0.9)
    )
    texts = Profile(rows=100, columns={"n": column({"1": 90, "x": 10}, "string")})
    assert check_constraints(constraints, texts) == ()
    (found,) = check_constraints(replace(constraints, config=MonitoringConfig()), texts)
    assert (found.score, found.threshold) == (0.9, 1.0)
    assert "Expected data type: Integral" in found.description


def test_distances_are_deequs() -> None:
    # the cases of Deequ's own KLLDistanceTest
    def distance(left: dict[Any, int], right: dict[Any, int], **config: Any) -> float:
        columns = [column(side, "string" if "a" in left else "integer") for side in (left, right)]
        profiles = [Profile(rows=one.count, columns={"x": one}) for one in columns]
        constraint = FeatureConstraint(name="x", inferred_type="Unknown")
        settings = MonitoringConfig(drift_limit=-1, categorical_limit=-1, **config)
        (found,) = check_constraints(
            Constraints(features=(constraint,), config=settings), profiles[0], baseline=distributions(profiles[1])
        )
        assert found.score is not None
        return found.score

    assert distance({1: 1, 2: 1, 3: 1, 4: 1}, {2: 1, 3: 1, 4: 1, 5: 1}, drift_method="Simple") == 0.25
    assert distance({1: 1, 2: 1, 3: 1, 4: 1}, {2: 1, 3: 1, 4: 1, 5: 1}, drift_method="Robust") == 0.0
    words = {"a": 10, "b": 20, "c": 25, "d": 10, "e": 5}
    other = {"a": 11, "b": 20, "c": 25, "d": 10, "e": 10}
    assert distance(words, other, drift_method="Simple") == pytest.approx(0.06015037593984962)
    new = {"f": 11, "a": 20, "c": 25, "d": 10, "e": 10}
    assert distance(words, new, drift_method="Simple") == pytest.approx(0.2857142857142857)


def test_personal_columns_have_no_value_in_any_file() -> None:
    found = json.dumps([statistics_document(profile()), constraints_document(suggest_constraints(profile()))])
    assert "e_mail" in found
    statistics = next(one for one in statistics_document(profile())["features"] if one["name"] == "e_mail")
    assert statistics["string_statistics"] == {"common": {"num_present": 2000, "num_missing": 0}}


def test_files_that_were_written_read_back_and_find_the_same(tmp_path: Path) -> None:
    constraints = suggest_constraints(profile())
    (tmp_path / "constraints.json").write_text(json.dumps(constraints_document(constraints)))
    (tmp_path / "statistics.json").write_text(json.dumps(statistics_document(profile())))
    assert read_constraints(tmp_path / "constraints.json") == constraints
    baseline = read_statistics(tmp_path / "statistics.json")
    assert check_constraints(constraints, profile(), baseline={**baseline, "amount": baseline["items"]}) != ()
    found = check_constraints(constraints, profile(shift=1.5), baseline=baseline)
    assert {(one.column, one.check) for one in found} == {("amount", "baseline_drift_check")}
    assert list(violations_document(found)["violations"][0]) == [
        "feature_name",
        "constraint_check_type",
        "description",
    ]


def test_a_sketch_counts_an_item_of_level_n_as_two_to_the_n(tmp_path: Path) -> None:
    sketch = {"parameters": {"c": 0.64, "k": 2048.0}, "data": [[1.0, 2.0], [1.0]]}
    feature = {
        "name": "x",
        "inferred_type": "Fractional",
        "numerical_statistics": {"distribution": {"kll": {"buckets": [], "sketch": sketch}}},
    }
    (tmp_path / "statistics.json").write_text(json.dumps({"version": 0, "features": [feature]}))
    counts = read_statistics(tmp_path / "statistics.json")["x"]
    assert dict(zip(counts.values.tolist(), counts.counts.tolist(), strict=True)) == {1.0: 3, 2.0: 1}


OWN: dict[str, Any] = {
    "version": 0,
    "features": [
        {
            "name": "amount",
            "inferred_type": "Fractional",
            "completeness": 0.9,
            "num_constraints": {"is_non_negative": True},
            "monitoringConfigOverrides": {"distribution_constraints": {"comparison_threshold": 0.5}},
        },
        {"name": "word", "inferred_type": "String", "string_constraints": {"domains": ["a"]}},
    ],
    "monitoring_config": {
        "domain_content_threshold": 0.7,
        "distribution_constraints": {"comparison_method": "Simple", "comparison_threshold": 0.2},
    },
}


def test_a_teams_own_constraints_are_read_with_their_overrides(tmp_path: Path) -> None:
    path = tmp_path / "constraints.json"
    path.write_text(json.dumps(OWN))
    found = read_constraints(path)
    amount, word = found.features
    assert (found.config.drift_limit, found.config.drift_method, found.config.domain_share) == (0.2, "Simple", 0.7)
    assert amount.config is not None
    assert (amount.config.drift_limit, amount.config.drift_method, amount.completeness) == (0.5, "Simple", 0.9)
    assert (word.domain, word.completeness, word.config) == (("a",), None, None)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"features": [{"name": "x", "inferred_type": "Number"}]}, r"features\.0\.inferred_type"),
        ({"features": [{"inferred_type": "String"}]}, r"features\.0\.name"),
        ({"features": [{**OWN["features"][0], "completeness": 7}]}, r"features\.0\.completeness"),
        ({"features": [{**OWN["features"][0], "monitoringConfigOverrides": {"evaluate_constraints": 3}}]}, "amount"),
        ({"features": 3}, "features: Input should be a valid list"),
    ],
)
def test_constraints_that_break_the_schema_get_a_sentence_with_the_place(
    tmp_path: Path, change: dict[str, Any], sentence: str
) -> None:
    path = tmp_path / "constraints.json"
    path.write_text(json.dumps({**OWN, **change}))
    with pytest.raises(InputError, match=sentence):
        read_constraints(path)


def test_no_json_and_no_file_get_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "constraints.json").write_text("{")
    with pytest.raises(InputError, match="is not JSON"):
        read_constraints(tmp_path / "constraints.json")
    with pytest.raises(NotFoundError, match="there is no such file"):
        read_statistics(tmp_path / "statistics.json")


def test_a_contract_says_more_than_the_rows_do() -> None:
    contract = Contract(
        id="shop.orders",
        version="1.0.0",
        status="active",
        columns=(
            Column(name="items", logical_type="integer", spark_type="bigint", required=True),
            Column(name="word", logical_type="string", spark_type="string"),
        ),
        rules=(Rule(id="word.valid", kind="valid_values", column="word", argument=("a", "b", "c")),),
    )
    loose = profile(items=column({1: 1900}, "integer", nulls=100))
    found = {feature.name: feature for feature in contract_constraints(loose, contract).features}
    assert found["items"].completeness == 1.0
    assert found["word"].domain == ("a", "b", "c")
    assert contract_constraints(loose, None) == suggest_constraints(loose)

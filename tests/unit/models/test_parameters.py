"""The closed set of parameters and the types a feature may have."""

from __future__ import annotations

from typing import Any

import pytest

from mesh_catalog.errors import InputError
from mesh_catalog.models.algorithms import PARAMETERS, check_parameters, feature_kind


def test_allowed_parameters_come_back_in_their_types() -> None:
    found = check_parameters("xgboost", {"max_depth": 6.0, "learning_rate": 1, "subsample": 0.5})
    assert found == {"max_depth": 6, "learning_rate": 1.0, "subsample": 0.5}
    assert isinstance(found["max_depth"], int)


@pytest.mark.parametrize(
    ("algorithm", "parameters", "message"),
    [
        ("xgboost", {"max_dept": 6}, "'max_dept' is not a parameter. Did you mean 'max_depth'"),
        ("xgboost", {"max_depth": 6.5}, "a whole number from 1 to 32"),
        ("xgboost", {"max_depth": True}, "a whole number from 1 to 32"),
        ("xgboost", {"learning_rate": 0}, "a number from 1e-06 to 1"),
        ("xgboost", {"learning_rate": float("nan")}, "a number from"),
        ("xgboost", {"n_estimators": "many"}, "n_estimators is 'many'"),
        ("logistic_regression", {"max_depth": 6}, "'max_depth' is not a parameter"),
        ("forest", {}, "algorithm 'forest' is not known"),
    ],
)
def test_anything_else_is_an_input_error_with_the_range(
    algorithm: str, parameters: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        check_parameters(algorithm, parameters)


@pytest.mark.parametrize("algorithm", PARAMETERS)
def test_infinite_values_are_outside_every_range(algorithm: str) -> None:
    for name in PARAMETERS[algorithm]:
        with pytest.raises(InputError, match="must be"):
            check_parameters(algorithm, {name: float("inf")})


def test_types_decide_how_a_feature_is_learned_from() -> None:
    assert {feature_kind("x", kind) for kind in ("boolean", "bigint", "decimal(18,2)", "float")} == {"number"}
    assert {feature_kind("x", kind) for kind in ("string", "varchar(3)")} == {"category"}


@pytest.mark.parametrize("kind", ["timestamp", "date", "timestamp_ntz"])
def test_a_time_is_no_feature_and_the_message_says_what_to_do(kind: str) -> None:
    with pytest.raises(InputError, match=f"feature 'seen' is a {kind}.*Take the hour"):
        feature_kind("seen", kind)


def test_nested_types_are_no_features() -> None:
    with pytest.raises(InputError, match=r"feature 'x' is array<string>. Allowed: numbers"):
        feature_kind("x", "array<string>")

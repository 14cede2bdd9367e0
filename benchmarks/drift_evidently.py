"""What Evidently says of two frames, by its `DataDriftPreset`: the reference that ours is held against."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

__all__ = ["Said", "ask_of_all"]


@dataclass(frozen=True, kw_only=True)
class Said:
    method: str
    score: float
    drifted: bool


def _ask(reference: pd.DataFrame, current: pd.DataFrame, types: dict[str, str]) -> dict[str, Said]:
    """Evidently's default verdict on columns of these types."""
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    lists = {
        f"{type_}_columns": [name for name, found in types.items() if found == type_]
        for type_ in ("numerical", "categorical", "text", "datetime", "unknown", "list")
    }
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        frames = [Dataset.from_pandas(one[list(types)], DataDefinition(**lists)) for one in (current, reference)]
        found = Report([DataDriftPreset()], include_tests=True).run(*frames).dict()
    failed = {test["metric_config"]["metric_id"]: test["status"].value == "FAIL" for test in found["tests"]}
    return {
        metric["config"]["column"]: Said(
            method=metric["config"]["method"], score=float(metric["value"]), drifted=failed[metric["id"]]
        )
        for metric in found["metrics"]
        if "column" in metric["config"]
    }


def _types(reference: pd.DataFrame, current: pd.DataFrame) -> dict[str, str]:
    """The type that Evidently infers of each column that it compares; booleans with nulls, which it drops, too."""
    from evidently.core.datasets import infer_column_type

    names = {"num": "numerical", "cat": "categorical", "text": "text"}
    found: dict[str, str] = {}
    for name in current:
        clean = [_cleaned(side[name]) for side in (reference, current)]
        if not all(map(len, clean)) or {one.dtype.kind == "O" for one in clean} == {True, False}:
            continue  # its whole report would fail
        if pd.api.types.infer_dtype(clean[1]) == "boolean":
            found[str(name)] = "categorical"
        elif (type_ := names.get(infer_column_type(current[name]).value)) is not None:
            found[str(name)] = type_
    return found


def _cleaned(column: pd.Series[Any]) -> pd.Series[Any]:
    return column.replace([-np.inf, np.inf], np.nan).dropna()


def ask_of_all(reference: pd.DataFrame, current: pd.DataFrame) -> dict[str, Said]:
    """Its verdict on every column that it can compare."""
    types = _types(reference, current)
    said: dict[str, Said] = {}
    for name, type_ in list(types.items()):
        if type_ == "text":  # by itself: where its texts are too few, Evidently's whole report fails
            del types[name]
            try:
                said |= _ask(reference, current, {name: type_})
            except ValueError:
                continue
    return said | (_ask(reference, current, types) if types else {})

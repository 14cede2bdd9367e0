"""The jars that Spark lacks: fetched once, whole or not at all, and linked by exact name.

Spark's resolver is stood in for by a script, since it is another program, and the network is not the test's.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from mesh_catalog.errors import StorageError
from mesh_catalog.lake.jars import cache_folder, fetch_jars, jars_are_linked, link_jars

DELTA = "io.delta_delta-spark_4.2_2.13-4.4.0.jar"
LINEAGE = "io.openlineage_openlineage-spark_2.13-1.53.0.jar"
DRIVER = "org.postgresql_postgresql-42.7.14.jar"
STORAGE = "io.delta_delta-storage-4.4.0.jar"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Spark without our jars, whose resolver fetches them all."""
    home = tmp_path / "spark"
    (home / "bin").mkdir(parents=True)
    (home / "jars").mkdir()
    monkeypatch.setenv("SPARK_HOME", str(home))
    monkeypatch.setenv("MESH_CACHE", str(tmp_path / "cache"))
    resolver(
        home, *(f'mkdir -p "$ivy/jars"; echo {name} > "$ivy/jars/{name}"' for name in (DELTA, LINEAGE, DRIVER, STORAGE))
    )
    return home


def resolver(home: Path, *lines: str) -> None:
    finds_ivy = 'for word in "$@"; do case "$word" in spark.jars.ivy=*) ivy="${word#spark.jars.ivy=}";; esac; done'
    count = f'echo run >> "{home}/runs"'
    script = home / "bin" / "spark-submit"
    script.write_text("\n".join(["#!/bin/sh", finds_ivy, count, *lines]) + "\n")
    script.chmod(0o755)


def runs(home: Path) -> int:
    return (home / "runs").read_text().count("run")


def test_jars_are_fetched_once_and_the_main_ones_come_last(home: Path) -> None:
    assert [jar.name for jar in fetch_jars()] == [STORAGE, DELTA, LINEAGE, DRIVER]
    assert fetch_jars() == fetch_jars()
    assert runs(home) == 1


def test_a_jar_that_spark_has_itself_is_not_kept(home: Path) -> None:
    resolver(
        home,
        *(
            f'mkdir -p "$ivy/jars"; echo x > "$ivy/jars/{name}"'
            for name in (DELTA, LINEAGE, DRIVER, "org.slf4j_slf4j-api-2.0.13.jar")
        ),
    )
    assert [jar.name for jar in fetch_jars()] == [DELTA, LINEAGE, DRIVER]


def test_a_failed_download_is_one_sentence_and_leaves_nothing(home: Path) -> None:
    resolver(home, f'mkdir -p "$ivy/jars"; echo x > "$ivy/jars/{DELTA}"; echo "[unresolved dependency: x]" >&2; exit 1')
    with pytest.raises(
        StorageError, match=r"could not be fetched \(\[unresolved dependency: x\]\)\. Check the network"
    ):
        fetch_jars()
    assert list(cache_folder().iterdir()) == []


def test_a_half_fetched_cache_is_fetched_anew(home: Path) -> None:
    resolver(home, f'mkdir -p "$ivy/jars"; echo x > "$ivy/jars/{DELTA}"')
    with pytest.raises(StorageError, match=r"openlineage-spark_2\.13:1\.53\.0: was not found"):
        fetch_jars()
    resolver(home, *(f'mkdir -p "$ivy/jars"; echo x > "$ivy/jars/{name}"' for name in (DELTA, LINEAGE, DRIVER)))
    assert [jar.name for jar in fetch_jars()] == [DELTA, LINEAGE, DRIVER]


def test_linking_puts_them_into_spark_and_takes_old_versions_out(home: Path) -> None:
    (home / "jars" / "io.delta_delta-spark_4.1_2.13-4.2.0.jar").write_text("old")
    (home / "jars" / "jts-core-1.20.0.jar").write_text("Spark's own")
    assert not jars_are_linked(home)
    link_jars(home)
    assert jars_are_linked(home)
    assert {jar.name for jar in (home / "jars").iterdir()} == {DELTA, LINEAGE, DRIVER, STORAGE, "jts-core-1.20.0.jar"}


def test_linking_again_changes_nothing_and_outlives_the_cache(home: Path) -> None:
    link_jars(home)
    before = (home / "jars" / DELTA).stat()
    link_jars(home)
    assert (home / "jars" / DELTA).stat().st_mtime_ns == before.st_mtime_ns
    for jar in fetch_jars():
        jar.unlink()
    assert (home / "jars" / DELTA).read_text() == f"{DELTA}\n"


def test_a_half_linked_spark_is_not_taken_for_whole(home: Path) -> None:
    (home / "jars" / STORAGE).write_text("x")
    (home / "jars" / DELTA).write_text("x")
    assert not jars_are_linked(home)

"""The class archive that set-up made is taken by Spark's JVM; one that does not fit is passed over in silence."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from mesh_catalog.lake.archive import archive_options, archive_path
from mesh_catalog.lake.jars import spark_home
from tests.e2e.cluster import job_environment

SUBMIT = "org.apache.spark.deploy.SparkSubmit"


def start_jvm(options: str, folder: Path, **environment: str) -> tuple[str, bool]:
    """What spark-submit prints with these options, and whether its JVM took Spark from the archive."""
    loaded = folder / "loaded.txt"
    done = subprocess.run(
        [str(spark_home() / "bin" / "spark-submit"), "--version"],
        env=job_environment(SPARK_SUBMIT_OPTS=f'{options} "-Xlog:class+load=info:file={loaded}"', **environment),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    line = next(line for line in loaded.read_text().splitlines() if f" {SUBMIT} source" in line)
    return done.stdout + done.stderr, "shared objects file" in line


@pytest.fixture
def options() -> str:
    if archive_path() is None:
        pytest.skip("there is no class archive here; make one: python -m mesh_catalog.lake.jars")
    return archive_options()


def test_the_jvm_takes_spark_from_the_archive_and_says_nothing_of_it(options: str, tmp_path: Path) -> None:
    plain, shared = start_jvm("", tmp_path)
    assert not shared
    said, shared = start_jvm(options, tmp_path)
    assert shared
    assert said == plain


@pytest.mark.parametrize("fault", ["no such file", "not an archive", "a folder with files on the class path"])
def test_an_archive_that_does_not_fit_is_passed_over_in_silence(options: str, tmp_path: Path, fault: str) -> None:
    plain, _ = start_jvm("", tmp_path)
    environment = {}
    if fault == "a folder with files on the class path":
        conf = tmp_path / "conf"
        conf.mkdir()
        (conf / "spark-defaults.conf").write_text("spark.ui.enabled false\n")
        environment["SPARK_CONF_DIR"] = str(conf)
    else:
        other = tmp_path / "other.jsa"
        if fault == "not an archive":
            other.write_text("archive")
        options = options.replace(str(archive_path()), str(other))
    said, shared = start_jvm(options, tmp_path, **environment)
    assert not shared
    assert said == plain

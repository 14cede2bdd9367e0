"""The class archive that set-up made is taken by Spark's JVM; one that does not fit is passed over in silence."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest

from mesh_catalog.lake.archive import archive_options, archive_path
from mesh_catalog.lake.jars import spark_home
from mesh_catalog.lake.java import require_java

SUBMIT = "org.apache.spark.deploy.SparkSubmit"


def start_jvm(options: str, folder: Path, *, conf: Path | None = None) -> tuple[str, bool]:
    """What the JVM of spark-submit prints with these options, and whether it took Spark from the archive."""
    home = spark_home()
    loaded = folder / "loaded.txt"
    command = [str(require_java() / "bin" / "java"), *shlex.split(options), f"-Xlog:class+load=info:file={loaded}"]
    command += ["-cp", f"{conf or home / 'conf'}/:{home / 'jars'}/*", SUBMIT, "--version"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
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
    conf = None
    if fault == "a folder with files on the class path":
        conf = tmp_path / "conf"
        conf.mkdir()
        (conf / "spark-defaults.conf").write_text("spark.ui.enabled false\n")
    else:
        other = tmp_path / "other.jsa"
        if fault == "not an archive":
            other.write_text("archive")
        options = options.replace(str(archive_path()), str(other))
    said, shared = start_jvm(options, tmp_path, conf=conf)
    assert not shared
    assert said == plain

"""The jars that Spark lacks: fetched once by Spark's own resolver, then kept by exact name.

Delta, OpenLineage, and PostgreSQL's driver (BSD-2, 1 MB) for sources of format jdbc.

`python -m mesh_catalog.lake.jars` links them into this environment's pyspark, so that `spark-submit` and standalone
workers started from it have them, and makes the class archive. Where nobody did that, `open_session` hands their paths
to the driver. With `--s3` it links Hadoop's client of S3 as well: 690 MB that only a lake in an object store needs.

A fetch goes into a new folder that gets its name only when it is whole: what an interrupted one left is never used.
Knows nothing of a Spark session; imports no pyspark.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mesh_catalog.errors import MeshError, StorageError
from mesh_catalog.lake.java import require_java

__all__ = ["PACKAGES", "JarSet", "cache_folder", "fetch_jars", "jars_are_linked", "link_jars", "s3_jars", "spark_home"]

PACKAGES = (
    "io.delta:delta-spark_4.2_2.13:4.4.0",
    "io.openlineage:openlineage-spark_2.13:1.53.0",
    "org.postgresql:postgresql:42.7.14",
)


@dataclass(frozen=True, kw_only=True)
class JarSet:
    """Packages that are fetched and linked together."""

    packages: tuple[str, ...]
    """group:artifact:version of what is asked for."""
    groups: tuple[str, ...]
    """What is kept of all that the resolver brings, by how its file name begins."""
    excluded: tuple[str, ...]
    """What those packages ask for and Spark has: left out, since a second version on the class path breaks it."""


_LAKE = JarSet(
    packages=PACKAGES,
    groups=("io.delta", "io.openlineage", "io.unitycatalog", "org.postgresql"),
    excluded=(
        "com.fasterxml.jackson*:*",
        "com.github.luben:*",
        "com.google.code.findbugs:*",
        "commons-*:*",
        "io.airlift:*",
        "javax.annotation:*",
        "org.apache.*:*",
        "org.locationtech.jts:*",
        "org.roaringbitmap:*",
        "org.slf4j:*",
        "org.xerial.snappy:*",
    ),
)
_FETCH_SECONDS = 900


def spark_home() -> Path:
    """Spark's folder: SPARK_HOME, else this environment's pyspark.

    Raises:
        StorageError: Neither is there.
    """
    if given := os.environ.get("SPARK_HOME"):
        return Path(given)
    spec = importlib.util.find_spec("pyspark")
    if spec is None or spec.origin is None:
        raise StorageError("pyspark: is not installed here. Install it: pip install mesh-catalog")
    return Path(spec.origin).parent


def cache_folder() -> Path:
    """Where downloads are kept: MESH_CACHE, else `mesh-catalog` in the user's cache folder."""
    if given := os.environ.get("MESH_CACHE"):
        return Path(given).absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mesh-catalog"


def s3_jars(home: Path) -> JarSet:
    """Hadoop's client of S3, in the version of the Hadoop that this Spark holds.

    Raises:
        StorageError: The folder holds no Hadoop.
    """
    for jar in (home / "jars").glob("hadoop-client-api-*.jar"):
        version = jar.stem.removeprefix("hadoop-client-api-")
        return JarSet(
            packages=(f"org.apache.hadoop:hadoop-aws:{version}",),
            groups=("org.apache.hadoop_hadoop-aws", "software.amazon."),
            excluded=("org.apache.hadoop:hadoop-client*", "org.slf4j:*", "org.wildfly.openssl:*"),
        )
    raise StorageError(f"{home}: holds no Hadoop, so that its client of S3 cannot be chosen. Name Spark by SPARK_HOME.")


def jars_are_linked(home: Path) -> bool:
    """Whether Spark's own jars folder holds ours. They are linked last, so the others are there too."""
    return all((home / "jars" / _file_name(package)).exists() for package in PACKAGES)


def link_jars(home: Path, jars: JarSet = _LAKE) -> None:
    """Put the jars into Spark's folder, and take out those of other versions.

    Raises:
        StorageError: They cannot be fetched, or the folder cannot be written.
    """
    wanted = fetch_jars(jars)
    folder = home / "jars"
    names = {jar.name for jar in wanted}
    try:
        for old in folder.glob("*.jar"):
            if old.name.startswith(jars.groups) and (old.name not in names or not old.exists()):
                old.unlink()
        for jar in wanted:
            _link(jar, folder / jar.name)
    except OSError as error:
        raise StorageError(f"{folder}: cannot be written: {error.strerror}. Use an environment of your own.") from error


def _link(jar: Path, place: Path) -> None:
    """A hard link where the file system can, so that removing the cache leaves the environment whole."""
    if place.exists() and place.stat().st_size == jar.stat().st_size:
        return
    temporary = place.with_suffix(f".{os.getpid()}")
    temporary.unlink(missing_ok=True)
    try:
        os.link(jar, temporary)
    except OSError:
        shutil.copyfile(jar, temporary)
    os.replace(temporary, place)


def fetch_jars(jars: JarSet = _LAKE) -> list[Path]:
    """The jars in the cache, fetched on first use; those of `packages` last.

    Raises:
        StorageError: The download failed.
    """
    digest = hashlib.sha256(" ".join((*jars.packages, *jars.excluded)).encode()).hexdigest()[:12]
    folder = cache_folder() / f"jars-{digest}"
    if not folder.is_dir():
        _fetch(jars, folder)
    last = {_file_name(package) for package in jars.packages}
    return sorted(folder.glob("*.jar"), key=lambda jar: (jar.name in last, jar.name))


def _fetch(jars: JarSet, folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".fetch-") as ivy:
        _resolve(jars, Path(ivy))
        fetched = Path(ivy) / "jars"
        missing = [package for package in jars.packages if not (fetched / _file_name(package)).exists()]
        if missing:
            raise StorageError(f"{missing[0]}: was not found by Spark's resolver. Check the network and try again.")
        for jar in fetched.glob("*.jar"):
            if not jar.name.startswith(jars.groups):
                jar.unlink()
        try:
            os.rename(fetched, folder)
        except OSError:
            if not folder.is_dir():  # else another process was first
                raise


def _resolve(jars: JarSet, ivy: Path) -> None:
    """Let spark-submit resolve the packages into `ivy` by running an empty program."""
    program = ivy / "nothing.py"
    program.write_text("")
    # A home of its own: a Maven cache that holds poms without jars makes the resolver fail.
    command = [str(spark_home() / "bin" / "spark-submit"), "--master", "local[1]", "--packages"]
    command += [
        ",".join(jars.packages),
        "--exclude-packages",
        ",".join(jars.excluded),
        "--conf",
        f"spark.jars.ivy={ivy}",
    ]
    command += ["--driver-java-options", f"-Duser.home={ivy}", str(program)]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYSPARK_")}
    environment |= {"JAVA_HOME": str(require_java()), "PYSPARK_PYTHON": sys.executable, "SPARK_HOME": str(spark_home())}
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=_FETCH_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise StorageError(
            f"{jars.packages[0]}: the download took over {_FETCH_SECONDS // 60} minutes. Try again."
        ) from error
    if done.returncode:
        said = [
            line.strip() for line in done.stderr.splitlines() if "unresolved dependency" in line or "Exception" in line
        ]
        raise StorageError(
            f"{jars.packages[0]}: could not be fetched ({said[-1][:160] if said else 'no reason given'}). "
            "Check the network and try again."
        )


def _file_name(package: str) -> str:
    group, artifact, version = package.split(":")
    return f"{group}_{artifact}-{version}.jar"


def main(arguments: Sequence[str]) -> str | None:
    """Link the jars into this environment's Spark and make the class archive; what went wrong is returned."""
    from mesh_catalog.lake.archive import make_archive  # late: it imports this module

    try:
        link_jars(spark_home())
        if "--s3" in arguments:
            link_jars(spark_home(), s3_jars(spark_home()))
        if not make_archive():
            sys.stderr.write("the class archive could not be made: Spark will start as slowly as it does by itself\n")
    except MeshError as error:
        return str(error)
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

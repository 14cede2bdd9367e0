"""The class archive: Spark's and Delta's classes as the JVM keeps them in memory, which makes its start much shorter.

Set-up publishes a small product and lets the JVM write down the classes that this took (class-data sharing; some 200 MB
in the cache folder). An archive holds for one Java and one folder of jars, and is made anew when either changes. A JVM
that it does not fit starts without it and without a word.

The JVM refuses an archive where a folder that holds files is on its class path, and Spark puts its `conf` there: with a
spark-defaults.conf in it the start is as long as before. Give spark-submit such a file with --properties-file.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from mesh_catalog.errors import MeshError
from mesh_catalog.lake.jars import cache_folder, jars_are_linked, spark_home
from mesh_catalog.lake.java import require_java

__all__ = ["archive_options", "archive_path", "make_archive"]

_QUIET = "-Xlog:cds*=off"
_SECONDS = 600
_CONTRACT = """
apiVersion: v3.2.0
kind: DataContract
id: shop.orders
version: 1.0.0
status: active
schema:
  - name: orders
    physicalType: table
    properties:
      - {name: order_id, logicalType: integer, required: true, unique: true, primaryKey: true}
      - {name: ordered_at, logicalType: timestamp, required: true}
      - {name: state, logicalType: string}
      - {name: amount, logicalType: number, logicalTypeOptions: {minimum: 0}}
customProperties:
  - {property: eventTime, value: ordered_at}
  - {property: writeMode, value: append}
"""
_SOURCE = """
path: landing/*.csv
format: csv
options: {header: "true"}
columns: {order_id: bigint, ordered_at: timestamp, state: string, amount: double}
"""


def archive_path() -> Path | None:
    """The archive of this Java and these jars; None where there is none, or none that is whole.

    Its size stands in its name: a JVM crashes on an archive that was cut off.

    Raises:
        StorageError: There is no Spark.
        SettingsError: There is no usable Java.
    """
    found = cache_folder().glob(f"{_stem(require_java(), spark_home() / 'jars')}-*.jsa")
    return next((path for path in found if path.stem.endswith(f"-{path.stat().st_size}")), None)


def archive_options() -> str:
    """What a JVM is started with to use the archive; nothing where there is none."""
    path = archive_path()
    return "" if path is None else f'"-XX:SharedArchiveFile={path}" {_QUIET}'


def _stem(java: Path, jars: Path) -> str:
    """How the archive's name begins: this Spark, then its jars and the Java."""
    release = java / "release"
    parts = [str(java), release.read_text(errors="replace") if release.exists() else ""]
    for jar in sorted(jars.glob("*.jar")):
        stat = jar.stat()
        parts.append(f"{jar.name} {stat.st_size} {stat.st_mtime_ns}")
    place = hashlib.sha256(str(jars).encode()).hexdigest()[:8]
    return f"classes-{place}-{hashlib.sha256(chr(10).join(parts).encode()).hexdigest()[:12]}"


def make_archive() -> bool:
    """Make the archive where it is missing, and drop what this Spark had with another Java or other jars.

    Returns:
        Whether there is one now. Without, Spark works as well and starts later.
    """
    cache, kept, java = cache_folder(), archive_path(), require_java()
    stem = _stem(java, spark_home() / "jars")
    for old in cache.glob(f"{stem.rpartition('-')[0]}-*.jsa"):
        if old != kept:
            old.unlink(missing_ok=True)
    if kept or not jars_are_linked(spark_home()):
        return kept is not None
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix=".classes-") as folder:
        made = Path(folder) / "classes.jsa"
        given = {key: value for key, value in os.environ.items() if not key.startswith(("MESH_", "PYSPARK_"))}
        record = [sys.executable, "-m", "mesh_catalog.lake.archive", folder]
        tried = [str(java / "bin" / "java"), f"-XX:SharedArchiveFile={made}", _QUIET, "-version"]
        try:
            environment = {**given, "MESH_CACHE": str(cache)}
            subprocess.run(record, env=environment, capture_output=True, timeout=_SECONDS, check=True)
            subprocess.run(tried, capture_output=True, timeout=_SECONDS, check=True)
            os.replace(made, cache / f"{stem}-{made.stat().st_size}.jsa")
        except (OSError, subprocess.SubprocessError):
            return False
    return True


def _record(folder: Path) -> None:
    """Publish two batches in a workspace in `folder`, in a JVM that writes down its classes when it ends."""
    from pyspark import SparkContext

    from mesh_catalog.access.mesh import open_mesh
    from mesh_catalog.catalog.assets import sync_workspace
    from mesh_catalog.lake.publish import publish_product
    from mesh_catalog.lake.session import close_session, open_session
    from mesh_catalog.settings import load_settings

    options = f'"-XX:ArchiveClassesAtExit={folder / "classes.jsa"}" {_QUIET}'
    files = {
        "conf/local.yaml": f"spark: {{master: 'local[2]', conf: {{spark.driver.extraJavaOptions: '{options}'}}}}",
        "domains/shop/domain.yaml": "name: shop\nowner: shop@example.org\n",
        "domains/shop/orders/contract.yaml": _CONTRACT,
        "domains/shop/orders/source.yaml": _SOURCE,
        "domains/shop/orders/build.sql": "select * from source where amount is not null order by order_id\n",
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (folder / "landing").mkdir()
    with open_mesh(load_settings(workspace=folder)) as mesh:
        sync_workspace(mesh.catalog, mesh.workspace)
        spark = open_session(mesh.settings, app_name="class archive")
        for number in (1, 2):
            row = f"{number},2026-01-0{number} 10:00:00,open,1.5"
            (folder / "landing" / f"{number}.csv").write_text(f"order_id,ordered_at,state,amount\n{row}\n")
            publish_product(spark, mesh, mesh.workspace.product("shop.orders"))
        spark.read.format("delta").load(f"{mesh.settings.lake}/shop/orders").count()
    jvm = SparkContext._gateway.proc  # type: ignore[union-attr]
    close_session()
    jvm.stdin.close()  # the JVM ends with it
    jvm.wait()


if __name__ == "__main__":
    if sys.argv[1:] == ["--options"]:
        try:
            sys.stdout.write(f"{archive_options()}\n")
        except MeshError as error:
            sys.exit(str(error))
    else:
        _record(Path(sys.argv[1]))

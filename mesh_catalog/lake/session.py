"""The one builder of Spark sessions: Delta, UTC, OpenLineage, quiet logs, a bounded driver.

Later wins: what is set here, `spark.conf` of the workspace's settings, what spark-submit was given. Owns no table and
no path but the lineage file's. Spark's own logs are set up so that they hold no values of rows (log4j2.properties).
"""

from __future__ import annotations

import atexit
import logging
import os
import sys
import threading
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from py4j.java_gateway import JavaGateway
from py4j.protocol import Py4JError, Py4JJavaError
from pyspark import SparkConf, SparkContext
from pyspark.errors import PySparkRuntimeError
from pyspark.java_gateway import launch_gateway
from pyspark.logger import PySparkLogger
from pyspark.sql import SparkSession

from mesh_catalog.errors import SettingsError, StorageError
from mesh_catalog.lake.archive import archive_options
from mesh_catalog.lake.jars import PACKAGES, cache_folder, fetch_jars, jars_are_linked, spark_home
from mesh_catalog.lake.java import require_java
from mesh_catalog.lake.storage import is_s3, storage_conf
from mesh_catalog.lake.workload import LITTLE_COMPILED

if TYPE_CHECKING:
    from mesh_catalog.settings import Settings

__all__ = ["close_session", "log_configuration", "open_session", "openlineage_file", "own_session"]

logger = logging.getLogger(__name__)

_GIB = 1024**3
_DRAIN_SECONDS = 60
_DELTA_EXTENSION = "io.delta.sql.DeltaSparkSessionExtension"
_LISTENER = "io.openlineage.spark.agent.OpenLineageSparkListener"
_LOCATION = "spark.openlineage.transport.location"
_DRIVER_OPTIONS = "spark.driver.extraJavaOptions"
_EXECUTOR_OPTIONS = "spark.executor.extraJavaOptions"
_RUNTIME = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.adaptive.enabled": "true",
    # Pruned columns are not parsed, so that a broken row would be seen by one query and missed by the next.
    "spark.sql.csv.parser.columnPruning.enabled": "false",
    # Spark 4.2.0 hangs where a Python UDF reads a Parquet or Delta table column-wise, its default.
    "spark.sql.execution.arrow.pythonUDF.columnarInput.enabled": "false",
    # Files come in cp949, windows-1252 and others of Java's; without, Spark knows seven encodings.
    "spark.sql.legacy.javaCharsets": "true",
    # VACUUM lists folders by Spark jobs; one job a folder takes ten times as long.
    "spark.sql.sources.parallelPartitionDiscovery.parallelism": "8",
}
_RUNTIME_LOCAL = {
    "spark.sql.shuffle.partitions": "4",
    "spark.databricks.delta.snapshotPartitions": "2",
}


def open_session(settings: Settings, *, app_name: str, small: bool = False) -> SparkSession:
    """Open the session, or bring the one that runs already to these settings.

    Under spark-submit its master, deploy settings and `--conf` go before the workspace's.

    Args:
        small: Little will be read (`workload.is_small`), so that a JVM of ours need not learn to be fast.

    Raises:
        SettingsError: No usable Java, or Spark was started without Delta.
        StorageError: Spark does not start, or its jars cannot be fetched.
    """
    for name in ("SQLQueryContextLogger", "DataFrameQueryContextLogger"):
        PySparkLogger.getLogger(name).disabled = True  # prints every failed query's message, values of rows in it
    if SparkContext._active_spark_context is not None:
        return _adopted(SparkSession.builder.getOrCreate(), settings)
    if is_s3(settings.lake):
        _require_s3(settings)
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    conf = _submitted_conf(settings, app_name) if _under_submit() else _own_conf(settings, app_name, small=small)
    try:
        # The context by itself: a session builder's options would go before what spark-submit was given.
        SparkContext(conf=conf, gateway=None if SparkContext._gateway else _launch(conf))
        _quiet_jvm()  # not earlier: under spark-submit the context's first log line sets up Spark's own configuration
        atexit.register(close_session)
        return SparkSession.builder.getOrCreate()
    except PySparkRuntimeError as error:
        raise StorageError(
            f"Spark does not start ({error.getCondition()}). Try: {_spark_submit()} --version"
        ) from error
    except Py4JJavaError as error:  # a master that does not answer stops the context, sooner or later
        raise StorageError(
            f"Spark does not start on {conf.get('spark.master')} ({error.java_exception.getClass().getSimpleName()}). "
            "Check that the master runs, and spark.conf in conf/."
        ) from error


def own_session(spark: SparkSession, settings: Settings) -> SparkSession:
    """A session for one thread, in the same context: its settings and views are seen by no other thread."""
    return _adopted(spark.newSession(), settings)


def close_session() -> None:
    """Stop the running session, if any, once its listeners have done what they were given; their events go with it.

    The OpenLineage listener runs Spark jobs of its own; a context that is stopped under one of them hangs for good.
    """
    context = SparkContext._active_spark_context
    if context is None:
        return
    try:
        context._jsc.sc().listenerBus().waitUntilEmpty(_DRAIN_SECONDS * 1000)
    except Py4JError:
        logger.warning(
            "Spark's listeners are not done after %s s; the lineage of the last write may be missing", _DRAIN_SECONDS
        )
    events = Path(context.getConf().get(_LOCATION) or "")
    context.stop()
    if events.name.startswith(_own_events()):
        events.unlink(missing_ok=True)


def openlineage_file(spark: SparkSession) -> Path:
    """Where the session's OpenLineage listener writes its events, one JSON a line.

    Raises:
        SettingsError: The session has no such listener.
    """
    location = spark.sparkContext.getConf().get(_LOCATION)
    if location is None:
        raise SettingsError("Spark: the running session has no OpenLineage listener. Stop it first: spark.stop()")
    return Path(location)


def log_configuration() -> Path:
    """The log4j2 file that keeps values of rows out of Spark's logs; driver and executors use it."""
    return Path(__file__).with_name("log4j2.properties")


def _require_s3(settings: Settings) -> None:
    """Hadoop's client of S3 is not in pip's Spark: say so before anything starts."""
    given = any("hadoop-aws" in settings.spark_conf.get(key, "") for key in ("spark.jars", "spark.jars.packages"))
    if not (given or _under_submit() or any((spark_home() / "jars").glob("*hadoop-aws-*.jar"))):
        fetch = f"{sys.executable} -m mesh_catalog.lake.jars --s3"
        raise SettingsError(f"{settings.lake}: Spark has no client of S3 here. Fetch it once: {fetch}")


def _under_submit() -> bool:
    """Whether spark-submit started this process, so that the JVM runs already."""
    return "PYSPARK_GATEWAY_PORT" in os.environ


def _own_conf(settings: Settings, app_name: str, *, small: bool) -> SparkConf:
    require_java()
    master = settings.spark_master or "local[*]"
    values = _defaults(settings, app_name, master) | {"spark.driver.memory": _driver_memory()}
    values |= settings.spark_conf
    values["spark.master"] = master
    options = [archive_options(), LITTLE_COMPILED if small and master.startswith("local") else ""]
    values[_DRIVER_OPTIONS] = " ".join(filter(None, [*options, values.get(_DRIVER_OPTIONS)]))  # the last one holds
    if not jars_are_linked(spark_home()):
        jars = [str(jar) for jar in fetch_jars()]
        values["spark.jars"] = ",".join([*jars, *filter(None, [values.get("spark.jars")])])
    return _with_values(SparkConf(), values)


def _launch(conf: SparkConf) -> JavaGateway | None:
    """Start the JVM with its stderr passed on, but for a warning that every start of Spark prints."""
    if _under_submit():
        return None
    reader, writer = os.pipe()
    threading.Thread(target=_pass_on, args=(reader,), name="spark-stderr", daemon=True).start()
    try:
        return launch_gateway(conf, popen_kwargs={"stderr": writer})  # type: ignore[no-untyped-call]
    finally:
        os.close(writer)


def _pass_on(reader: int) -> None:
    with open(reader, "rb") as lines:
        for line in lines:
            if not line.startswith(b"WARNING: Using incubator modules"):
                os.write(2, line)


def _submitted_conf(settings: Settings, app_name: str) -> SparkConf:
    SparkContext._ensure_initialized()  # only now does SparkConf know what spark-submit was given
    conf = SparkConf()
    given = dict(conf.getAll())
    given.pop("spark.app.name", None)  # the script's file name
    loader = SparkContext._jvm.java.lang.Thread.currentThread().getContextClassLoader()  # type: ignore[union-attr]
    for name in (_DELTA_EXTENSION, _LISTENER):
        if loader.getResource(f"{name.replace('.', '/')}.class") is None:
            raise SettingsError(
                f"spark-submit: {name} is not on the class path. Link the jars once: "
                f"{sys.executable} -m mesh_catalog.lake.jars, or add --packages {','.join(PACKAGES)}"
            )
    return _with_values(conf, {**_defaults(settings, app_name, given["spark.master"]), **settings.spark_conf, **given})


def _with_values(conf: SparkConf, values: Mapping[str, str]) -> SparkConf:
    options = f"-Dlog4j2.configurationFile={log_configuration().as_uri()} -Duser.timezone=UTC"
    # An executor whose machine has no such archive starts without it.
    given = {_DRIVER_OPTIONS: options, _EXECUTOR_OPTIONS: f"{options} {archive_options()}"}
    for key, text in given.items():
        values = {**values, key: f"{text} {values.get(key, '')}".strip()}
    for key, value in values.items():
        conf.set(key, value)
    return conf


def _defaults(settings: Settings, app_name: str, master: str) -> dict[str, str]:
    events = settings.state / "openlineage" / f"{_own_events()}{uuid.uuid4().hex[:8]}.ndjson"
    events.parent.mkdir(parents=True, exist_ok=True)
    values = (
        _RUNTIME
        | {
            "spark.app.name": app_name,
            "spark.sql.extensions": _DELTA_EXTENSION,
            "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
            "spark.sql.warehouse.dir": (settings.state / "warehouse").as_uri(),
            "spark.ui.showConsoleProgress": "false",
            "spark.jars.ivy": str(cache_folder() / "ivy"),
            "spark.executorEnv.TZ": "UTC",
            "spark.extraListeners": _LISTENER,
            "spark.openlineage.transport.type": "file",
            _LOCATION: str(events),
            "spark.openlineage.namespace": "mesh-catalog",
        }
        | storage_conf(settings.storage)
    )
    if master.startswith("local"):
        values |= _RUNTIME_LOCAL | {
            "spark.ui.enabled": "false",
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
        }
    return values


def _own_events() -> str:
    """How the name of this process's file of events begins, where the workspace's settings name no other."""
    return f"{os.getpid()}-"


def _driver_memory() -> str:
    """A quarter of the machine's memory, or of the container's, between 1 and 8 GiB."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        limit = int(Path("/sys/fs/cgroup/memory.max").read_text())
    except (OSError, ValueError):
        limit = total
    return f"{max(1, min(8, min(total, limit) // 4 // _GIB))}g"


def _spark_submit() -> Path:
    return spark_home() / "bin" / "spark-submit"


def _quiet_jvm() -> None:
    """Give the running JVM our log configuration where it was started without it."""
    jvm = SparkContext._jvm
    assert jvm is not None
    ours = log_configuration().as_uri()
    if jvm.java.lang.System.getProperty("log4j2.configurationFile") != ours:
        jvm.org.apache.logging.log4j.core.config.Configurator.reconfigure(jvm.java.net.URI(ours))


def _adopted(spark: SparkSession, settings: Settings) -> SparkSession:
    """The running session with everything set that can be set while it runs."""
    context = spark.sparkContext
    if _DELTA_EXTENSION not in (context.getConf().get("spark.sql.extensions") or ""):
        raise SettingsError("Spark: the running session was started without Delta. Stop it first: spark.stop()")
    _quiet_jvm()
    if _under_submit():
        return spark  # it has them, and what spark-submit was given goes first
    local = _RUNTIME_LOCAL if (context.master or "").startswith("local") else {}
    values = {**_RUNTIME, **local, **settings.spark_conf}
    for key, value in values.items():
        if key.startswith("spark.databricks.") or (key.startswith("spark.sql.") and spark.conf.isModifiable(key)):
            spark.conf.set(key, value)
    return spark

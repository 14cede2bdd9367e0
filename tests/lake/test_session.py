"""The session: Delta, UTC, lineage events, and no value of a row in what Spark prints."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pyspark.sql.functions import udf

from mesh_catalog.lake.session import open_session, openlineage_file
from mesh_catalog.settings import Settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ROOT = Path(__file__).resolve().parents[2]
VALUE = "ada-48213"

PROGRAM = f"""
import sys
from pathlib import Path
from mesh_catalog.lake.session import close_session, open_session, openlineage_file
from mesh_catalog.settings import load_settings
from pyspark.sql.functions import udf

spark = open_session(load_settings(), app_name="leaks")
place = sys.argv[1]
spark.sql(f"create table delta.`{{place}}/checked` (name string) using delta")
spark.sql(f"alter table delta.`{{place}}/checked` add constraint short check (length(name) < 3)")
frame = spark.createDataFrame([("{VALUE}",)], "name string")
frame.write.format("delta").save(f"{{place}}/table")
frame = spark.read.format("delta").load(f"{{place}}/table")

@udf("int")
def fails(name):
    raise ValueError("no number: " + name)

attempts = [
    lambda: frame.selectExpr("cast(name as int)").collect(),
    lambda: frame.selectExpr("cast(name as int)").write.format("delta").save(f"{{place}}/other"),
    lambda: frame.write.format("delta").mode("append").save(f"{{place}}/checked"),
    lambda: frame.select(fails("name")).write.mode("overwrite").parquet(f"{{place}}/parquet"),
    lambda: frame.selectExpr("assert_true(name = 'x', name)").collect(),
]
failed = 0
for attempt in attempts:
    try:
        attempt()
    except Exception as error:
        failed += "{VALUE}" in str(error)
events = openlineage_file(spark)
spark._jsc.sc().listenerBus().waitUntilEmpty()
told = events.read_text()
close_session()
print("FAILED", failed, "of", len(attempts), "with the value in the exception")
print("EVENTS", "{VALUE}" in told, events.exists())
"""


def environment(workspace: Path) -> dict[str, str]:
    return {
        **os.environ,
        "MESH_WORKSPACE": str(workspace),
        "PYTHONPATH": str(ROOT),
        "PYSPARK_PYTHON": sys.executable,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "SPARK_LOCAL_IP": "127.0.0.1",
    }


@pytest.fixture
def leaking(workspace_dir: Path) -> Path:
    (workspace_dir / "conf" / "local.yaml").write_text("spark: {master: 'local[2]', conf: {spark.driver.memory: 1g}}\n")
    program = workspace_dir / "leaks.py"
    program.write_text(PROGRAM)
    return program


@pytest.mark.parametrize("launcher", ["python", pytest.param("spark-submit", marks=pytest.mark.slow)])
def test_a_value_that_breaks_a_job_is_in_nothing_that_spark_prints(
    leaking: Path, workspace_dir: Path, tmp_path: Path, launcher: str
) -> None:
    program = sys.executable if launcher == "python" else str(Path(sys.executable).with_name("spark-submit"))
    done = subprocess.run(
        [program, str(leaking), str(tmp_path)],
        capture_output=True,
        text=True,
        env=environment(workspace_dir),
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "FAILED 5 of 5" in done.stdout
    assert "EVENTS False False" in done.stdout
    assert VALUE not in done.stdout + done.stderr
    if launcher == "python":
        assert done.stderr == ""


def test_the_session_speaks_delta_in_utc(spark: SparkSession, tmp_path: Path) -> None:
    place = str(tmp_path / "table")
    spark.sql("select timestamp '2026-06-01 12:00:00' as at").write.format("delta").save(place)
    row = spark.read.format("delta").load(place).selectExpr("unix_seconds(at) as at").first()
    assert row is not None
    assert row["at"] == 1780315200
    assert spark.conf.get("spark.sql.session.timeZone") == "UTC"
    assert spark.conf.get("spark.sql.ansi.enabled") == "true"


def test_a_python_function_reads_a_delta_table(spark: SparkSession, tmp_path: Path) -> None:
    place = str(tmp_path / "names")
    spark.range(3).selectExpr("concat('n', id) as name").write.format("delta").save(place)
    frame = spark.read.format("delta").load(place)
    assert {row[0] for row in frame.select(udf(len, "int")("name")).collect()} == {2}


def test_lineage_events_are_in_the_sessions_file(spark: SparkSession, tmp_path: Path) -> None:
    place = str(tmp_path / "observed")
    spark.range(3).write.format("delta").save(place)
    spark._jsc.sc().listenerBus().waitUntilEmpty()
    assert place in openlineage_file(spark).read_text()


def test_a_running_session_takes_on_what_can_be_set_while_it_runs(spark: SparkSession, tmp_path: Path) -> None:
    settings = Settings(
        workspace=tmp_path,
        state=tmp_path,
        lake=str(tmp_path),
        catalog_url="",
        mlflow_uri="",
        spark_conf={"spark.sql.shuffle.partitions": "3", "spark.driver.memory": "9g"},
    )
    assert open_session(settings, app_name="again").conf.get("spark.sql.shuffle.partitions") == "3"
    spark.conf.set("spark.sql.shuffle.partitions", "4")


def test_a_job_under_spark_submit_gives_back_its_exit_code(workspace_dir: Path) -> None:
    done = subprocess.run(
        [str(Path(sys.executable).with_name("spark-submit")), str(ROOT / "jobs" / "publish.py"), "payments.nothing"],
        capture_output=True,
        text=True,
        env=environment(workspace_dir),
        timeout=120,
        check=False,
    )
    assert done.returncode == 4
    said = done.stdout + done.stderr  # spark-submit passes both on by stdout
    assert "payments.nothing" in said
    assert "Traceback" not in said


def test_a_lake_in_s3_without_its_client_is_said_before_spark_starts(workspace_dir: Path) -> None:
    program = (
        "from mesh_catalog.errors import SettingsError\n"
        "from mesh_catalog.lake.session import open_session\n"
        "from mesh_catalog.settings import load_settings\n"
        "try:\n    open_session(load_settings(), app_name='s3')\n"
        "except SettingsError as error:\n    print(error)\n"
    )
    home = workspace_dir / "spark"
    (home / "jars").mkdir(parents=True)
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env={**environment(workspace_dir), "MESH_LAKE": "s3a://bucket/lake", "SPARK_HOME": str(home)},
        timeout=120,
        check=False,
    )
    assert "s3a://bucket/lake: Spark has no client of S3 here. Fetch it once:" in done.stdout

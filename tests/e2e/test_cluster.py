"""A session on a real standalone cluster, by spark-submit: Delta, both workers, quiet executors, clear errors."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.cluster import ROOT, Cluster, job_environment, spark_submit
from tests.e2e.test_lost_worker import write_shop

VALUE = "ada-48213"
PROGRAM = f"""
import json, sys
from mesh_catalog.lake.session import close_session, open_session
from mesh_catalog.settings import load_settings

spark = open_session(load_settings(), app_name="smoke")
place = sys.argv[1]
spark.range(0, 1000, 1, 4).selectExpr("id", "concat('{VALUE}-', id) as name").write.format("delta").save(place)
more = spark.range(1000, 1500, 1, 4).selectExpr("id", "cast(id as string) as name")
more.write.format("delta").mode("append").save(place)
frame = spark.read.format("delta").load(place)
try:
    frame.selectExpr("sum(cast(name as int))").collect()
    failed = False
except Exception as error:
    failed = "{VALUE}" in str(error)
answer = {{
    "rows": frame.count(),
    "failed": failed,
    "master": spark.sparkContext.master,
    "executors": spark.sparkContext._jsc.sc().getExecutorMemoryStatus().size() - 1,
    "given": spark.conf.get("spark.sql.shuffle.partitions"),
    "app": spark.sparkContext.appName,
    "workers": sorted(set(spark.sparkContext.parallelize(range(8), 8).map(lambda _: sys.executable).collect())),
}}
close_session()
print("ANSWER", json.dumps(answer))
"""


def write_program(workspace: Path) -> Path:
    # The file's master and its partitions are not what spark-submit says, which goes first.
    conf = "spark: {master: 'local[1]', conf: {spark.sql.shuffle.partitions: 3}}\n"
    (workspace / "conf" / "local.yaml").write_text(conf)
    program = workspace / "smoke.py"
    program.write_text(PROGRAM)
    return program


def test_spark_submit_runs_delta_on_both_workers_and_leaks_no_value(
    cluster: Cluster, workspace_dir: Path, tmp_path: Path
) -> None:
    done = spark_submit(
        write_program(workspace_dir),
        str(tmp_path / "table"),
        master=cluster.url,
        conf={"spark.sql.shuffle.partitions": "5", "spark.executor.memory": "1g"},
        environment={"MESH_WORKSPACE": str(workspace_dir)},
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout.split("ANSWER ")[1])
    assert answer["rows"] == 1500
    assert answer["failed"]
    assert answer["master"] == cluster.url
    assert answer["executors"] == 2
    assert answer["given"] == "5"
    assert answer["app"] == "smoke"
    assert VALUE not in done.stdout + done.stderr + cluster.executor_output()


@pytest.mark.slow
@pytest.mark.parametrize("told", ["by the file", "by --master"])
def test_a_command_runs_on_the_cluster_that_conf_or_a_flag_names(
    cluster: Cluster, workspace_dir: Path, told: str
) -> None:
    conf = (
        (ROOT / "conf" / "cluster.yaml").read_text().replace("spark.executor.memory: 2g", "spark.executor.memory: 1g")
    )
    master = "spark://localhost:7077"
    assert master in conf
    (workspace_dir / "conf" / "cluster.yaml").write_text(
        conf.replace(master, cluster.url if told == "by the file" else "spark://127.0.0.1:1")
    )
    write_shop(workspace_dir)
    flag = [] if told == "by the file" else ["--master", cluster.url]
    done = subprocess.run(
        [sys.executable, "-c", "from mesh_catalog.cli.main import main; main()", "publish", "--json", *flag],
        cwd=workspace_dir,
        env=job_environment(MESH_CONF="cluster"),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert [told["outcome"] for told in json.loads(done.stdout)] == ["published"]
    assert (workspace_dir / ".mesh" / "lake" / "shop" / "orders" / "_delta_log").is_dir()


@pytest.mark.slow  # Spark tries for a minute
def test_a_master_that_does_not_answer_is_one_sentence(workspace_dir: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    done = spark_submit(
        write_program(workspace_dir),
        str(tmp_path / "table"),
        master=f"spark://127.0.0.1:{port}",
        environment={"MESH_WORKSPACE": str(workspace_dir)},
    )
    assert done.returncode == 1
    said = done.stdout + done.stderr  # spark-submit passes both on by stdout
    assert f"StorageError: Spark does not start on spark://127.0.0.1:{port}" in said

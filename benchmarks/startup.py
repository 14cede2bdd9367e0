"""From nothing to the first answer: plain pyspark with Delta beside this package's session.

    python -m benchmarks.startup --json

Each run is a whole process: import, session, the first Delta write, an append, a count, stop. Plain is what Delta's
quick start says (`spark.jars.packages`, no other setting), in a Spark without our jars, its packages downloaded before.
Ours is `open_session` after `make setup`, as `mesh publish` opens it
for inputs this small (`lake/workload.py`). They take turns, so that a noisy machine is noisy for both.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from mesh_catalog.lake.archive import archive_options
from mesh_catalog.lake.jars import spark_home
from mesh_catalog.lake.java import require_java

REPOSITORY = Path(__file__).resolve().parent.parent
BAR = 0.5
LINKED = ("io.delta_", "io.openlineage_", "io.unitycatalog_", "org.apache.hadoop_hadoop-aws", "software.amazon.")

JOB = """
spark.range(1000).selectExpr("id", "cast(id as string) as name").write.format("delta").save(place)
more = spark.range(1000, 2000).selectExpr("id", "cast(id as string) as name")
more.write.format("delta").mode("append").save(place)
assert spark.read.format("delta").load(place).count() == 2000
"""
PLAIN = f"""
import sys
from delta import configure_spark_with_delta_pip
from pyspark.sql import SparkSession
place = sys.argv[1] + "/table"
builder = (
    SparkSession.builder.master("local[2]")
    .config("spark.driver.memory", "2g")
    .config("spark.jars.ivy", sys.argv[2])
    .config("spark.sql.extensions", "io.delta.sql.DeltaSparkSessionExtension")
    .config("spark.sql.catalog.spark_catalog", "org.apache.spark.sql.delta.catalog.DeltaCatalog")
)
spark = configure_spark_with_delta_pip(builder).getOrCreate()
{JOB}
spark.stop()
"""
OURS = f"""
import sys
from pathlib import Path
from mesh_catalog.lake.session import close_session, open_session
from mesh_catalog.settings import load_settings
place = sys.argv[1] + "/table"
spark = open_session(load_settings(workspace=Path(sys.argv[1]), environment={{}}), app_name="startup", small=True)
{JOB}
close_session()
"""


def plain_spark(folder: Path) -> Path:
    """This environment's Spark as pip installs it: all of it, but for the jars that set-up linked."""
    (folder / "jars").mkdir(parents=True)
    for source in (path for path in spark_home().iterdir() if path.name != "jars"):
        (folder / source.name).symlink_to(source)
    for jar in (spark_home() / "jars").glob("*.jar"):
        if not jar.name.startswith(LINKED):
            (folder / "jars" / jar.name).symlink_to(jar)
    return folder


def seconds(program: str, folder: Path, ivy: Path, home: Path) -> float:
    """One run in a new process, in an empty workspace."""
    with tempfile.TemporaryDirectory(dir=folder) as name:
        (Path(name) / "conf").mkdir()
        (Path(name) / "domains").mkdir()
        conf = "spark: {master: 'local[2]', conf: {spark.driver.memory: 2g}}\n"
        (Path(name) / "conf" / "local.yaml").write_text(conf)
        environment = {**os.environ, "SPARK_HOME": str(home), "JAVA_HOME": str(require_java())}
        environment |= {"PYSPARK_PYTHON": sys.executable, "PYTHONPATH": str(REPOSITORY)}
        started = time.monotonic()
        command = [sys.executable, "-c", program, name, str(ivy)]
        subprocess.run(command, env=environment, check=True, capture_output=True, timeout=600)
        return time.monotonic() - started


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--runs", type=int, default=5, help="of each kind, taking turns")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder, ivy = Path(name), Path(name) / "ivy"
        kinds = {"plain": (PLAIN, plain_spark(folder / "spark")), "ours": (OURS, spark_home())}
        seconds(PLAIN, folder, ivy, kinds["plain"][1])  # downloads
        runs: dict[str, list[float]] = {kind: [] for kind in kinds}
        for _ in range(options.runs):
            for kind, (program, home) in kinds.items():
                runs[kind].append(round(seconds(program, folder, ivy, home), 2))
                print(f"{kind} {runs[kind][-1]} s", file=sys.stderr, flush=True)
    medians = {kind: statistics.median(values) for kind, values in runs.items()}
    ratio = round(medians["ours"] / medians["plain"], 3)
    figures = {"runs": runs, "medians": medians, "ratio": ratio, "archive": bool(archive_options())}
    figures["holds"] = ratio <= BAR
    if options.json:
        print(json.dumps(figures, indent=2))
        return 0
    for kind, values in runs.items():
        print(f"{kind:6} median {medians[kind]:6.2f} s   runs {'  '.join(f'{value:.2f}' for value in values)}")
    print(f"ours / plain {ratio:.2f}, bar {BAR}: {'holds' if figures['holds'] else 'does not hold'}")
    if not figures["archive"]:
        print("without the class archive: make it with  python -m mesh_catalog.lake.jars", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())

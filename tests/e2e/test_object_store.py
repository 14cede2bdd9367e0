"""A lake in an object store, by settings alone: the command line against a server that speaks S3, on loopback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from pyarrow import fs

from mesh_catalog.access.mesh import open_mesh
from mesh_catalog.catalog.runs import read_versions
from mesh_catalog.lake.jars import link_jars, s3_jars, spark_home
from mesh_catalog.lake.storage import filesystem_of
from mesh_catalog.settings import load_settings
from tests.conftest import REPOSITORY, SHORT_JOBS
from tests.e2e.cluster import free_ports
from tests.environments import tool_environment

pytestmark = pytest.mark.slow

MOTO = ("moto[server]==5.2.5",)
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test-only"}  # pragma: allowlist secret
HEADER = "order_id,ordered_at,state,amount\n"


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the server, with an empty bucket named `bucket`."""
    program = tool_environment("moto", MOTO) / "moto_server"
    (port,) = free_ports(1)
    address = f"http://127.0.0.1:{port}"
    with (tmp_path_factory.mktemp("moto") / "log").open("wb") as log:
        process = subprocess.Popen([program, "-H", "127.0.0.1", "-p", str(port)], stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(urllib.request.Request(f"{address}/bucket", method="PUT"), timeout=5)
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.2)
        yield address
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(scope="session")
def spark_with_s3(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This environment's Spark with Hadoop's client of S3 linked into it; the environment itself stays as it is."""
    home = tmp_path_factory.mktemp("spark")
    (home / "jars").mkdir()
    for source in (path for path in spark_home().iterdir() if path.name != "jars"):
        (home / source.name).symlink_to(source)
    for jar in (spark_home() / "jars").glob("*.jar"):
        (home / "jars" / jar.name).symlink_to(jar)
    link_jars(home, s3_jars(home))
    return home


class Shop:
    """A workspace whose lake is in the bucket, worked on by commands."""

    def __init__(self, root: Path, environment: Mapping[str, str]) -> None:
        self.root = root
        self.environment = environment

    def mesh(self, *arguments: str, code: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, "-c", "from mesh_catalog.cli.main import main; main()", *arguments],
            cwd=self.root,
            env={**os.environ, **self.environment, "PYTHONPATH": str(REPOSITORY), "MESH_QUIET": "1"},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == code, done.stdout[-2000:] + done.stderr[-2000:]
        assert "test-only" not in done.stdout + done.stderr
        return done.stdout + done.stderr

    def land(self, name: str, *rows: str) -> None:
        (self.root / "landing" / "shop" / "orders" / f"{name}.csv").write_text(HEADER + "\n".join(rows) + "\n")

    def objects(self) -> set[str]:
        filesystem, path = filesystem_of("s3a://bucket/lake/shop/orders")
        return {
            found.path for found in filesystem.get_file_info(fs.FileSelector(path, recursive=True)) if found.is_file
        }

    def versions(self) -> list[tuple[int, int]]:
        with open_mesh(load_settings(workspace=self.root)) as mesh:
            return [(record.version, record.rows) for record in read_versions(mesh.catalog, "shop.orders")]


@pytest.fixture
def shop(workspace_dir: Path, server: str, spark_with_s3: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", server)  # what the settings below come to, in this process too
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    (workspace_dir / "conf" / "local.yaml").write_text(
        f"lake: s3a://bucket/lake\nstorage: {{endpoint: '{server}', region: us-east-1}}\n"
        f"spark: {{master: 'local[2]', conf: {{spark.driver.extraJavaOptions: '{SHORT_JOBS}'}}}}\n"
    )
    environment = {"SPARK_HOME": str(spark_with_s3)}
    shop = Shop(workspace_dir, environment)
    first = workspace_dir / "first.csv"
    first.write_text(HEADER + "".join(f"{n},2026-01-01 10:00:00,open,{n}.5\n" for n in range(1, 41)))
    shop.mesh("import", str(first), "--product", "shop.orders", "--owner", "shop@example.org")
    return shop


def test_a_lake_in_a_bucket_is_published_refused_previewed_and_compared(shop: Shop) -> None:
    shop.mesh("publish")
    shop.land("second", *(f"{n},2026-01-02 10:00:00,paid,{n}.5" for n in range(41, 61)))
    shop.mesh("publish")
    assert shop.versions() == [(0, 40), (1, 20)]
    before = shop.objects()
    assert any("/_profiles/" in path for path in before)
    shop.land("bad", "1,2026-01-03 10:00:00,paid,1.5")
    assert "rows break it" in shop.mesh("publish", code=3)
    assert shop.objects() == before
    (shop.root / "landing" / "shop" / "orders" / "bad.csv").unlink()
    rows = json.loads(shop.mesh("preview", "shop.orders", "--limit", "100", "--json"))["rows"]
    assert sorted(row["order_id"] for row in rows) == list(range(1, 61))
    told = json.loads(shop.mesh("drift", "shop.orders@0", "shop.orders@1..1", "--json"))
    assert {column["column"]: column["drifted"] for column in told["columns"]}["amount"] is True
    assert shop.versions() == [(0, 40), (1, 20)]

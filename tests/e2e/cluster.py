"""A real standalone Spark cluster on loopback: one master, two workers, from this environment's pyspark."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from mesh_catalog.lake.jars import spark_home
from mesh_catalog.lake.java import require_java
from mesh_catalog.lake.session import log_configuration
from tests.conftest import SHORT_JOBS

__all__ = ["Cluster", "free_ports", "job_environment", "spark_submit", "start_cluster", "start_submit"]

ROOT = Path(__file__).resolve().parents[2]
WORKERS = 2
_START_SECONDS = 120
_STOP_SECONDS = 20


@dataclass(frozen=True, kw_only=True)
class Cluster:
    url: str
    """spark://127.0.0.1:PORT"""
    folder: Path
    """Work folders of the executors, their stdout and stderr in it."""
    web_port: int
    workers: dict[int, subprocess.Popen[bytes]] = field(default_factory=dict)

    def kill_worker(self, number: int) -> None:
        """SIGKILL a worker and its executors, as when their machine goes."""
        os.killpg(self.workers[number].pid, signal.SIGKILL)
        self.workers[number].wait()

    def alive_workers(self) -> int:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.web_port}/json/", timeout=5) as answer:
            return int(json.load(answer)["aliveworkers"])

    def executor_output(self) -> str:
        """All that executors wrote to stdout and stderr."""
        files = [path for path in self.folder.rglob("*") if path.name in ("stdout", "stderr")]
        return "\n".join(path.read_text(errors="replace") for path in files)


def job_environment(**extra: str) -> dict[str, str]:
    """The environment of an activated .venv, on loopback."""
    return {
        **os.environ,
        "JAVA_HOME": str(require_java()),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYSPARK_PYTHON": sys.executable,
        "PYTHONPATH": str(ROOT),
        "SPARK_LOCAL_IP": "127.0.0.1",
        **extra,
    }


def spark_submit(
    script: Path,
    *arguments: str,
    master: str = "local[2]",
    conf: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
    seconds: float = 300,
) -> subprocess.CompletedProcess[str]:
    """Run a script by spark-submit and wait for it."""
    process = start_submit(script, *arguments, master=master, conf=conf, environment=environment)
    try:
        stdout, stderr = process.communicate(timeout=seconds)
    except BaseException:
        process.kill()
        raise
    return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)


def start_submit(
    script: Path,
    *arguments: str,
    master: str,
    conf: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
) -> subprocess.Popen[str]:
    """Run a script by spark-submit; the caller waits for it."""
    given = {"spark.driver.extraJavaOptions": SHORT_JOBS, "spark.executor.extraJavaOptions": SHORT_JOBS, **(conf or {})}
    options = [word for key, value in given.items() for word in ("--conf", f"{key}={value}")]
    return subprocess.Popen(
        [str(spark_home() / "bin" / "spark-submit"), "--master", master, *options, str(script), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=job_environment(**(environment or {})),
    )


@contextmanager
def start_cluster(folder: Path, *, memory: str = "2g") -> Iterator[Cluster]:
    """Start the cluster, wait until both workers are registered, and end its processes when done.

    Args:
        folder: Where logs and the executors' work folders go.
        memory: Of each worker; each has one core.
    """
    port, web_port = free_ports(2)
    cluster = Cluster(url=f"spark://127.0.0.1:{port}", folder=folder / "work", web_port=web_port)
    processes: list[subprocess.Popen[bytes]] = []
    try:
        master = ["master.Master", "--host", "127.0.0.1", "--port", str(port), "--webui-port", str(web_port)]
        processes.append(_start(master, folder / "master.log"))
        for number in range(1, WORKERS + 1):
            work = ["--work-dir", str(cluster.folder / str(number)), "--cores", "1", "--memory", memory]
            worker = ["worker.Worker", "--host", "127.0.0.1", "--webui-port", "0", *work, cluster.url]
            cluster.workers[number] = _start(worker, folder / f"worker-{number}.log")
            processes.append(cluster.workers[number])
        _await_workers(cluster, processes, folder)
        yield cluster
    finally:
        for process in reversed(processes):
            _end(process)


def _start(arguments: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
    options = f"-Dlog4j2.configurationFile={log_configuration().as_uri()}"
    environment = job_environment(SPARK_DAEMON_JAVA_OPTS=options, SPARK_DAEMON_MEMORY="512m")
    command = [str(spark_home() / "bin" / "spark-class"), f"org.apache.spark.deploy.{arguments[0]}", *arguments[1:]]
    with log.open("wb") as output:
        # A session of its own: its process group is it and its executors, and nothing else.
        return subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, env=environment, start_new_session=True
        )


def _await_workers(cluster: Cluster, processes: list[subprocess.Popen[bytes]], folder: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if any(process.poll() is not None for process in processes):
            break
        try:
            if cluster.alive_workers() == WORKERS:
                return
        except OSError:
            pass  # the master does not listen yet
        time.sleep(0.2)
    said = "\n".join(log.read_text(errors="replace")[-500:] for log in sorted(folder.glob("*.log")))
    raise RuntimeError(f"the standalone cluster did not start within {_START_SECONDS} s:\n{said}")


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # an executor that outlived its worker


def free_ports(count: int) -> list[int]:
    """Ports of loopback that nobody listens on."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        return [int(opened.getsockname()[1]) for opened in sockets]
    finally:
        for opened in sockets:
            opened.close()

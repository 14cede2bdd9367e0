"""A PostgreSQL server of the run's own, on loopback: initdb into a temporary folder, ended by its process.

PostgreSQL refuses to run as root; then it runs as the user `postgres` that Debian's package makes.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

USER = "mesh"
PASSWORD = "only-of-this-run-7261"  # pragma: allowlist secret
_START_SECONDS = 60


@dataclass(frozen=True, kw_only=True)
class PostgresServer:
    """A running server whose one user is USER."""

    port: int

    def execute(self, *statements: str, database: str = "postgres") -> None:
        import psycopg

        with psycopg.connect(
            host="127.0.0.1", port=self.port, user=USER, password=PASSWORD, dbname=database, autocommit=True
        ) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def new_database(self) -> str:
        """Name of a database that nobody else uses."""
        name = f"test_{uuid4().hex[:12]}"
        self.execute(f"create database {name}")
        return name

    def catalog_url(self, database: str) -> str:
        return f"postgresql+psycopg://{USER}:{PASSWORD}@127.0.0.1:{self.port}/{database}"


def _binaries() -> Path | None:
    found = shutil.which("initdb")
    if found:
        return Path(found).parent
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: float(folder.parent.name))
    return folders[-1] if folders else None


def _user() -> str | None:
    """Whom to run as: nobody else, unless we are root."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres").pw_name
    except KeyError:
        pytest.skip("PostgreSQL does not run as root, and there is no user postgres (Debian: apt install postgresql)")


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """The run's one PostgreSQL server; skips where none is installed."""
    with run_server() as server:
        yield server


@contextmanager
def run_server(*settings: str) -> Iterator[PostgresServer]:
    """Run a server; `settings` as `shared_buffers=1GB`."""
    binaries = _binaries()
    if binaries is None:
        pytest.skip("no PostgreSQL server is installed (Debian: apt install postgresql)")
    user = _user()
    folder = Path(tempfile.mkdtemp(prefix="mesh-postgres-"))
    try:
        (folder / "password").write_text(PASSWORD)
        if user is not None:
            for path in (folder, folder / "password"):
                shutil.chown(path, user)
        data = str(folder / "data")
        login = [f"--username={USER}", f"--pwfile={folder}/password", "--auth=scram-sha-256"]
        made = subprocess.run(
            [str(binaries / "initdb"), "-D", data, "--encoding=UTF8", "--locale=C", "--no-sync", *login],
            user=user,
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert made.returncode == 0, made.stderr
        server = PostgresServer(port=_free_port())
        command = [str(binaries / "postgres"), "-D", data, "-h", "127.0.0.1", "-p", str(server.port), "-k", str(folder)]
        command += [word for setting in settings for word in ("-c", setting)]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen([*command, "-F"], user=user, cwd=folder, stdout=log, stderr=log)
        try:
            _wait(server, process, folder / "log")
            yield server
        finally:
            process.send_signal(signal.SIGINT)  # a fast shutdown, which does not wait for clients
            process.wait(timeout=_START_SECONDS)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait(server: PostgresServer, process: subprocess.Popen[bytes], log: Path) -> None:
    import psycopg

    give_up_at = time.monotonic() + _START_SECONDS
    while True:
        try:
            server.execute("select 1")
            return
        except psycopg.OperationalError:
            assert process.poll() is None and time.monotonic() < give_up_at, log.read_text()
            time.sleep(0.1)

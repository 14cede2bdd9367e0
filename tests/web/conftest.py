from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import uvicorn

from mesh_catalog.access.mesh import Mesh, open_mesh
from mesh_catalog.catalog.assets import sync_workspace
from mesh_catalog.settings import load_settings
from mesh_catalog.web.app import make_app
from tests.unit.catalog.samples import write_workspace


@pytest.fixture
def mesh(workspace_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mesh]:
    """The sample workspace, registered; it tells nobody of its runs."""
    monkeypatch.delenv("OPENLINEAGE_URL", raising=False)
    write_workspace(workspace_dir)
    with open_mesh(load_settings(workspace=workspace_dir)) as opened:
        sync_workspace(opened.catalog, opened.workspace)
        yield opened


@pytest.fixture
def served() -> Iterator[Callable[..., str]]:
    """Starts the service over a mesh on a free port, as `mesh serve` does; returns its URL."""
    with ExitStack() as stack:

        def start(mesh: Mesh, *, token: str | None = None, port: int | None = None) -> str:
            listener = stack.enter_context(socket.create_server(("127.0.0.1", port or 0)))
            config = uvicorn.Config(make_app(mesh, token=token), log_level="error", access_log=False)
            server = uvicorn.Server(config)
            thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
            thread.start()

            def stop() -> None:
                server.should_exit = True
                thread.join()

            stack.callback(stop)
            while not server.started:
                time.sleep(0.01)
            return f"http://127.0.0.1:{listener.getsockname()[1]}"

        yield start

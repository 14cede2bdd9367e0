from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from mesh_catalog.access.mesh import Mesh, open_mesh
from mesh_catalog.catalog.assets import sync_workspace
from mesh_catalog.settings import load_settings
from tests.unit.alerts.receivers import Webhook, webhook
from tests.unit.catalog.samples import DOMAIN, write_workspace

SECRET = "s3cr3t-t0ken-0f-the-team"  # pragma: allowlist secret
ALERTS = """\
alerts:
  tell:
    - {to: owner, url_env: TEAM_ALERT_URL, warnings: true}
    - {to: onCall, url_env: TEAM_PAGER_URL}
  escalate:
    - {to: head of payments, url_env: HEAD_URL}
    - {to: director, url_env: DIRECTOR_URL}
  acknowledge: 1h
  repeat: 1d
"""


@pytest.fixture
def hook() -> Iterator[Webhook]:
    with webhook() as server:
        yield server


@pytest.fixture
def opened(workspace_dir: Path, monkeypatch: pytest.MonkeyPatch, hook: Webhook) -> Iterator[Callable[..., Mesh]]:
    """Opens the sample workspace, registered, whose domain has a chain of channels that all lead to the hook."""
    monkeypatch.delenv("OPENLINEAGE_URL", raising=False)
    for name in ("TEAM_ALERT_URL", "TEAM_PAGER_URL", "HEAD_URL", "DIRECTOR_URL"):
        monkeypatch.setenv(name, hook.url(SECRET))
    write_workspace(workspace_dir)
    monkeypatch.chdir(workspace_dir)
    with ExitStack() as stack:

        def start(alerts: str = ALERTS) -> Mesh:
            (workspace_dir / "domains/payments/domain.yaml").write_text(DOMAIN + alerts)
            mesh = stack.enter_context(open_mesh(load_settings(workspace=workspace_dir)))
            sync_workspace(mesh.catalog, mesh.workspace)
            return mesh

        yield start


@pytest.fixture
def mesh(opened: Callable[..., Mesh]) -> Mesh:
    return opened()

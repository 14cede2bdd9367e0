"""A workspace whose products were published, as the catalog tells it, and the hands to make them stale."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import update

from mesh_catalog.access.mesh import Mesh, open_mesh
from mesh_catalog.catalog.assets import definition_digest, sync_workspace
from mesh_catalog.catalog.runs import RunOutcome, finish_run, latest_version, start_run
from mesh_catalog.catalog.tables import runs
from mesh_catalog.lake.sources import listed_files
from mesh_catalog.settings import load_settings
from tests.unit.catalog.samples import version_of, write_workspace

TRANSACTIONS, DAILY = "payments.transactions", "payments.daily"


@dataclass
class Published:
    root: Path
    mesh: Mesh
    opened: ExitStack

    def reload(self) -> None:
        """Open the workspace anew, as the next command would."""
        self.opened.close()
        self.mesh = self.opened.enter_context(open_mesh(load_settings(workspace=self.root)))
        sync_workspace(self.mesh.catalog, self.mesh.workspace)

    def edit(self, path: str, old: str, new: str) -> None:
        file = self.root / "domains" / "payments" / path
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new))
        self.reload()

    def land(self, name: str, text: str = "1") -> Path:
        path = self.root / "landing" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return path

    def start(self, product: str) -> str:
        spec = self.mesh.workspace.product(product)
        return start_run(
            self.mesh.catalog,
            product=product,
            kind="publish",
            principal="ana",
            contract_version=spec.contract.version,
            definition_digest=definition_digest(spec),
        )

    def publish(self, product: str, inputs: Mapping[str, int] | None = None) -> Published:
        """As a run leaves it in the catalog that read every file there is."""
        source = self.mesh.workspace.product(product).source
        files = listed_files(self.root, source) if source else []
        latest = latest_version(self.mesh.catalog, product)
        run_id = self.start(product)
        finish_run(
            self.mesh.catalog,
            run_id,
            outcome="published",
            version=version_of(product, latest.version + 1 if latest else 0, run_id),
            inputs=inputs,
            source_files=[file.identity for file in files or ()],
        )
        return self

    def end(self, product: str, outcome: RunOutcome, inputs: Mapping[str, int] | None = None) -> Published:
        finish_run(self.mesh.catalog, self.start(product), outcome=outcome, inputs=inputs)
        return self

    def fill(self, product: str, inputs: Mapping[str, int]) -> None:
        """As a backfill of one interval leaves it in the catalog."""
        run_id = start_run(self.mesh.catalog, product=product, kind="publish", principal="ana")
        made = version_of(product, 1, run_id)
        finish_run(self.mesh.catalog, run_id, outcome="published", version=made, inputs=inputs)

    def forget(self, product: str) -> None:
        """As a catalog of before, or one that was made anew from the lake."""
        with self.mesh.catalog.write() as connection:
            connection.execute(update(runs).where(runs.c.product == product).values(definition_digest=None))


@pytest.fixture
def published(workspace_dir: Path) -> Iterator[Published]:
    """payments.transactions v0 from one file, and payments.daily v0 from that: all fresh."""
    root = write_workspace(workspace_dir)
    with ExitStack() as opened:
        mesh = opened.enter_context(open_mesh(load_settings(workspace=root)))
        found = Published(root, mesh, opened)
        found.reload()
        found.land("a.csv")
        found.publish(TRANSACTIONS)
        found.publish(DAILY, {TRANSACTIONS: 0})
        yield found

"""The mesh's own runs, told to a collector: a file, another mesh over HTTP, and one that is away."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from mesh_catalog.access.mesh import Mesh, open_mesh
from mesh_catalog.catalog.assets import sync_workspace
from mesh_catalog.catalog.lineage import lineage
from mesh_catalog.catalog.openlineage.reading import read_outside_runs
from mesh_catalog.catalog.runs import finish_run, start_run
from mesh_catalog.errors import InputError
from mesh_catalog.settings import load_settings
from tests.openlineage import column_flows, event_errors, flows
from tests.unit.catalog.samples import amount_edge, publish, write_workspace

TRANSACTIONS, DAILY = "payments.transactions", "payments.daily"


@contextmanager
def opened(root: Path, transport: dict[str, Any]) -> Iterator[Mesh]:
    """A workspace that tells of its runs by a transport."""
    (root / "conf" / "local.yaml").write_text(json.dumps({"openlineage": transport}))
    with open_mesh(load_settings(workspace=root)) as mesh:
        sync_workspace(mesh.catalog, mesh.workspace)
        yield mesh


@pytest.fixture
def producer(tmp_path: Path, workspace_dir: Path) -> Path:
    """A workspace beside the one that collects."""
    root = tmp_path / "producer"
    (root / "domains").mkdir(parents=True)
    return write_workspace(root)


def run_both(mesh: Mesh) -> None:
    publish(mesh.catalog, TRANSACTIONS, 0)
    publish(mesh.catalog, DAILY, 0, inputs={TRANSACTIONS: 0}, column_edges=[amount_edge()])
    failed = start_run(mesh.catalog, product=DAILY, kind="publish", principal="ana")
    finish_run(mesh.catalog, failed, outcome="refused", message="payments.daily: refused")


def told(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_every_event_in_a_file_is_valid_and_says_what_the_run_did(
    producer: Path, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENLINEAGE_PARENT_ID", "airflow/dag.task/b7dce052-51a6-4d66-98b9-5fd8b78a79c7")
    with opened(producer, {"type": "file", "log_file_path": "events.ndjson", "append": True}) as mesh:
        run_both(mesh)
        lake = mesh.settings.lake
    events = told(producer / "events.ndjson")
    assert [event["eventType"] for event in events] == ["START", "COMPLETE"] * 2 + ["START", "FAIL"]
    spec = shared / "conformance" / "openlineage" / "spec"
    assert [event_errors(event, spec) for event in events] == [[]] * 6
    done, (output,) = events[3], events[3]["outputs"]
    assert (output["namespace"], output["name"]) == ("file", f"{lake}/payments/daily")
    facets = output["facets"]
    assert [field["name"] for field in facets["schema"]["fields"]] == ["day", "amount_eur"]
    assert facets["version"]["datasetVersion"] == "0"
    (origin,) = facets["columnLineage"]["fields"]["amount_eur"]["inputFields"]
    assert (origin["name"], origin["field"]) == (f"{lake}/payments/transactions", "tx_amount")
    assert origin["transformations"] == [{"type": "DIRECT", "subtype": "AGGREGATION"}]
    assert output["outputFacets"]["outputStatistics"]["rowCount"] == 10
    assert done["inputs"][0]["facets"]["version"]["datasetVersion"] == "0"
    assert done["run"]["facets"]["parent"]["job"] == {"namespace": "airflow", "name": "dag.task"}
    assert (
        events[5]["outputs"] == []
        and events[5]["run"]["facets"]["errorMessage"]["message"] == "payments.daily: refused"
    )
    assert events[2]["run"]["runId"] == done["run"]["runId"]


def test_another_mesh_draws_the_same_lineage_from_what_it_is_told(
    producer: Path, mesh: Mesh, served: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENLINEAGE_API_KEY", "a-long-enough-token")
    url = served(mesh, token="a-long-enough-token")  # pragma: allowlist secret
    with opened(producer, {"type": "http", "url": url}) as source:
        run_both(source)
        lake = source.settings.lake
    jobs = f"file:{lake}#payments."
    made, read = (f"file#{lake}/payments/{name}" for name in ("daily", "transactions"))
    outside = {edge for edge in flows(mesh.catalog) if "#" in "".join(edge)}
    assert outside == {
        (f"{jobs}transactions", read),
        (read, f"{jobs}daily"),
        (f"{jobs}daily", made),
    }
    assert (f"{read}.tx_amount", f"{made}.amount_eur", "AGGREGATION") in column_flows(mesh.catalog)
    assert lineage(mesh.catalog, made, direction="upstream", columns=True).complete
    states = sorted(run.state for run in read_outside_runs(mesh.catalog, f"{jobs}daily"))
    assert states == ["COMPLETE", "FAIL"]


def test_a_dead_collector_fails_no_run_and_the_next_command_sends_what_waits(
    producer: Path, mesh: Mesh, served: Callable[..., str], caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    transport = {"type": "http", "url": f"http://127.0.0.1:{port}", "namespace": "mesh"}
    with opened(producer, transport) as source:
        run_both(source)
    outbox = producer / ".mesh" / "openlineage" / "outbox"
    assert len(list(outbox.glob("*.json"))) == 3
    assert "3 runs wait" in caplog.text
    assert not any("#" in "".join(edge) for edge in flows(mesh.catalog))
    served(mesh, port=port)
    with open_mesh(load_settings(workspace=producer), with_workspace=False):
        pass
    assert list(outbox.glob("*.json")) == []
    assert ("mesh#payments.daily", f"file#{producer}/.mesh/lake/payments/daily") in flows(mesh.catalog)


def test_a_mesh_that_tells_itself_knows_its_runs_already(workspace_dir: Path, served: Callable[..., str]) -> None:
    write_workspace(workspace_dir)
    with ExitStack() as stack:
        collector = stack.enter_context(open_mesh(load_settings(workspace=workspace_dir)))
        url = served(collector)
        with opened(workspace_dir, {"type": "http", "url": url}) as source:
            run_both(source)
            before = flows(source.catalog)
        assert flows(collector.catalog) == before


def test_a_transport_that_is_none_is_a_warning_and_a_wrong_setting_an_error(
    producer: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with opened(producer, {"type": "pigeon"}) as mesh:
        publish(mesh.catalog, TRANSACTIONS, 0)
    assert "SettingsError" in caplog.text
    for wrong in (
        {"url": "http://x"},
        {"type": "http"},
        {"type": "http", "url": "http://user:hidden@host"},
    ):  # pragma: allowlist secret
        (producer / "conf" / "local.yaml").write_text(json.dumps({"openlineage": wrong}))
        with pytest.raises(InputError, match="openlineage|url") as caught:
            load_settings(workspace=producer)
        assert "hidden" not in str(caught.value)

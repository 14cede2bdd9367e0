"""A rollout as `mesh show MODEL` and the model's page tell it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mesh_catalog.access.mesh import Mesh, open_mesh
from mesh_catalog.catalog.decisions import begin_retraining, open_retraining
from mesh_catalog.cli.main import run_command
from mesh_catalog.errors import NotFoundError
from mesh_catalog.retraining.compare import Comparison
from mesh_catalog.retraining.lease import Lease
from mesh_catalog.retraining.rollout import StepwiseRollout
from mesh_catalog.retraining.rollout_status import RolloutStatus, read_rollout_status
from mesh_catalog.retraining.steps import Turn, take_steps
from mesh_catalog.settings import load_settings
from tests.unit.retraining.rollouts import MODEL, Signals, aliases_of, looking, prepare, write_model

COMPARED = Comparison(
    metric="average_precision",
    rows=100,
    champion_version=1,
    challenger_version=2,
    champion=0.5,
    challenger=0.6,
    difference=0.1,
    low=0.05,
    high=0.15,
    better_share=0.99,
    needed_share=0.95,
    unmet=(),
)


@pytest.fixture
def mesh(workspace_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mesh]:
    write_model(workspace_dir)
    monkeypatch.setenv("MESH_WORKSPACE", str(workspace_dir))
    with open_mesh(load_settings(workspace=workspace_dir)) as opened:
        prepare(opened)
        yield opened


def turn(mesh: Mesh, state: Signals = "quiet", *, rows: int = 100) -> None:
    """A turn of the loop, whose challenger is on its way."""
    record = open_retraining(mesh.catalog, MODEL)
    if record is None:
        told = {"reasons": ["drift"], "champion": 1, "challenger": 2, "comparison": COMPARED.to_state()}
        record = begin_retraining(mesh.catalog, MODEL, told, step="rolling")
    rollout = StepwiseRollout(look=looking(state, rows=rows), mirror=aliases_of(mesh.settings.workspace).mirror)
    nobody: Any = None
    model = replace(mesh.workspace.model(MODEL), approval="automatic")
    take_steps(
        Turn(
            mesh=mesh,
            model=model,
            trainer=nobody,
            rollout=rollout,
            lease=Lease(MODEL),
            tell=lambda _line: None,
            stop=lambda: False,
        ),
        record,
    )


def status(mesh: Mesh) -> RolloutStatus:
    found = read_rollout_status(mesh.catalog, MODEL)
    assert found is not None
    return found


def test_the_last_turn_of_the_loop_says_what_has_baked_what_the_alarms_say_and_what_comes(mesh: Mesh) -> None:
    assert read_rollout_status(mesh.catalog, MODEL) is None
    turn(mesh, rows=41)
    assert status(mesh).sentence == ("v2 takes over from v1: step 1 of 3 (shadow), 41 of 100 rows baked; then 10 %")
    assert status(mesh).alarms[0]["state"] == "quiet" and status(mesh).reasons == ("41 of 100 rows baked",)
    turn(mesh)
    found = status(mesh)  # on to the next step, at which nobody has looked yet
    assert (found.step, found.share, found.rows, found.alarms) == (2, 0.1, None, ())
    assert found.reasons == ("no turn of the loop has looked at this step yet",)
    turn(mesh)
    turn(mesh, rows=7)
    assert status(mesh).sentence.endswith("step 3 of 3 (50 %), 7 of 100 rows baked; then it is champion")
    turn(mesh, "rings")
    found = status(mesh)
    assert (found.action, found.sentence) == ("back", "v2 was sent back, and did not take over from v1")
    assert found.reasons == ("alarm errors: it rings",) and found.alarms[0]["state"] == "rings"


def test_show_looks_itself_and_says_what_is_next(mesh: Mesh, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["show", MODEL]) == 0
    assert "rollout" not in capsys.readouterr().out
    turn(mesh, rows=41)
    assert run_command(["show", MODEL]) == 0
    told = capsys.readouterr()
    assert "v2 takes over from v1: step 1 of 3 (shadow), 0 of 100 rows baked; then 10 %" in told.out
    assert "errors  unheard  nothing is scored in this step yet" in " ".join(told.out.split("\n")).replace("   ", "  ")
    assert f"next: mesh rollout {MODEL}" in told.err
    assert run_command(["show", MODEL, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["rollout"]
    assert (found["step"], found["bake_rows"], len(found["alarms"])) == (1, 100, 3)


def test_what_an_alarm_cannot_see_is_said_and_the_rest_is_shown(mesh: Mesh) -> None:
    turn(mesh, rows=41)

    def gone(_record: Any) -> Any:
        raise NotFoundError("payments.hit_rate: is gone.")

    found = read_rollout_status(mesh.catalog, MODEL, look=gone)
    assert found is not None and found.reasons == ("payments.hit_rate: is gone.",)
    assert "rows baked are not known" in found.sentence

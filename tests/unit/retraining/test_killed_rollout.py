"""A rollout whose runners die by SIGKILL at every step: it still ends once, with one decision and valid aliases."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from mesh_catalog.access.mesh import open_mesh
from mesh_catalog.catalog.decisions import read_decisions
from mesh_catalog.catalog.models import alias_history, read_alias
from mesh_catalog.catalog.rollouts import read_rollout_steps, read_rollouts
from mesh_catalog.settings import load_settings
from tests.unit.retraining.rollouts import MODEL, aliases_of, prepare, write_model

ROOT = Path(__file__).parents[3]


@pytest.fixture
def root(workspace_dir: Path, tmp_path: Path) -> Path:
    """A folder with a template of a workspace that is about to begin a rollout."""
    write_model(workspace_dir)
    with open_mesh(load_settings(workspace=workspace_dir)) as mesh:
        prepare(mesh)
    folder = tmp_path / "killed"
    folder.mkdir()
    workspace_dir.rename(folder / "template")
    return folder


def run(root: Path, plans: Sequence[str]) -> list[dict[str, Any]]:
    ended = subprocess.run(
        [sys.executable, "-m", "tests.unit.retraining.killed_rollout", str(root), *plans],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-2000:]
    return [json.loads(line) for line in ended.stdout.splitlines()]


def check(root: Path, name: str, *, action: str | None) -> None:
    """One rollout, ended once, and whatever serves agrees with it."""
    with open_mesh(load_settings(workspace=root / name), with_workspace=False) as mesh:
        rollouts = read_rollouts(mesh.catalog, MODEL)
        assert len(rollouts) == 1
        ended = rollouts[0]
        assert ended.finished_at is not None
        assert action is None or ended.action == action
        champion = 2 if ended.action == "promote" else 1
        assert aliases_of(root / name).read() == {"champion": champion, "challenger": None}
        assert read_alias(mesh.catalog, MODEL, "champion") == champion
        assert read_alias(mesh.catalog, MODEL, "challenger") is None
        assert [move.version for move in alias_history(mesh.catalog, MODEL, "champion")] == [1, 2][:champion]
        decisions = read_decisions(mesh.catalog, MODEL)
        assert [one.action for one in decisions] == ["promote" if champion == 2 else "rollback"]
        assert decisions[0].reasons == ended.reasons
        steps = read_rollout_steps(mesh.catalog, ended.id)
        assert [step.position for step in steps] == list(range(ended.position + 1))
        assert all(step.ended_at is not None for step in steps)
        if ended.action == "promote":
            assert len(steps) == 3


def test_a_runner_that_dies_after_any_step_leaves_a_rollout_that_the_next_one_ends(root: Path) -> None:
    """A runner that dies after each of the 11 steps of a promotion, then after each by which all goes back.

    Each has a workspace of its own; one more runner is to die later than it has steps, and lives.
    """
    plans = [f"on{number}:quiet:{2 * number}" for number in range(1, 13)]
    plans += [f"back{number}:rings:{2 * number}" for number in range(5, 9)]
    told = run(root, plans)
    assert [one["ends"] for one in told if one["name"] != "on12"] == [[-signal.SIGKILL, 0]] * 15
    assert [one["ends"] for one in told if one["name"] == "on12"] == [[0, 0]]
    for one in told:
        assert one["valid"]
        check(root, one["name"], action="promote" if one["name"].startswith("on") else "back")


@pytest.mark.slow
def test_two_hundred_rollouts_whose_runners_die_at_random_end_once_each(root: Path) -> None:
    rng, killed = random.Random(20260622), 0
    plans = [f"run{n}:{n}:{','.join(str(rng.randint(1, 12)) for _ in range(rng.randint(1, 5)))}" for n in range(200)]
    for told in run(root, plans):
        assert told["valid"]
        assert told["ends"][-1] == 0
        killed += told["ends"].count(-signal.SIGKILL)
        check(root, told["name"], action=None)
    assert killed > 200

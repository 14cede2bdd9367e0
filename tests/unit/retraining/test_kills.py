"""The loop killed with SIGKILL at every place where it may die, over a real catalog and a real MLflow registry.

After each kill the next turn goes on: one training a retraining, every decision there once, the aliases of the catalog
and of MLflow equal and at a version that exists.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import shutil
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from mesh_catalog.access.mesh import Mesh
from mesh_catalog.catalog.decisions import open_retraining, read_decisions, read_retrainings
from mesh_catalog.catalog.models import read_alias, read_model_versions
from mesh_catalog.catalog.retrain_requests import open_requests, request_retraining
from mesh_catalog.catalog.store import utc_now
from mesh_catalog.catalog.tables import leases
from mesh_catalog.models import mirror
from mesh_catalog.models.registry import open_registry
from mesh_catalog.retraining import loop, steps
from mesh_catalog.retraining.approval import decide_approval
from mesh_catalog.retraining.loop import RetrainResult, retrain_model
from tests.unit.retraining.local import MODEL, OWNER, LocalTrainer, opened

POINTS = (
    "begin_retraining",
    "begin_retraining done",
    "advance_retraining",
    "advance_retraining done",
    "before the fit",
    "run begun",
    "run stored",
    "version registered",
    "version recorded",
    "challenger moved",
    "compare",
    "settle_retraining",
    "settle_retraining done",
    "mirror_or_say",
    "mark_mirrored",
    "mirror_or_say done",
)
"""Every write of the loop, before and after it, and the places within a training, as they come."""
_PATCHED = {
    "begin_retraining": loop,
    "advance_retraining": steps,
    "settle_retraining": steps,
    "mirror_or_say": loop,
    "mark_mirrored": mirror,
}
FORK = multiprocessing.get_context("fork")


def take_turn(mesh: Mesh, trainer: LocalTrainer, *, force: bool = False, approval: Any = "automatic") -> RetrainResult:
    model = replace(mesh.workspace.model(MODEL), approval=approval)

    def no_session() -> Any:
        raise AssertionError("nothing of this needs Spark")

    return retrain_model(no_session, mesh, model, force=force, trainer=trainer)


def die_at(point: str, at: int) -> Any:
    """Let this process kill itself when it comes to a place for the `at`-th time."""
    seen = 0

    def come_to(name: str) -> None:
        nonlocal seen
        if name == point:
            seen += 1
            if seen == at:
                os.kill(os.getpid(), signal.SIGKILL)

    for name, module in _PATCHED.items():
        setattr(module, name, _told(getattr(module, name), name, come_to))
    return come_to


def _told(function: Any, name: str, come_to: Any) -> Any:
    def wrapped(*arguments: Any, **options: Any) -> Any:
        come_to(name)
        result = function(*arguments, **options)
        come_to(f"{name} done")
        return result

    return wrapped


def _doomed(root: Path, point: str, at: int, better: bool, approval: Any, force: bool) -> None:
    come_to = die_at(point, at)
    with opened(root) as mesh:
        trainer = LocalTrainer(root, better, come_to)
        result = take_turn(mesh, trainer, force=force, approval=approval)
        if result.step == "waiting_approval" and result.challenger is not None:
            decide_approval(mesh, MODEL, result.challenger, approved=better, reason="looked at it")
            take_turn(mesh, trainer, approval=approval)


def killed_turn(root: Path, point: str, at: int, *, better: bool, approval: Any = "automatic", force: bool) -> bool:
    """A turn in a process of its own; whether it died of the kill."""
    process = FORK.Process(target=_doomed, args=(root, point, at, better, approval, force))
    process.start()
    process.join(60)
    assert process.exitcode in (0, -signal.SIGKILL), f"{point} {at}: {process.exitcode}"
    if process.exitcode == 0:
        return False
    with opened(root) as mesh, mesh.catalog.write() as connection:
        connection.execute(update(leases).values(expires_at=utc_now()))  # the time that it takes goes by
    return True


def run_to_the_end(root: Path, *, better: bool, approval: Any) -> None:
    """Turns without a kill, until nothing is open."""
    with opened(root) as mesh:
        for _ in range(3):
            result = take_turn(mesh, LocalTrainer(root, better), approval=approval)
            if result.step == "waiting_approval" and result.challenger is not None:
                decide_approval(mesh, MODEL, result.challenger, approved=better, reason="looked at it")


def require_whole(root: Path, *, better: bool, lost_fits: int = 0) -> None:
    """One training, one decision, the aliases where they belong, in the catalog and in MLflow alike.

    Args:
        lost_fits: How many processes died after a fit whose result was not stored yet: each is made again.
    """
    with opened(root) as mesh:
        catalog, registry = mesh.catalog, open_registry(mesh.settings)
        retrainings = read_retrainings(catalog, MODEL)
        fits = (root / "fits").read_text().split() if (root / "fits").exists() else []
        assert open_retraining(catalog, MODEL) is None
        assert open_requests(catalog, MODEL) == []
        assert [one.outcome for one in retrainings] == ["promote" if better else "reject"]
        assert [one.id for one in read_decisions(catalog, MODEL)] == [one.id for one in retrainings]
        versions = read_model_versions(catalog, MODEL)
        assert [one.version for one in versions] == [1, 2]
        assert versions[1].retraining_id == retrainings[0].id
        assert len(fits) == 1 + lost_fits
        champion = 2 if better else 1
        assert (read_alias(catalog, MODEL, "champion"), registry.read_alias(MODEL, "champion")) == (champion, champion)
        assert (read_alias(catalog, MODEL, "challenger"), registry.read_alias(MODEL, "challenger")) == (None, None)


@pytest.mark.parametrize("better", [True, False], ids=["promoted", "rejected"])
def test_a_loop_that_dies_at_any_place_ends_with_one_training_and_one_decision(
    template: Path, tmp_path: Path, better: bool
) -> None:
    for number, point in enumerate(POINTS):
        root = shutil.copytree(template, tmp_path / f"w{number}")
        at = 2 if point.startswith("mirror_or_say") else 1  # each turn begins with what an earlier one left to mirror
        assert killed_turn(root, point, at, better=better, approval="person", force=True), point
        run_to_the_end(root, better=better, approval="person")
        require_whole(root, better=better, lost_fits=1 if point == "run begun" else 0)
        shutil.rmtree(root)


def _begun(root: Path) -> bool:
    with opened(root) as mesh:
        return bool(read_retrainings(mesh.catalog, MODEL) or open_requests(mesh.catalog, MODEL))


def _seeded(template: Path, folder: Path, seed: int) -> int:
    """One run of the seeded test; how many of its turns were killed."""
    chance = random.Random(seed)
    root = shutil.copytree(template, folder / f"w{seed}")
    better, approval = chance.random() < 0.5, chance.choice(["automatic", "person"])
    died = []
    for _ in range(chance.randint(1, 3)):
        point = chance.choice(POINTS)
        at = chance.randint(1, 4) if point.startswith("advance") else 1  # the others come once a turn
        if killed_turn(root, point, at, better=better, approval=approval, force=not _begun(root)):
            died.append(point)
    run_to_the_end(root, better=better, approval=approval)
    require_whole(root, better=better, lost_fits=died.count("run begun"))
    shutil.rmtree(root)
    return len(died)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, 200, 25))
def test_two_hundred_seeded_runs_that_are_killed_lose_nothing_and_train_nothing_twice(
    template: Path, tmp_path: Path, first: int
) -> None:
    died = [_seeded(template, tmp_path, seed) for seed in range(first, first + 25)]
    assert sum(count > 0 for count in died) > 18


def _racer(root: Path, start: Any) -> None:
    with opened(root) as mesh:
        start.wait()
        take_turn(mesh, LocalTrainer(root))


def test_runners_that_begin_at_once_train_once(template: Path, tmp_path: Path) -> None:
    root = shutil.copytree(template, tmp_path / "w")
    with opened(root) as mesh:
        request_retraining(mesh.catalog, MODEL, kind="hand", reason="race", principal=OWNER)
    start = FORK.Barrier(3)
    processes = [FORK.Process(target=_racer, args=(root, start)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    assert (root / "fits").read_text().count("\n") == 1
    run_to_the_end(root, better=True, approval="automatic")
    require_whole(root, better=True)

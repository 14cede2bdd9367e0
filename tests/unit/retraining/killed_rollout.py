"""Runners of a rollout that kill themselves, SIGKILL: `python -m tests.unit.retraining.killed_rollout ROOT PLAN…`.

Each PLAN is `name:look:k,k,…`: in a workspace of its own, a runner is forked for each k; each goes on with the rollout
and dies at its k-th step, and a last one ends it. `look` is what each sees: quiet, rings, or a number that seeds a
choice anew at every look. Prints a line of JSON a plan: how each runner ended, and where aliases were no versions.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from mesh_catalog.access.mesh import open_mesh
from mesh_catalog.retraining import observing  # noqa: F401 - once here, and not in each runner
from mesh_catalog.retraining import rollout as machine
from mesh_catalog.settings import load_settings
from tests.unit.retraining.rollouts import MODEL, FileAliases, aliases_of, looking

__all__ = ["STEPS"]

STEPS = ("insert_rollout", "advance_rollout", "decide_rollout", "set_alias", "record_decision", "finish_rollout")
"""What writes; a runner may die before each and after it."""


def main() -> None:
    root = Path(sys.argv[1])
    with open_mesh(load_settings(workspace=root / "template")):
        pass  # whatever is imported late is imported now, and not in each runner
    for plan in sys.argv[2:]:
        name, look, deaths = plan.split(":")
        workspace = root / name
        shutil.copytree(root / "template", workspace)
        numbers = [int(number) for number in filter(None, deaths.split(","))]
        ends = [_forked(workspace, look, number) for number in [*numbers, 0]]
        told = {"name": name, "ends": [end for end, _ in ends], "valid": all(valid for _, valid in ends)}
        print(json.dumps(told), flush=True)


def _forked(workspace: Path, look: str, death: int) -> tuple[int, bool]:
    """A runner's exit code (negative: the signal), and whether the aliases it left are versions."""
    child = os.fork()
    if child == 0:
        _run(workspace, look, death)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    known = aliases_of(workspace).read()
    return os.waitstatus_to_exitcode(status), known["champion"] in (1, 2) and known.get("challenger") in (None, 2)


def _run(workspace: Path, look: str, death: int) -> None:
    steps = iter(range(1, 10_000))
    for name in STEPS:
        setattr(machine, name, _dying(getattr(machine, name), steps, death))
    setattr(FileAliases, "set_alias", _dying(FileAliases.set_alias, steps, death))  # noqa: B010 - mypy forbids the rest
    store = aliases_of(workspace)
    with open_mesh(load_settings(workspace=workspace)) as mesh:
        model = mesh.workspace.model(MODEL)
        record = machine.begin_rollout(mesh, model, champion=1, challenger=2, retraining_id="r", mirror=store.mirror)
        while record.finished_at is None:
            state: Any = look if look in ("quiet", "rings") else random.choice(["quiet", "quiet", "quiet", "rings"])
            stock = machine.take_stock(mesh, model, record, look=looking(state))
            record = machine.apply_stock(mesh, model, record, stock, mirror=store.mirror)


def _dying(step: Callable[..., Any], steps: Iterator[int], death: int) -> Callable[..., Any]:
    def run(*arguments: Any, **named: Any) -> Any:
        if next(steps) == death:
            os.kill(os.getpid(), signal.SIGKILL)
        result = step(*arguments, **named)
        if next(steps) == death:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    return run


if __name__ == "__main__":
    main()

"""The rollout's state machine on a real catalog: begun once, left step by step, decided once, protected or refused."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mesh_catalog.access.mesh import Mesh, open_mesh
from mesh_catalog.catalog.decisions import begin_retraining, read_decisions
from mesh_catalog.catalog.models import read_alias, set_alias
from mesh_catalog.catalog.rollouts import (
    RolloutRecord,
    open_rollout,
    read_rollout,
    read_rollout_steps,
    read_rollouts,
)
from mesh_catalog.catalog.store import utc_now
from mesh_catalog.cli.main import run_command
from mesh_catalog.errors import ConflictError, GateRefusedError, InputError, NotFoundError, StorageError
from mesh_catalog.retraining.judge import Stock
from mesh_catalog.retraining.rollback import rollback_model
from mesh_catalog.retraining.rollout import StepwiseRollout, apply_stock, begin_rollout, end_rollout, take_stock
from mesh_catalog.settings import load_settings
from mesh_catalog.specs import RolloutAlarm, RolloutSpec
from tests.unit.retraining.rollouts import MODEL, aliases_of, looking, prepare, write_model


@pytest.fixture
def mesh(workspace_dir: Path) -> Iterator[Mesh]:
    write_model(workspace_dir)
    with open_mesh(load_settings(workspace=workspace_dir)) as opened:
        prepare(opened)
        yield opened


def begin(mesh: Mesh, retraining_id: str | None = "r1") -> RolloutRecord:
    return begin_rollout(
        mesh,
        mesh.workspace.model(MODEL),
        champion=1,
        challenger=2,
        retraining_id=retraining_id,
        mirror=aliases_of(mesh.settings.workspace).mirror,
    )


def turn(mesh: Mesh, rollout: RolloutRecord, look: Any) -> tuple[Stock, RolloutRecord]:
    """One turn of the loop."""
    model = mesh.workspace.model(MODEL)
    stock = take_stock(mesh, model, rollout, look=look)
    return stock, apply_stock(mesh, model, rollout, stock, mirror=aliases_of(mesh.settings.workspace).mirror)


def aliases(mesh: Mesh) -> tuple[int | None, int | None]:
    """Champion and challenger, as registry and catalog agree."""
    known = aliases_of(mesh.settings.workspace).read()
    found = known.get("champion"), known.get("challenger")
    assert found == (read_alias(mesh.catalog, MODEL, "champion"), read_alias(mesh.catalog, MODEL, "challenger"))
    return found


def test_a_quiet_challenger_goes_through_every_step_and_becomes_champion(mesh: Mesh) -> None:
    rollout = begin(mesh)
    assert (rollout.position, rollout.share, aliases(mesh)) == (0, 0.0, (1, 2))
    assert begin(mesh) == rollout
    stock, rollout = turn(mesh, rollout, looking(rows=99))
    assert (stock.action, rollout.position) == ("wait", 0)
    shares = []
    while rollout.finished_at is None:
        shares.append(rollout.share)
        stock, rollout = turn(mesh, rollout, looking())
    assert shares == [0.0, 0.1, 0.5]
    assert (stock.action, rollout.action, aliases(mesh)) == ("promote", "promote", (2, None))
    decision = read_decisions(mesh.catalog, MODEL)[0]
    assert (decision.action, decision.from_version, decision.to_version) == ("promote", 1, 2)
    steps = read_rollout_steps(mesh.catalog, rollout.id)
    assert [step.evidence["rows"] for step in steps] == [100, 100, 100]
    assert all(step.ended_at is not None for step in steps)
    assert begin(mesh) == rollout


@pytest.mark.parametrize("position", [0, 1, 2])
def test_an_alarm_in_any_step_sends_all_back(mesh: Mesh, position: int) -> None:
    rollout = begin(mesh)
    for _ in range(position):
        rollout = turn(mesh, rollout, looking())[1]
    stock, ended = turn(mesh, rollout, looking("rings", rows=3))
    assert (stock.action, ended.action, aliases(mesh)) == ("back", "back", (1, None))
    decision = read_decisions(mesh.catalog, MODEL)[0]
    assert (decision.action, decision.reasons) == ("rollback", ("alarm errors: it rings",))
    assert decision.evidence["alarms"][0]["state"] == "rings"
    assert open_rollout(mesh.catalog, MODEL) is None
    assert turn(mesh, rollout, looking())[0].action == "back"


def test_a_decision_stands_whatever_is_seen_later(mesh: Mesh) -> None:
    model, rollout = mesh.workspace.model(MODEL), begin(mesh)

    def unreachable(_mesh: Mesh, _model: str) -> None:
        raise StorageError("MLflow is down")

    stock = take_stock(mesh, model, rollout, look=looking("rings"))
    with pytest.raises(StorageError, match="MLflow is down"):
        apply_stock(mesh, model, rollout, stock, mirror=unreachable)
    assert read_rollout(mesh.catalog, rollout.id).action == "back"
    assert read_alias(mesh.catalog, MODEL, "challenger") is None
    stock, ended = turn(mesh, rollout, looking("quiet"))
    assert (stock.action, ended.action, ended.finished_at is not None) == ("back", "back", True)
    assert aliases(mesh) == (1, None)


def test_one_rollout_of_a_model_is_open_at_a_time_and_an_ended_one_is_not_begun_again(mesh: Mesh) -> None:
    first = begin(mesh)
    with pytest.raises(ConflictError, match="a rollout is under way already"):
        begin(mesh, "r2")
    end_rollout(mesh, MODEL, reason="enough", mirror=aliases_of(mesh.settings.workspace).mirror)
    assert end_rollout(mesh, MODEL, reason="again") is None
    assert begin(mesh).finished_at is not None
    second = begin(mesh, "r2")
    assert (second.id != first.id, second.finished_at) == (True, None)


def test_what_is_written_into_the_model_later_is_for_the_next_rollout(mesh: Mesh) -> None:
    rollout = begin(mesh)
    model = replace(mesh.workspace.model(MODEL), rollout=RolloutSpec(steps=(1.0,), bake_rows=1))
    stock = take_stock(mesh, model, rollout, look=looking(rows=50))
    assert (stock.action, stock.reasons) == ("wait", ("50 of 100 rows baked",))


ACTIONS = st.lists(
    st.tuples(st.sampled_from(["stale", "fresh", "end", "begin"]), st.sampled_from(["quiet", "rings", "unheard"])),
    max_size=12,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ACTIONS)
def test_repeated_and_stale_calls_in_any_order_keep_the_laws(mesh: Mesh, calls: Sequence[tuple[str, Any]]) -> None:
    """Each example is a rollout of its own; a promoted one is taken back at the end."""
    number = len(read_rollouts(mesh.catalog, MODEL))
    store = aliases_of(mesh.settings.workspace)
    model = mesh.workspace.model(MODEL)
    first = begin(mesh, f"example {number}")
    positions, rang, stocks = [0], False, [take_stock(mesh, model, first, look=looking())]
    for call, state in calls:
        known = read_rollout(mesh.catalog, first.id)
        if call == "begin":
            assert begin(mesh, f"example {number}").id == first.id
        elif call == "end":
            end_rollout(mesh, MODEL, reason="by hand", mirror=store.mirror)
        elif call == "stale":
            apply_stock(mesh, model, first, stocks[0], mirror=store.mirror)
        else:
            stock, _ = turn(mesh, known, looking(state))
            rang |= state == "rings" and known.action is None
            stocks.append(stock)
        now = read_rollout(mesh.catalog, first.id)
        positions.append(now.position)
        if known.action is not None:
            assert (now.action, now.position) == (known.action, known.position)
        if rang:
            assert now.action == "back"
        assert aliases(mesh) == {None: (1, 2), "back": (1, None), "promote": (2, None)}[now.action]
    assert all(after - before in (0, 1) for before, after in pairwise(positions))
    end_rollout(mesh, MODEL, reason="next example", mirror=store.mirror)
    ended = read_rollout(mesh.catalog, first.id)
    assert ended.finished_at is not None
    decided = [one.action for one in read_decisions(mesh.catalog, MODEL) if one.id == first.id]
    assert decided == ["promote" if ended.action == "promote" else "rollback"]
    store.set_alias("champion", 1)
    set_alias(mesh.catalog, MODEL, "champion", 1, reason="next example", at=utc_now())


def test_a_rollback_ends_the_open_rollout_which_is_what_came_last(mesh: Mesh) -> None:
    rollout, store = begin(mesh), aliases_of(mesh.settings.workspace)
    result = rollback_model(mesh, MODEL, reason="complaints", mirror=store.mirror)
    assert (result.from_version, result.to_version) == (2, 1)
    assert aliases(mesh) == (1, None)
    assert open_rollout(mesh.catalog, MODEL) is None
    assert [(one.action, one.reasons) for one in read_decisions(mesh.catalog, MODEL)] == [
        ("rollback", ("rollback: complaints",))
    ]
    assert read_rollout(mesh.catalog, rollout.id).action == "back"


def test_a_loop_takes_a_rollout_on_by_turns_and_is_told_what_was_done(mesh: Mesh) -> None:
    model, store = mesh.workspace.model(MODEL), aliases_of(mesh.settings.workspace)
    quiet = StepwiseRollout(mirror=store.mirror, look=looking())
    told = [quiet.turn(mesh, model, champion=1, challenger=2, retraining_id="r").action for _ in range(4)]
    assert told == ["advance", "advance", "promote", "promote"]
    assert aliases(mesh) == (2, None)
    assert len(read_decisions(mesh.catalog, MODEL)) == 1  # of a retraining that the catalog does not know


@pytest.mark.parametrize("by_hand", [False, True])
def test_a_retraining_that_is_open_decides_itself_and_is_told_each_step(mesh: Mesh, by_hand: bool) -> None:
    model, store = mesh.workspace.model(MODEL), aliases_of(mesh.settings.workspace)
    retraining = begin_retraining(mesh.catalog, MODEL, {})
    loop = StepwiseRollout(mirror=store.mirror, look=looking())
    for number in range(4):
        if by_hand and number == 1:
            end_rollout(mesh, MODEL, reason="complaints", mirror=store.mirror)
        stock = loop.turn(mesh, model, champion=1, challenger=2, retraining_id=retraining.id)
    assert stock.action == ("back" if by_hand else "promote")
    assert aliases(mesh) == ((1, None) if by_hand else (2, None))
    assert [one.reasons for one in read_decisions(mesh.catalog, MODEL)] == ([("complaints",)] if by_hand else [])
    steps = [one["step"] for one in stock.evidence["steps"]]
    assert steps == (["shadow", "10 %"] if by_hand else ["shadow", "10 %", "50 %"])


def test_a_rollback_to_a_version_that_is_not_there_ends_nothing(mesh: Mesh) -> None:
    begin(mesh)
    with pytest.raises(NotFoundError, match="no version v9"):
        rollback_model(mesh, MODEL, to_version=9, mirror=aliases_of(mesh.settings.workspace).mirror)
    assert open_rollout(mesh.catalog, MODEL) is not None


def refused(mesh: Mesh, **changes: Any) -> str:
    model = mesh.workspace.model(MODEL)
    plan = model.rollout
    assert plan is not None
    parts = {key: changes.pop(key) for key in ("champion", "challenger") if key in changes}
    entity = changes.pop("entity", model.entity)
    model = replace(model, entity=entity, rollout=replace(plan, **changes))
    with pytest.raises(GateRefusedError, match="could not be protected") as caught:
        begin_rollout(mesh, model, **{"champion": 1, "challenger": 2, **parts})
    assert read_rollouts(mesh.catalog, MODEL) == []
    return str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"entity": ()}, "names no entity, so nothing can be hashed"),
        ({"entity": ("tx_datetime",)}, "'tx_datetime' is timestamp, which has no one text"),
        ({"challenger": 1}, "v1 is the champion already"),
        ({"challenger": 7}, "v7 is not in the catalog"),
        ({"bake_rows": 501}, "a share of 0.1 needs 5,010 rows, and 5,000 were ever seen"),
        ({"give_up_after": timedelta(days=1)}, "the steps need 1.04 d, and give_up_after is 1 d"),
        ({"alarms": (RolloutAlarm(name="kpi", kpi="payments.rate"),)}, "payments.rate: no such KPI"),
        ({"alarms": (RolloutAlarm(name="estimate"),)}, "alarm estimate: no such monitor has ever run"),
        ({"alarms": (RolloutAlarm(name="bias"),)}, "alarm bias: no such monitor has ever run"),
    ],
)
def test_a_rollout_that_cannot_be_protected_is_refused_and_says_what_is_missing(
    mesh: Mesh, changes: dict[str, Any], message: str
) -> None:
    assert message in refused(mesh, **changes)


def test_all_that_is_missing_is_told_at_once_and_shadow_needs_no_entity(mesh: Mesh) -> None:
    told = refused(mesh, entity=(), bake_rows=10_000, alarms=(RolloutAlarm(name="estimate"),))
    assert len(told.splitlines()) == 4
    model = replace(mesh.workspace.model(MODEL), entity=(), rollout=RolloutSpec(steps=(0.0, 1.0), bake_rows=100))
    store = aliases_of(mesh.settings.workspace)
    assert begin_rollout(mesh, model, champion=1, challenger=2, mirror=store.mirror).share == 0.0


def test_a_model_without_a_rollout_begins_none(mesh: Mesh) -> None:
    model = replace(mesh.workspace.model(MODEL), rollout=None)
    with pytest.raises(InputError, match=r"model.yaml says no rollout"):
        begin_rollout(mesh, model, champion=1, challenger=2)


def test_the_command_shows_where_a_rollout_stands_and_refuses_what_has_not_baked(
    mesh: Mesh, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MESH_WORKSPACE", str(mesh.settings.workspace))
    assert run_command(["rollout", MODEL]) == 4
    assert "no rollout yet" in capsys.readouterr().err
    rollout = begin(mesh)
    assert run_command(["rollout", MODEL]) == 0
    shown = capsys.readouterr()
    assert "v2 takes over from v1   under way" in shown.out
    assert "0 of 100" in shown.out
    assert f"mesh score {MODEL}" in shown.err
    assert run_command(["rollout", MODEL, "--advance"]) == 3
    assert "has not baked: 0 of 100 rows baked" in capsys.readouterr().err
    assert read_rollout(mesh.catalog, rollout.id).position == 0
    assert run_command(["rollout", MODEL, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["rollout"]["challenger"], told["share"], told["stock"]["action"]) == (2, 0.0, "wait")
    page = mesh.settings.workspace / "rollout.html"
    assert run_command(["rollout", MODEL, "--html", str(page)]) == 0
    assert '<progress value="0" max="100">' in page.read_text() and "<script" not in page.read_text()
    assert run_command(["rollout", MODEL, "--html", "rollout.pdf"]) == 2
    assert run_command(["rollout", MODEL, "--advance", "--abort"]) == 2
    end_rollout(mesh, MODEL, reason="enough", mirror=aliases_of(mesh.settings.workspace).mirror)
    assert run_command(["rollout", MODEL]) == 0
    assert "back: enough" in capsys.readouterr().out
    assert run_command(["rollout", MODEL, "--abort"]) == 4
    assert run_command(["rollout", MODEL, "--advance"]) == 4

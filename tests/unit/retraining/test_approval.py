"""Who must be asked before a challenger becomes champion, and who may answer; reviews; requests."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mesh_catalog.access.mesh import Mesh, open_mesh
from mesh_catalog.catalog.approvals import read_approval
from mesh_catalog.catalog.assets import sync_workspace
from mesh_catalog.catalog.decisions import advance_retraining, begin_retraining
from mesh_catalog.catalog.retrain_requests import open_requests, request_retraining
from mesh_catalog.catalog.reviews import close_review, list_reviews, open_review, open_review_of, read_review
from mesh_catalog.cli.main import run_command
from mesh_catalog.errors import AccessDeniedError, ConflictError, GateRefusedError, InputError, NotFoundError
from mesh_catalog.retraining.approval import approval_needed, decide_approval, require_decider
from mesh_catalog.settings import load_settings
from mesh_catalog.specs import ModelSpec
from tests.unit.catalog.samples import write_workspace
from tests.unit.retraining.local import opened as open_root

MODEL = "payments.fraud"
OWNER = "payments-team"


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mesh]:
    root = write_workspace(tmp_path_factory.mktemp("w"))
    (root / "conf/local.yaml").write_text("{}\n")
    with open_mesh(replace(load_settings(workspace=root), principal=OWNER)) as opened:
        sync_workspace(opened.catalog, opened.workspace)
        yield opened


@pytest.fixture
def model(mesh: Mesh) -> ModelSpec:
    return mesh.workspace.model(MODEL)


@pytest.mark.parametrize(
    ("words", "needed"),
    [
        ({"goal": "Keep customers.", "decides": None}, None),
        ({"goal": "Keep customers.", "decides": "whether a loan is granted"}, "credit"),
        ({"goal": "Find patients at risk."}, "health"),
        ({"goal": "Rank applicants."}, "rights"),
        ({"goal": "Stop fraudulent payments."}, "fraud"),
        ({"goal": "Sort flowers by fragrance.", "decides": "which bed is watered"}, None),
        ({"goal": "Sort flowers.", "touches": ("health",)}, "touches health"),
        ({"goal": "Sort flowers.", "approval": "person"}, "approval: person"),
        ({"goal": "Stop fraud.", "touches": ("fraud",), "approval": "automatic"}, None),
    ],
)
def test_a_person_is_asked_where_the_decision_touches_people(
    model: ModelSpec, words: dict[str, Any], needed: str | None
) -> None:
    told = approval_needed(replace(model, decides=words.pop("decides", None), **words))
    assert told is None if needed is None else needed in str(told)


def test_only_the_owner_and_members_answer_and_only_to_the_version_that_waits(mesh: Mesh) -> None:
    with pytest.raises(GateRefusedError, match="no version waits"):
        decide_approval(mesh, MODEL, 2, approved=True, reason="")
    begun = begin_retraining(mesh.catalog, MODEL, {"reasons": [], "challenger": 2})
    advance_retraining(mesh.catalog, begun.id, "waiting_approval", begun.state)
    with pytest.raises(GateRefusedError, match="v2 waits for an approval, not v3"):
        decide_approval(mesh, MODEL, 3, approved=True, reason="")
    with pytest.raises(AccessDeniedError, match="It is for payments-team to decide"):
        decide_approval(replace(mesh, principal="mallory"), MODEL, 2, approved=True, reason="")
    assert read_approval(mesh.catalog, begun.id) is None
    with pytest.raises(InputError, match="give a reason"):
        decide_approval(mesh, MODEL, 2, approved=False, reason=" ")
    decide_approval(mesh, MODEL, 2, approved=True, reason="")
    with pytest.raises(ConflictError, match="was approved by payments-team already"):
        decide_approval(mesh, MODEL, 2, approved=False, reason="no")
    said = read_approval(mesh.catalog, begun.id)
    assert said is not None
    assert (said.approved, said.principal) == (True, OWNER)


def test_a_mistake_in_the_policy_stops_a_retraining_and_loses_nothing(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MESH_WORKSPACE", str(root))
    monkeypatch.setenv("MESH_PRINCIPAL", OWNER)
    with open_root(root) as mesh:
        state = {"reasons": ["drift"], "challenger": 2, "waits": ["surely better", "waits for approval"]}
        advance_retraining(mesh.catalog, begin_retraining(mesh.catalog, MODEL, state).id, "waiting_approval", state)
    path = root / "domains/payments/fraud/model.yaml"
    right = path.read_text()
    path.write_text(right + "retrain: {on: [drfit]}\n")
    for words in (("retrain", MODEL), ("approve", MODEL, "v2")):
        assert run_command(words) == 2
        line = right.count("\n") + 1
        assert f"model.yaml:{line}: retraining on 'drfit' is not known. Did you mean" in capsys.readouterr().err
    path.write_text(right)
    assert run_command(["retrain", MODEL]) == 0
    said = capsys.readouterr()
    assert "waits for approval" in said.out and f"mesh approve {MODEL} v2" in said.err


def test_one_review_of_a_model_is_open_and_closing_it_says_what_was_done(mesh: Mesh) -> None:
    first = open_review(mesh.catalog, MODEL, reason="did not help", evidence={"trainings": []}, review_id="a" * 32)
    assert open_review(mesh.catalog, MODEL, reason="again", evidence={}).id == first.id
    assert read_review(mesh.catalog, "aaaa") == first
    with pytest.raises(InputError, match="say what was done"):
        close_review(mesh.catalog, first.id, resolution="", principal=OWNER)
    closed = close_review(mesh.catalog, "aaaaaaaa", resolution="new labels", principal=OWNER)
    assert (closed.closed_by, closed.resolution) == (OWNER, "new labels")
    with pytest.raises(ConflictError, match="closed by payments-team already"):
        close_review(mesh.catalog, first.id, resolution="again", principal=OWNER)
    again = open_review(mesh.catalog, MODEL, reason="told again", evidence={}, review_id=first.id)
    assert again.closed_at is not None, "the same reason does not open it a second time"
    assert open_review_of(mesh.catalog, MODEL) is None
    assert len(list_reviews(mesh.catalog)) == 1
    with pytest.raises(NotFoundError, match="mesh review list"):
        read_review(mesh.catalog, "bbbb")
    with pytest.raises(AccessDeniedError):
        require_decider(replace(mesh, principal="mallory"), MODEL, what="close a review")


def test_a_request_told_twice_is_one_and_needs_a_reason(mesh: Mesh) -> None:
    for _ in range(2):
        request_retraining(
            mesh.catalog, MODEL, kind="erasure", reason="a person was erased", principal="dpo", request_id="e1"
        )
    assert [(one.kind, one.id) for one in open_requests(mesh.catalog, MODEL)] == [("erasure", "e1")]
    with pytest.raises(InputError, match="needs a reason"):
        request_retraining(mesh.catalog, MODEL, kind="hand", reason="", principal="ana")
    with pytest.raises(NotFoundError, match=r"payments\.frod"):
        request_retraining(mesh.catalog, "payments.frod", kind="hand", reason="x", principal="ana")

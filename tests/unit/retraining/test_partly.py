"""`mesh retrain` over all models, where a file of one of them is wrong; and policies that are refused at the start."""

from __future__ import annotations

from pathlib import Path

import pytest

from mesh_catalog.catalog.decisions import begin_retraining
from mesh_catalog.cli.main import run_command
from mesh_catalog.errors import DocumentError
from mesh_catalog.retraining.loop import retrain_model
from tests.unit.retraining.local import MODEL, LocalTrainer, opened


@pytest.fixture
def here(root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(root)
    return root


def add(root: Path, line: str) -> int:
    """Write a line under model.yaml; returns its number."""
    path = root / "domains/payments/fraud/model.yaml"
    text = path.read_text()
    path.write_text(f"{text}{line}\n")
    return len(text.splitlines()) + 1


def test_a_slip_in_one_domain_leaves_the_models_of_the_others_their_turn(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = here / "domains/shop/churn/model.yaml"
    broken.parent.mkdir(parents=True)
    broken.write_text("model: [\n")
    (here / "domains/shop/domain.yaml").write_text("name: shop\nowner: ada\n")
    assert run_command(["retrain"]) == 2
    told = capsys.readouterr()
    assert "payments.fraud   nothing to train; champion stays v1" in told.out
    assert "domains/shop/churn/model.yaml:2: is not YAML" in told.err
    assert run_command(["retrain", MODEL]) == 0
    assert run_command(["retrain", "shop.churn"]) == 2
    capsys.readouterr()
    broken.write_text((here / "domains/payments/fraud/model.yaml").read_text().replace(MODEL, "shop.churn"))
    assert run_command(["retrain"]) == 4  # it has no champion yet
    told = capsys.readouterr()
    assert "payments.fraud   nothing to train" in told.out and "shop.churn   shop.churn: has no champion" in told.err


@pytest.mark.parametrize(
    "line",
    [
        "monitor: {slices: [tx_amont]}",
        "retrain: {on: [bias]}",
        "gate: {slices: {by: [chanel]}}",
        "rollout: {steps: [10%], alarms: [{kpi: payments.gone}]}",
        "tune: {parameters: {max_dept: [2, 4]}}",
    ],
)
def test_a_policy_that_check_refuses_is_refused_before_anything_is_trained(
    here: Path, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    number = add(here, line)
    assert run_command(["check"]) == 2
    sentence = next(one for one in capsys.readouterr().out.splitlines() if f"model.yaml:{number}: " in one)
    for command in (["train", MODEL], ["retrain", MODEL], ["retrain", "--dry-run"], ["retrain", "--force", MODEL]):
        assert run_command(command) == 2, command
        assert f"{sentence}\n" in capsys.readouterr().err.replace(f"{here}/", "")
    with opened(here) as mesh, pytest.raises(DocumentError):
        retrain_model(lambda: pytest.fail("no Spark"), mesh, mesh.workspace.model(MODEL), trainer=LocalTrainer(here))


def test_a_dry_run_of_a_forced_training_says_that_it_would_train_and_asks_for_nothing(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(["retrain", MODEL, "--force", "--reason", "a trial", "--dry-run"]) == 0
    assert "payments.fraud   would train\n  a trial" in capsys.readouterr().out
    assert run_command(["retrain", MODEL, "--dry-run"]) == 0
    assert "payments.fraud   would not train" in capsys.readouterr().out


def test_a_retraining_that_is_under_way_goes_on_whatever_its_policy_says_meanwhile(here: Path) -> None:
    with opened(here) as mesh:
        begin_retraining(mesh.catalog, MODEL, {"reasons": ["x"], "triggers": []})
    add(here, "monitor: {slices: [tx_amont]}")
    with opened(here) as mesh:
        model = mesh.workspace.model(MODEL)
        done = retrain_model(lambda: pytest.fail("no Spark"), mesh, model, trainer=LocalTrainer(here))
    assert done.resumed and done.challenger == 2

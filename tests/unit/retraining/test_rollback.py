"""Which version a rollback goes back to."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from mesh_catalog.catalog.mirroring import read_unmirrored
from mesh_catalog.catalog.models import read_alias, set_alias
from mesh_catalog.catalog.store import Catalog
from mesh_catalog.cli.main import run_command
from mesh_catalog.errors import GateRefusedError, NotFoundError
from mesh_catalog.retraining.rollback import previous_champion
from tests.unit.catalog.samples import train
from tests.unit.retraining.local import MODEL, OWNER, opened


def crown(catalog: Catalog, *versions: int) -> None:
    for version in versions:
        set_alias(catalog, MODEL, "champion", version, reason="test", at=datetime.now(UTC))


@pytest.mark.parametrize(
    ("champions", "before"),
    [((1, 2), 1), ((1, 3), 1), ((1, 2, 3), 2), ((1, 2, 3, 2), 1), ((1, 2, 1, 3), 1), ((2, 1), 2)],
)
def test_a_rollback_goes_to_the_champion_before_and_never_to_one_rolled_back_from(
    catalog: Catalog, champions: tuple[int, ...], before: int
) -> None:
    for version in (1, 2, 3):
        train(catalog, version)
    crown(catalog, *champions)
    assert previous_champion(catalog, MODEL) == before


def test_the_first_champion_has_none_before_it(catalog: Catalog) -> None:
    train(catalog, 1)
    with pytest.raises(NotFoundError, match="has no champion"):
        previous_champion(catalog, MODEL)
    crown(catalog, 1)
    with pytest.raises(GateRefusedError, match="v1 is the first champion"):
        previous_champion(catalog, MODEL)


def test_where_mlflow_is_away_a_rollback_is_done_and_says_that_it_is_told_later(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An error would be tried again, and go back one version too far."""
    with opened(root) as mesh:
        for version in (2, 3):
            train(mesh.catalog, version)
        crown(mesh.catalog, 2, 3)
    monkeypatch.setenv("MESH_WORKSPACE", str(root))
    monkeypatch.setenv("MESH_PRINCIPAL", OWNER)
    monkeypatch.setenv("MESH_MLFLOW", "postgresql+psycopg://bot:s3cret@127.0.0.1:9/mlflow")  # pragma: allowlist secret
    assert run_command(["rollback", MODEL]) == 0
    said = capsys.readouterr()
    assert "champion v3 → v2" in said.out and "s3cret" not in said.out + said.err
    assert "MLflow at postgresql+psycopg://127.0.0.1:9/mlflow: could not be used" in said.err
    assert "the next turn of mesh retrain tells MLflow" in said.err
    with opened(root) as mesh:
        assert read_alias(mesh.catalog, MODEL, "champion") == 2
        assert read_unmirrored(mesh.catalog, MODEL) is not None

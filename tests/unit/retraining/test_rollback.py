"""Which version a rollback goes back to."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from mesh_catalog.catalog.models import set_alias
from mesh_catalog.catalog.store import Catalog
from mesh_catalog.errors import GateRefusedError, NotFoundError
from mesh_catalog.retraining.rollback import previous_champion
from tests.unit.catalog.samples import train

MODEL = "payments.fraud"


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

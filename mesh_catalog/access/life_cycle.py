"""Using a product whose life ends: a deprecated one warns, a retired one is refused; both name the successor."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from mesh_catalog.catalog.store import utc_now
from mesh_catalog.errors import DeprecatedProductWarning

if TYPE_CHECKING:
    from mesh_catalog.contracts.life_cycle import LifeCycle

__all__ = ["use_product"]


def use_product(product: str, life: LifeCycle) -> None:
    """Whoever publishes or reads a product comes by here.

    Raises:
        RefusedError: It is retired.
    """
    today = utc_now().date()
    life.require_use(product, today)
    if (notice := life.notice(product, today)) is not None:
        warnings.warn(notice, DeprecatedProductWarning, stacklevel=2)

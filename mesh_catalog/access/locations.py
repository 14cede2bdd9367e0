"""Where a product's table lies."""

from __future__ import annotations

from mesh_catalog.settings import Settings
from mesh_catalog.specs import split_name

__all__ = ["table_location"]


def table_location(settings: Settings, product: str) -> str:
    """Path or URI of the product's Delta table, `<lake>/<domain>/<product>`.

    Raises:
        ValueError: `product` is not a name, so it could point anywhere.
    """
    domain, name = split_name(product)
    return f"{settings.lake}/{domain}/{name}"

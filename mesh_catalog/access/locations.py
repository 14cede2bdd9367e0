"""Where a product's table lies."""

from __future__ import annotations

from pathlib import Path

from mesh_catalog.errors import InputError
from mesh_catalog.settings import Settings
from mesh_catalog.specs import split_name

__all__ = ["own_folder", "table_location"]


def table_location(settings: Settings, product: str) -> str:
    """Path or URI of the product's Delta table: `<lake>/<domain>/<product>`, or where it was adopted.

    Raises:
        ValueError: `product` is not a name, so it could point anywhere.
        InputError: It was adopted inside the lake, where a contract could hand out another product's rows.
    """
    own = own_folder(settings, product)
    adopted = settings.adopted.get(product)
    if adopted is None:
        return own
    if _is_inside(adopted, settings.lake):
        raise InputError(
            f"{product}: its server 'lake' points into the lake, where the framework's own tables are. "
            "Read those by their product's name."
        )
    return adopted


def own_folder(settings: Settings, product: str) -> str:
    """The product's folder in the lake: its table, or, where others write that, only what we keep of it.

    Raises:
        ValueError: `product` is not a name, so it could point anywhere.
    """
    domain, name = split_name(product)
    return f"{settings.lake}/{domain}/{name}"


def _is_inside(location: str, lake: str) -> bool:
    if "://" in location or "://" in lake:
        return f"{location}/".startswith(f"{lake.rstrip('/')}/")
    return Path(location).resolve().is_relative_to(Path(lake).resolve())

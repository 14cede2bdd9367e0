"""Names of datasets and jobs outside the mesh: OpenLineage's namespace and name as one text, and back.

`bigquery#shop.raw.orders`, `s3://bucket#/landing/orders`. The first `#` divides, so one in a namespace is written %23:
no two pairs have the same text, and none is a product's name, which has no `#`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import unquote, urlsplit

__all__ = ["Resolve", "is_outside", "join_name", "location_resolver", "place", "split_name"]

Resolve = Callable[[str, str], str | None]
"""Namespace and name of a dataset → the product whose table it is."""


def join_name(namespace: str, name: str) -> str:
    return f"{namespace.replace('%', '%25').replace('#', '%23')}#{name}"


def split_name(joined: str) -> tuple[str, str]:
    namespace, _, name = joined.partition("#")
    return namespace.replace("%23", "#").replace("%25", "%"), name


def is_outside(name: str) -> bool:
    """Whether a name is of a dataset or a job outside the mesh, not of a product."""
    return "#" in name


def place(location: str) -> str:
    """A location without scheme, doubled and closing slashes: producers and settings write them differently."""
    split = urlsplit(location)
    path = f"{split.netloc}{unquote(split.path)}" if split.scheme else location
    return "/".join(part for part in path.split("/") if part)


def location_resolver(lake: str, adopted: Mapping[str, str]) -> Resolve:
    """Finds the products of a lake by the locations of their tables.

    Args:
        lake: Path or URI under which tables lie as `<domain>/<product>`.
        adopted: Product → location, of those that lie elsewhere.
    """
    root = place(lake)
    elsewhere = {place(location): product for product, location in adopted.items()}

    def resolve(namespace: str, name: str) -> str | None:
        found = place(f"{namespace.removesuffix('://')}/{name}" if "://" in namespace else name)
        if found in elsewhere:
            return elsewhere[found]
        parts = found.removeprefix(f"{root}/").split("/") if found.startswith(f"{root}/") else []
        return ".".join(parts) if len(parts) == 2 else None

    return resolve

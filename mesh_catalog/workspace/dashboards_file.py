"""dashboards.yaml: what outside the mesh shows a domain's products to people, so that lineage ends where they look."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, get_args

from mesh_catalog.documents import read_document
from mesh_catalog.errors import nearest
from mesh_catalog.specs import DashboardKind, DashboardSpec, DomainSpec, is_name, split_name
from mesh_catalog.workspace.section import Section, read_entries

__all__ = ["check_dashboard", "read_dashboards_file"]

_KEYS: Final = ("name", "title", "type", "url", "owner", "description", "reads")
_URL: Final = re.compile(r"https?://[^\s@]+")


def read_dashboards_file(path: Path, domain: DomainSpec) -> list[DashboardSpec]:
    """Read the dashboards of a domain.

    Raises:
        DocumentError: An unknown key, a name that is none or stands twice, a url that is none or holds a password, or
            nothing that is read; with file and line.
    """
    return read_entries(path, "dashboards", _KEYS, lambda section, _index: _dashboard(section, domain, path))


def _dashboard(section: Section, domain: DomainSpec, path: Path) -> DashboardSpec:
    name = section.text("name")
    if not is_name(name) or "__" in name:
        raise section.error(
            f"'{name[:40]}' cannot name a dashboard. Use lower-case letters, digits and single _, a letter first.",
            "name",
        )
    url = section.optional_text("url")
    if url is not None and not _URL.fullmatch(url):
        raise section.error("url must begin with http:// or https://, and hold no password.", "url")
    reads = section.names("reads")
    if not reads:
        raise section.error("'reads' is missing. Name the products that it shows.")
    for index, product in enumerate(reads):
        try:
            split_name(product)
        except ValueError as error:
            raise section.error(str(error), "reads", index) from error
    return DashboardSpec(
        name=f"{domain.name}.{name}",
        domain=domain,
        title=section.optional_text("title"),
        kind=section.choice("type", get_args(DashboardKind), default="dashboard"),  # type: ignore[arg-type]
        url=url,
        declared_owner=section.optional_text("owner"),
        description=section.optional_text("description"),
        reads=reads,
        path=path,
    )


def check_dashboard(dashboard: DashboardSpec, known: frozenset[str]) -> None:
    """Check that what a dashboard reads is there.

    Raises:
        DocumentError: It names a product that is not among the known ones.
    """
    for product in dashboard.reads:
        if product not in known:
            document = read_document(dashboard.path)
            names = [f"{dashboard.domain.name}.{one['name']}" for one in document.data["dashboards"]]
            place = ("dashboards", names.index(dashboard.name), "reads")
            raise document.error(f"there is no product '{product[:80]}'.{nearest(product, known)}", *place)

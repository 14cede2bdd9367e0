"""An exposure of dbt as an entry of dashboards.yaml."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, get_args

from mesh_catalog.errors import listed
from mesh_catalog.specs import DashboardKind, is_name
from mesh_catalog.workspace.dbt.drafts import with_docs
from mesh_catalog.workspace.dbt.plan import PlannedDashboard
from mesh_catalog.workspace.dbt.texts import dashboard_text

__all__ = ["plan_exposure"]


def plan_exposure(
    data: Mapping[str, Any], domain: str, *, resolve: Callable[[object], str | None], docs: Mapping[str, str]
) -> tuple[PlannedDashboard, str | None]:
    """The dashboard, and a note where it reads more than what is imported.

    Args:
        data: The exposure as its .yml has it.
        resolve: The product that `ref(…)` or `source(…)` names; None where there is none.

    Raises:
        ValueError: It has no name that a dashboard can have, or reads nothing that is imported.
    """
    name = re.sub(r"[^a-z0-9]+", "_", str(data["name"]).lower()).strip("_")
    if not is_name(name):
        raise ValueError("has a name that no dashboard can have")
    depends = data.get("depends_on") or []
    reads = list(dict.fromkeys(product for text in depends if (product := resolve(text)) is not None))
    missing = [str(text) for text in depends if resolve(text) is None]
    if not reads:
        raise ValueError("reads nothing that is imported")
    owner = data["owner"] if isinstance(data.get("owner"), dict) else {}
    kind = str(data.get("type") or "dashboard")
    url = str(data.get("url") or "")
    entry = {
        "name": name,
        "title": str(data.get("label") or ""),
        "type": kind if kind in get_args(DashboardKind) else "application",
        "url": url if re.fullmatch(r"https?://[^\s@]+", url) else "",
        "owner": str(owner.get("name") or owner.get("email") or ""),
        "description": with_docs(data.get("description"), docs) or "",
        "reads": reads,
    }
    note = f"the exposure {data['name']} also reads {listed(missing)}, which is left out" if missing else None
    return PlannedDashboard(name=f"{domain}.{name}", reads=tuple(reads), text=dashboard_text(entry)), note

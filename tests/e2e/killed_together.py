"""A publish of shop.orders and shop.totals together that kills itself, SIGKILL, at a step.

`python -m tests.e2e.killed_together WORKSPACE STEP`
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Any

from mesh_catalog.access.mesh import open_mesh
from mesh_catalog.contracts.contract import Contract
from mesh_catalog.lake import batch, together
from mesh_catalog.lake.publish import publish_together
from mesh_catalog.lake.session import open_session
from mesh_catalog.lake.together import Group
from mesh_catalog.settings import load_settings
from tests.e2e.killed_publisher import die_after, die_on

__all__ = ["NAMES", "STEPS"]

NAMES = ("shop.orders", "shop.totals")


Function = Callable[..., Any]


def _hold_all_but(product: str) -> Callable[[Function], Function]:
    """Let the set's gates open, and then only this product commit."""

    def held(settle: Function) -> Function:
        def settled(group: Group, contract: Contract, *more: Any) -> Any:
            members = settle(group, contract, *more)
            if contract.id != product:
                Event().wait()
            return members

        return settled

    return held


STEPS: dict[str, tuple[tuple[Any, str, Callable[[Function], Function]], ...]] = {
    "one waits for the other": ((Group, "settle", die_on),),
    "both may commit": ((Group, "settle", die_after),),
    "shop.orders has committed": ((Group, "settle", _hold_all_but("shop.orders")), (batch, "_committed", die_on)),
    "shop.totals has committed": ((Group, "settle", _hold_all_but("shop.totals")), (batch, "_committed", die_on)),
    "both have committed": ((together, "record_commits", die_on),),
    "the catalog knows": ((together, "release_lease", die_on),),
}
"""Step → the functions that are replaced, so that the process dies there."""


def main() -> None:
    root, step = Path(sys.argv[1]), sys.argv[2]
    with open_mesh(load_settings(workspace=root)) as mesh:
        spark = open_session(mesh.settings, app_name="killed")
        for owner, name, replaced in STEPS[step]:
            setattr(owner, name, replaced(getattr(owner, name)))
        publish_together(spark, mesh, [mesh.workspace.product(name) for name in NAMES])
    raise SystemExit("was not killed")


if __name__ == "__main__":
    main()

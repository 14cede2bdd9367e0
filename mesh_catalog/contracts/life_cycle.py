"""Where a product is in its life: proposed, draft, active, deprecated, retired (ODCS `status`).

A deprecated product may name its `successor` and the day from which it `retiresOn` (customProperties); from that day
on it is retired, without another commit. Pure; today is an argument.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, Final

from mesh_catalog.errors import RefusedError

if TYPE_CHECKING:
    from mesh_catalog.contracts.contract import Contract
    from mesh_catalog.documents import Document, Place

__all__ = ["LifeCycle", "check_properties", "life_cycle_of", "stage_of"]

_PROPERTIES: Final = ("successor", "retiresOn")
_PRODUCT: Final = re.compile(r"[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*")
_ENDED: Final = ("deprecated", "retired")


@dataclass(frozen=True, kw_only=True)
class LifeCycle:
    """A product's stage, and what comes after it."""

    status: str
    successor: str | None = None
    retires_on: date | None = None

    def stage(self, today: date) -> str:
        """The status on this day."""
        past = self.status == "deprecated" and self.retires_on is not None and self.retires_on <= today
        return "retired" if past else self.status

    def notice(self, product: str, today: date) -> str | None:
        """What whoever uses a deprecated product is told; None where there is nothing to tell."""
        if self.stage(today) != "deprecated":
            return None
        until = f" and retires on {self.retires_on}" if self.retires_on else ""
        return f"{product}: is deprecated{until}. {self._instead}"

    def require_use(self, product: str, today: date) -> None:
        """Check that the product may still be published and read.

        Raises:
            RefusedError: It is retired; names the successor.
        """
        if self.stage(today) == "retired":
            since = f" since {self.retires_on}" if self.retires_on and self.retires_on <= today else ""
            raise RefusedError(f"{product}: is retired{since}. {self._instead}")

    @property
    def _instead(self) -> str:
        return f"Use {self.successor} instead." if self.successor else "It names no successor: ask its owner."


def life_cycle_of(status: str, document: Mapping[str, Any]) -> LifeCycle:
    """The life cycle that an ODCS document which was checked says."""
    holders = (document, *(document.get("schema") or [])[:1])
    found = {one["property"]: one["value"] for holder in holders for one in holder.get("customProperties") or []}
    end = found.get("retiresOn")
    return LifeCycle(
        status=status,
        successor=found.get("successor") if status in _ENDED else None,
        retires_on=date.fromisoformat(str(end)) if end and status in _ENDED else None,
    )


def stage_of(contract: Contract) -> LifeCycle:
    return life_cycle_of(contract.status, contract.document)


def check_properties(document: Document, custom: Mapping[str, tuple[Any, Place]]) -> None:
    """Check the two customProperties of a contract that is read.

    Raises:
        DocumentError: A successor that is no product's name, a day that is none, or one of them beside a status that
            does not end; with file and line.
    """
    status = document.data.get("status", "active")
    for key in _PROPERTIES:
        if key not in custom:
            continue
        value, place = custom[key]
        if status not in _ENDED:
            raise document.error(
                f"{key} stands beside status {status}. Write status: deprecated, or remove it.", *place
            )
        if key == "successor" and not _PRODUCT.fullmatch(str(value)):
            raise document.error(f"successor '{str(value)[:40]}' is no product. Write domain.product.", *place)
        if key == "retiresOn":
            try:
                date.fromisoformat(str(value))
            except ValueError:
                raise document.error(f"retiresOn '{str(value)[:40]}' is no day. Write 2026-12-31.", *place) from None

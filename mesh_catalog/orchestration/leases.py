"""The leases of the products that this process publishes, renewed while it lives: a dead one's end within seconds."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING
from uuid import uuid4

from mesh_catalog.catalog.leases import acquire_lease, release_lease, renew_lease
from mesh_catalog.errors import ConflictError, MeshError

if TYPE_CHECKING:
    from types import TracebackType

    from mesh_catalog.catalog.store import Catalog

__all__ = ["HeldLeases"]

_log = logging.getLogger(__name__)
_LEASE_SECONDS = 30.0
_DEAD_SECONDS = _LEASE_SECONDS + 2.0
_LOOK_SECONDS = 0.5


class HeldLeases:
    """Leases held by one run; all are given back at the end of the `with` block.

    A lease keeps two runs from doing the same work. What keeps them from committing it twice is Delta: one that loses
    its lease while it publishes ends in a conflict, not in a double batch.
    """

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._holder = uuid4().hex
        self._held: set[str] = set()
        self._lock = Lock()
        self._over = Event()
        self._renewer = Thread(target=self._renew, name="leases", daemon=True)

    def __enter__(self) -> HeldLeases:
        self._renewer.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._renewer.join()
        for product in list(self._held):
            self.give_back(product)

    def take(self, product: str) -> bool:
        """Take the product's lease; False where another run has it."""
        if not acquire_lease(self._catalog, _name(product), holder=self._holder, seconds=_LEASE_SECONDS):
            return False
        with self._lock:
            self._held.add(product)
        return True

    def take_all(self, products: Iterable[str], *, tell: Callable[[str], None]) -> None:
        """Take the products' leases; waits as long as that of a run which was killed may last.

        Args:
            tell: Given a sentence where it has to wait.

        Raises:
            ConflictError: Another run has one, and lives.
        """
        for product in products:
            until = time.monotonic() + _DEAD_SECONDS
            told = False
            while not self.take(product):
                if time.monotonic() > until:
                    raise ConflictError(f"{product}: another run publishes it now. Try again when that has ended.")
                if not told:
                    tell(f"{product}   waits: another run has its lease, or was killed within half a minute")
                    told = True
                time.sleep(_LOOK_SECONDS)

    def give_back(self, product: str) -> None:
        """Give it back; nothing happens where one does not hold it."""
        with self._lock:
            held = product in self._held
            self._held.discard(product)
        if held:
            release_lease(self._catalog, _name(product), holder=self._holder)

    def _renew(self) -> None:
        while not self._over.wait(_LEASE_SECONDS / 4):
            with self._lock:
                held = sorted(self._held)
            for product in held:
                try:
                    renew_lease(self._catalog, _name(product), holder=self._holder, seconds=_LEASE_SECONDS)
                except MeshError as error:  # the next turn may succeed
                    _log.warning("%s: its lease was not renewed: %s", product, error)


def _name(product: str) -> str:
    return f"publish:{product}"

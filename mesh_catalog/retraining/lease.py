"""The lease that keeps two runners off one model: renewed while its holder lives, so that a dead one's ends soon."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event, Thread
from time import monotonic, sleep
from typing import TYPE_CHECKING
from uuid import uuid4

from mesh_catalog.catalog.leases import acquire_lease, release_lease, renew_lease
from mesh_catalog.errors import ConflictError, StorageError

if TYPE_CHECKING:
    from mesh_catalog.catalog.store import Catalog

__all__ = ["Lease", "leased"]

LEASE_SECONDS = 20.0


@dataclass(frozen=True)
class Lease:
    """A lease that is held, unless it was lost."""

    model: str
    lost: Event = field(default_factory=Event)

    def require(self) -> None:
        """Stop here where somebody else may have taken over: this process stood still for too long.

        Raises:
            ConflictError: The lease was lost.
        """
        if self.lost.is_set():
            raise ConflictError(
                f"{self.model}: this runner stood still and lost its lease; another may go on. Try again."
            )


@contextmanager
def leased(catalog: Catalog, model: str, *, seconds: float = LEASE_SECONDS) -> Iterator[Lease]:
    """Hold the model's lease; wait for a dead holder's to end.

    Raises:
        ConflictError: Another runner works on the model, and goes on doing so.
    """
    name, holder = f"retrain:{model}", uuid4().hex
    until = monotonic() + seconds + min(5.0, seconds)
    while not acquire_lease(catalog, name, holder=holder, seconds=seconds):
        if monotonic() > until:
            raise ConflictError(f"{model}: another runner retrains it now. Wait for it, then try again.")
        sleep(min(1.0, seconds / 20))
    lease, ended = Lease(model), Event()

    def renew() -> None:
        while not ended.wait(seconds / 4):
            try:
                held = renew_lease(catalog, name, holder=holder, seconds=seconds)
            except (ConflictError, StorageError):
                continue  # the catalog may come back before the lease ends; the steps' own writes say so otherwise
            if not held:
                lease.lost.set()
                return

    thread = Thread(target=renew, name=name, daemon=True)
    thread.start()
    try:
        yield lease
    finally:
        ended.set()
        thread.join()
        release_lease(catalog, name, holder=holder)

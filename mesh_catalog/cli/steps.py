"""Progress of a use case that tells its steps one by one: each shows until the next begins."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from mesh_catalog.cli.output import progress

__all__ = ["telling"]


@contextmanager
def telling() -> Iterator[Callable[[str], None]]:
    """Gives the function that a use case calls with a line at each step; shown on stderr."""
    with ExitStack() as shown:

        def tell(line: str) -> None:
            shown.close()
            shown.enter_context(progress(line))

        yield tell

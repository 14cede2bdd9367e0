"""Commands that a slip in somebody else's file does not stop: what cannot be read is told, and left out.

A command over the whole mesh ends with exit code 2 then, one about a single subject only where it rests on such a file.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from mesh_catalog.access.mesh import Mesh
    from mesh_catalog.errors import DocumentError
    from mesh_catalog.settings import Settings

__all__ = ["open_readable_mesh", "register_readable"]

_SHOWN = 10


@contextmanager
def open_readable_mesh(
    settings: Settings | None = None, *, whole: bool = False, told: set[str] | None = None
) -> Iterator[Mesh]:
    """`open_mesh`, without the documents that are wrong; these are told on stderr.

    Args:
        whole: The command is about all of the mesh: exits with 2 at the end where something was left out.
        told: Sentences that were told before, by a command that goes on and on; added to.
    """
    from mesh_catalog.access.mesh import open_mesh

    with open_mesh(settings, partly=True) as mesh:
        _tell(mesh.workspace.unread, set() if told is None else told)
        yield mesh
    if whole and mesh.workspace.unread:
        raise SystemExit(2)


def register_readable(mesh: Mesh) -> None:
    """`sync_workspace`, without what cannot be read."""
    from mesh_catalog.catalog.assets import sync_workspace

    _tell(sync_workspace(mesh.catalog, mesh.workspace, partly=True).unread, set())


def _tell(unread: Sequence[DocumentError], told: set[str]) -> None:
    fresh = [str(error) for error in unread if str(error) not in told]
    told.update(fresh)
    for sentence in fresh[:_SHOWN]:
        click.echo(sentence, err=True)
    if fresh:
        more = f"and {len(fresh) - _SHOWN} mistakes more; " if len(fresh) > _SHOWN else ""
        click.echo(f"{more}left out, with all that rests on it: mesh check says what is wrong", err=True)

"""Whether a path stays in the workspace once every symbolic link is followed."""

from __future__ import annotations

from pathlib import Path

from mesh_catalog.errors import DocumentError

__all__ = ["is_inside", "require_inside"]


def is_inside(path: Path, root: Path) -> bool:
    """Whether `path`, with all its links followed, lies in `root`; also where it does not exist."""
    try:
        return path.resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError):  # a loop of links leads nowhere
        return False


def require_inside(path: Path, root: Path) -> Path:
    """The path itself.

    Raises:
        DocumentError: It leads out of the workspace.
    """
    if not is_inside(path, root):
        raise DocumentError("leads out of the workspace by a link. Copy it in.", path=path)
    return path

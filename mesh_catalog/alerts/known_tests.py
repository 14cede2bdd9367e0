"""The tests that a workspace has, by name: functions `test_…` in files that pytest would collect. Nothing is run."""

from __future__ import annotations

import ast
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from mesh_catalog.errors import InputError, NotFoundError, nearest

__all__ = ["require_test", "test_digest", "workspace_tests"]

_FILES = 5_000
_SKIPPED = ("node_modules", "venv", "site-packages", "__pycache__", "build", "dist")


def workspace_tests(root: Path) -> tuple[str, ...]:
    """Short hashes of the ids (`tests/test_rates.py::test_no_zero_rates`) of all tests below `root`, sorted."""
    found = [test_digest(f"{path}::{name}") for path in _test_files(root) for name in _names(root / path)]
    return tuple(sorted(set(found)))


def test_digest(node_id: str) -> str:
    return hashlib.sha256(node_id.encode()).hexdigest()[:12]


def require_test(root: Path, node_id: str) -> str:
    """The test's id, as pytest writes it: the path from the workspace.

    Raises:
        InputError: It is no `PATH::NAME` in the workspace.
        NotFoundError: No such file, or no such test in it.
    """
    file, _, name = node_id.partition("::")
    path = (root / file).resolve()
    if not name or not path.is_relative_to(root) or path.suffix != ".py":
        raise InputError(f"'{node_id[:80]}' is no test of the workspace. Write tests/test_rates.py::test_no_zeros.")
    if not path.is_file():
        raise NotFoundError(f"{file[:80]}: there is no such file in the workspace.")
    names = _names(path)
    if name not in names:
        raise NotFoundError(f"{file[:80]}: has no test '{name[:80]}'.{nearest(name, names)}")
    return f"{path.relative_to(root).as_posix()}::{name}"


def _test_files(root: Path) -> Iterator[str]:
    count = 0
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(one for one in folders if one[0] != "." and one not in _SKIPPED)
        for file in sorted(files):
            if file.endswith(".py") and (file.startswith("test_") or file.endswith("_test.py")):
                yield (Path(folder) / file).relative_to(root).as_posix()
                count += 1
                if count >= _FILES:
                    return


def _names(path: Path) -> list[str]:
    """`test_x`, and `TestY::test_x` of classes; none of a file that is no Python."""
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError):
        return []
    found = []
    for node in tree.body:
        inner = node.body if isinstance(node, ast.ClassDef) and node.name.startswith("Test") else [node]
        prefix = f"{node.name}::" if isinstance(node, ast.ClassDef) else ""
        for one in inner:
            if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef) and one.name.startswith("test"):
                found.append(prefix + one.name)
    return found

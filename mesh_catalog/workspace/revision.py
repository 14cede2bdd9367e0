"""The contracts of a workspace at another commit, read from git's objects: nothing is checked out."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from mesh_catalog.contracts.contract import Contract
from mesh_catalog.contracts.odcs import read_contract
from mesh_catalog.documents import parse_document
from mesh_catalog.errors import DocumentError, InputError, NotFoundError

__all__ = ["Revision", "read_revision"]

_SECONDS: Final = 120
_CONTRACT: Final = "contract.yaml"


@dataclass(frozen=True, kw_only=True)
class Revision:
    """Contracts as they were, by product."""

    name: str
    """As it was asked for: a branch, a tag, a commit."""
    commit: str
    contracts: dict[str, Contract] = field(default_factory=dict)
    unread: dict[str, str] = field(default_factory=dict)
    """Products whose contract cannot be read there, with the reason."""


def read_revision(root: Path, name: str) -> Revision:
    """The contracts of the workspace at `root` as a commit has them.

    Args:
        name: What git knows: a branch, a tag, `HEAD~1`, a commit. In a pull request, mostly `origin/main`.

    Raises:
        NotFoundError: git knows no such commit.
        InputError: There is no git, or the workspace is in no repository.
    """
    if not name or name.startswith("-"):
        raise InputError(f"'{name[:80]}' names no commit. Write a branch, a tag or a commit.")
    _git(root, "rev-parse", "--git-dir")
    try:
        found = _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    except InputError as error:
        raise NotFoundError(
            f"git knows no commit '{name[:80]}'. In a clone made for a pull request, fetch it first: git fetch origin"
            f" {name[:80].removeprefix('origin/')}"
        ) from error
    revision = Revision(name=name, commit=found.decode().strip())
    for product, path, text in _contracts(root, revision.commit):
        try:
            revision.contracts[product] = read_contract(parse_document(text, Path(f"{name}:{path}")))
        except DocumentError as error:
            revision.unread[product] = str(error)
    return revision


def _contracts(root: Path, commit: str) -> Iterator[tuple[str, str, str]]:
    """Product, path within the workspace and text of each contract; links are no contracts."""
    listed = _git(root, "ls-tree", "-r", "-z", commit, "--", "domains").decode("utf-8", "replace")
    entries = []
    for line in filter(None, listed.split("\0")):
        told, _, path = line.partition("\t")
        mode, kind, identity = told.split()
        parts = path.split("/")
        if kind == "blob" and mode != "120000" and len(parts) == 4 and parts[3] == _CONTRACT:
            entries.append((f"{parts[1]}.{parts[2]}", path, identity))
    for (product, path, _), text in zip(entries, _blobs(root, [entry[2] for entry in entries]), strict=True):
        yield product, path, text


def _blobs(root: Path, identities: Sequence[str]) -> Iterator[str]:
    """The texts of objects, in their order, by one process."""
    if not identities:
        return
    told = _git(root, "cat-file", "--batch", given="\n".join([*identities, ""]).encode())
    place = 0
    for _ in identities:
        end = told.index(b"\n", place)
        size = int(told[place:end].split()[2])
        yield told[end + 1 : end + 1 + size].decode("utf-8", "replace")
        place = end + size + 2


def _git(root: Path, *arguments: str, given: bytes = b"") -> bytes:
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments], input=given, capture_output=True, timeout=_SECONDS, check=False
        )
    except FileNotFoundError as error:
        raise InputError("git is not installed, so no other commit can be read. Install it.") from error
    except subprocess.TimeoutExpired as error:
        raise InputError(f"{root}: git {arguments[0]} took over {_SECONDS} s.") from error
    if done.returncode:
        raise InputError(f"{root}: git cannot read it: {_last_line(done.stderr)}")
    return done.stdout


def _last_line(text: bytes) -> str:
    lines = text.decode("utf-8", "replace").strip().splitlines()
    return lines[-1][:200] if lines else "it said nothing"

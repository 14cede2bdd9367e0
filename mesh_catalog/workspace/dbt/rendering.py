"""Rendering a project's templates in a program of its own: what it says of each, and what stopped it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from mesh_catalog.errors import InputError
from mesh_catalog.workspace.dbt.project import DbtProject

__all__ = ["Rendered", "Template", "render"]

_SECONDS: Final = 120


@dataclass(frozen=True, kw_only=True)
class Template:
    """A text to render, and the configuration it may ask for."""

    name: str
    text: str
    config: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Rendered:
    """What a template became. Tables are named `mesh_ref_<n>` and `mesh_source_<n>`, n a place in these lists."""

    text: str = ""
    refs: tuple[tuple[str | None, str, Any], ...] = ()
    """Package (None: the project's own), model, version."""
    sources: tuple[tuple[str, str], ...] = ()
    config: Mapping[str, Any] = field(default_factory=dict)
    """What `config(…)` in the template set."""
    used: tuple[str, ...] = ()
    """Things of dbt's own that it read, for example target.name."""
    error: str | None = None
    """Why it cannot be rendered; a phrase that follows its name."""


def render(project: DbtProject, templates: Sequence[Template], *, dialect: str) -> dict[str, Rendered]:
    """Render templates; one that takes too long or asks for what cannot be given says so, the others go on.

    Raises:
        InputError: Rendering does not begin at all.
    """
    found: dict[str, Rendered] = {}
    waiting = list(templates)
    while waiting:
        lines = _run(project, waiting, dialect)
        for template, line in zip(waiting, lines, strict=False):
            found[template.name] = _read(line)
        if len(lines) < len(waiting):  # the limits of the operating system ended it at this one
            found[waiting[len(lines)].name] = Rendered(error="takes too much time or memory to render")
        waiting = waiting[len(lines) + 1 :]
    return found


def _run(project: DbtProject, templates: Sequence[Template], dialect: str) -> list[dict[str, Any]]:
    document = {
        "name": project.name,
        "dialect": dialect,
        "vars": project.variables,
        "target": {**project.target, "type": dialect},
        "macros": project.macros,
        "docs": project.docs,
        "templates": [{"name": t.name, "text": t.text, "config": t.config} for t in templates],
    }
    program = Path(__file__).with_name("templates.py")
    try:
        done = subprocess.run(
            [sys.executable, "-I", str(program)],
            input=json.dumps(document, default=str),
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
            env={},
        )
        text, said = done.stdout, done.stderr
    except subprocess.TimeoutExpired as error:
        text, said = error.stdout.decode() if isinstance(error.stdout, bytes) else error.stdout or "", ""
    if not text and "Error" in said:
        raise InputError(f"{project.root}: its templates cannot be rendered: {said.strip().splitlines()[-1][:200]}")
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def _read(line: Mapping[str, Any]) -> Rendered:
    if "error" in line:
        return Rendered(error=str(line["error"]))
    return Rendered(
        text=line["text"],
        refs=tuple((package, name, version) for package, name, version in line["refs"]),
        sources=tuple((source, table) for source, table in line["sources"]),
        config=line["config"],
        used=tuple(line["used"]),
    )

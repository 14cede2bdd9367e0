"""The files of a dbt project as values: models, seeds, sources, tests, exposures. Nothing is rendered here."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Literal

from mesh_catalog.documents import Document, Place, read_document
from mesh_catalog.errors import DocumentError, InputError
from mesh_catalog.workspace.dbt.rules import reference_of
from mesh_catalog.workspace.paths import is_inside

__all__ = ["DbtProject", "Node", "NodeKind", "Properties", "read_project"]

NodeKind = Literal["model", "seed", "snapshot", "python"]
_SIZE_LIMIT_BYTES: Final = 1024 * 1024
_FILES_LIMIT: Final = 20_000
_FOLDERS: Final[Mapping[str, str]] = {
    "model-paths": "models",
    "seed-paths": "seeds",
    "snapshot-paths": "snapshots",
    "macro-paths": "macros",
    "test-paths": "tests",
    "analysis-paths": "analyses",
}
_TREES: Final[Mapping[NodeKind, str]] = {
    "model": "models", "python": "models", "seed": "seeds", "snapshot": "snapshots"
}  # fmt: skip
"""Where dbt_project.yml configures nodes of a kind."""
_MACRO = re.compile(r"\{%-?\s*macro\s+([A-Za-z_]\w*)\s*\(")
_DOCS = re.compile(r"\{%-?\s*docs\s+(\w+)\s*-?%\}(.*?)\{%-?\s*enddocs\s*-?%\}", re.DOTALL)
_SNAPSHOT = re.compile(r"\{%-?\s*snapshot\s+([A-Za-z_]\w*)\s*-?%\}")


@dataclass(frozen=True, kw_only=True)
class Properties:
    """One entry of a properties file: what a .yml says of a model, a source's table or an exposure."""

    document: Document
    place: Place
    data: Mapping[str, Any]

    def error(self, message: str) -> DocumentError:
        return self.document.error(message, *self.place)


@dataclass(frozen=True, kw_only=True)
class Node:
    """A model, a seed or a snapshot: a file that becomes a table."""

    name: str
    kind: NodeKind
    path: str
    """Within the project."""
    text: str
    """Its template; empty for a seed."""
    config: Mapping[str, Any]
    """Of dbt_project.yml and of the properties; what the template itself sets comes later."""
    properties: Properties | None = None


@dataclass(frozen=True, kw_only=True)
class DbtProject:
    """What a dbt project declares."""

    root: Path
    name: str
    document: Document
    nodes: Mapping[str, Node]
    sources: Mapping[tuple[str, str], Properties]
    exposures: tuple[Properties, ...]
    macros: Mapping[str, str]
    """Text of the file that defines each macro."""
    docs: Mapping[str, str]
    variables: Mapping[str, Any]
    dialect: str | None
    """What the profile beside the project connects to; None where there is no profile."""
    target: Mapping[str, str]
    disabled: frozenset[str]
    untold: tuple[tuple[str, str, str], ...] = field(default=())
    """Kind, name and reason of what is there but has no place in a mesh."""


def read_project(root: Path) -> DbtProject:
    """Read a dbt project's files.

    Raises:
        InputError: The folder is no dbt project, or two nodes share a name.
        DocumentError: A .yml of it cannot be read.
    """
    path = root / "dbt_project.yml"
    if not path.is_file():
        raise InputError(f"{root}: there is no dbt_project.yml in it. Name the folder of a dbt project.")
    document = read_document(path)
    name = document.data.get("name")
    if not isinstance(name, str) or not re.fullmatch(r"\w{1,80}", name):
        raise document.error("'name' is missing, or is no name of letters, digits and _. Write one.", "name")
    return _Reader(root, document, name).read()


class _Reader:
    def __init__(self, root: Path, document: Document, name: str) -> None:
        self.root, self.document, self.name = root, document, name
        self.entries: dict[tuple[str, str], Properties] = {}
        self.sources: dict[tuple[str, str], Properties] = {}
        self.exposures: list[Properties] = []
        self.nodes: dict[str, Node] = {}
        self.disabled: set[str] = set()
        self.untold: list[tuple[str, str, str]] = []

    def read(self) -> DbtProject:
        for key in ("model-paths", "seed-paths", "snapshot-paths"):
            for path in self._files(key, (".yml", ".yaml")):
                self._read_properties(read_document(path))
        folders: tuple[tuple[str, NodeKind, tuple[str, ...]], ...] = (
            ("model-paths", "model", (".sql", ".py")),
            ("seed-paths", "seed", (".csv",)),
            ("snapshot-paths", "snapshot", (".sql",)),
        )
        for key, kind, ends in folders:
            for path in self._files(key, ends):
                self._read_node(kind, path)
        for (named, name), entry in self.entries.items():
            if named == "snapshot" and reference_of(entry.data.get("relation")):
                template = f"select * from {{{{ {entry.data['relation']} }}}}"  # noqa: S608 - rendered, not run
                self._add_node(name, "snapshot", entry.document.path, template, entry)
        self._note_the_rest()
        profile = self._profile()
        return DbtProject(
            root=self.root,
            name=self.name,
            document=self.document,
            nodes=self.nodes,
            sources=self.sources,
            exposures=tuple(self.exposures),
            macros=self._macros(),
            docs=self._docs(),
            variables=self._variables(),
            dialect=profile.get("type"),
            target={"name": profile.get("target", "prod"), "schema": self.name, "profile_name": self.name},
            disabled=frozenset(self.disabled),
            untold=tuple(self.untold),
        )

    # Files -----------------------------------------------------------------------------------------------------

    def _files(self, key: str, ends: Sequence[str]) -> Iterator[Path]:
        folders = self.document.data.get(key, [_FOLDERS[key]])
        if not isinstance(folders, list) or not all(isinstance(one, str) for one in folders):
            raise self.document.error(f"{key} must be a list of folders.", key)
        for folder in folders:
            start = self.root / folder
            if not is_inside(start, self.root):
                raise self.document.error(f"{key}: '{folder[:40]}' leaves the project.", key)
            for count, path in enumerate(sorted(start.rglob("*"))):
                if count > _FILES_LIMIT:
                    raise self.document.error(f"{key}: '{folder[:40]}' holds over {_FILES_LIMIT:,} files.", key)
                if path.suffix in ends and path.is_file() and is_inside(path, self.root):
                    yield path

    def _text(self, path: Path) -> str:
        try:
            if path.stat().st_size > _SIZE_LIMIT_BYTES:
                raise DocumentError("is over 1 MiB; a model is a page or two.", path=path)
            return path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise DocumentError("is not UTF-8 text. Save it as UTF-8.", path=path) from error

    def _told(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()

    # Properties ------------------------------------------------------------------------------------------------

    def _read_properties(self, document: Document) -> None:
        for kind in ("models", "seeds", "snapshots"):
            for entry in self._entries(document, (kind,)):
                self.entries[kind.removesuffix("s"), str(entry.data["name"])] = entry
        for source in self._entries(document, ("sources",)):
            for table in self._entries(document, (*source.place, "tables")):
                key = (str(source.data["name"]), str(table.data["name"]))
                self.sources[key] = replace(table, data={**_meta(source), **table.data})
                if any("freshness" in {**_mapping(one.data.get("config")), **one.data} for one in (source, table)):
                    reason = "is asked of the database by dbt; here it is an slaProperty of the product's contract"
                    self.untold.append(("freshness", ".".join(key), reason))
        self.exposures += self._entries(document, ("exposures",))
        for kind in ("metrics", "semantic_models", "saved_queries", "unit_tests"):
            for entry in self._entries(document, (kind,)):
                what = kind.replace("_", " ").removesuffix("s").replace("querie", "query")
                self.untold.append((what, str(entry.data["name"]), f"a {what} has no counterpart in a mesh"))

    def _entries(self, document: Document, place: Place) -> list[Properties]:
        found: Any = document.data
        for step in place:
            found = found.get(step) if isinstance(found, dict) else found[step]
            if found is None:
                return []
        if not isinstance(found, list):
            raise document.error(f"{place[-1]} must be a list.", *place)
        entries = []
        for index, data in enumerate(found):
            if not isinstance(data, dict) or not isinstance(data.get("name"), str | int):
                raise document.error(f"{place[-1]}: an entry has no name. Add one.", *place, index)
            entries.append(Properties(document=document, place=(*place, index), data=data))
        return entries

    # Nodes -----------------------------------------------------------------------------------------------------

    def _read_node(self, kind: NodeKind, path: Path) -> None:
        text = "" if kind == "seed" else self._text(path)
        names = [path.stem]
        if kind == "snapshot" or (kind == "model" and _SNAPSHOT.search(text)):
            kind, names = "snapshot", _SNAPSHOT.findall(text)
        if path.suffix == ".py":
            kind = "python"
        for name in names:
            self._add_node(name, kind, path, text, self.entries.get(("model" if kind == "python" else kind, name)))

    def _add_node(self, name: str, kind: NodeKind, path: Path, text: str, entry: Properties | None) -> None:
        told = self._told(path)
        config = self._config(_TREES[kind], told, entry)
        if config.get("enabled") is False:
            self.disabled.add(name)
            self.untold.append((kind, name, "is disabled in the project"))
            return
        if (before := self.nodes.get(name)) is not None:
            raise InputError(
                f"{told}: '{name}' is the name of {before.path} as well. Two nodes of a dbt project cannot share a"
                " name: rename one."
            )
        self.nodes[name] = Node(name=name, kind=kind, path=told, text=text, config=config, properties=entry)

    def _config(self, key: str, told: str, entry: Properties | None) -> dict[str, Any]:
        """dbt_project.yml from the outer folder to the inner one, then the properties file."""
        tree = self.document.data.get(key)
        found: dict[str, Any] = {}
        steps = [self.name, *Path(told).with_suffix("").parts[1:]]
        level: Any = tree
        for step in ["", *steps]:
            level = level if not step else level.get(step) if isinstance(level, dict) else None
            if not isinstance(level, dict):
                break
            found |= {name.removeprefix("+"): value for name, value in level.items() if _is_config(name, value)}
        data = entry.data if entry else {}
        return {**found, **{k: data[k] for k in ("meta", "tags") if k in data}, **_mapping(data.get("config"))}

    # The rest --------------------------------------------------------------------------------------------------

    def _note_the_rest(self) -> None:
        for path in self._files("test-paths", (".sql",)):
            told = self._told(path)
            if "generic" in path.parts:
                reason = "is a generic test of the project's own: its SQL is not a rule of a contract"
            else:
                reason = "is a singular test: its SQL is not a rule of a contract"
            self.untold.append(("test", told, reason))
        for path in self._files("analysis-paths", (".sql",)):
            self.untold.append(("analysis", self._told(path), "is a query to look at, not a table"))
        for (kind, name), entry in self.entries.items():
            known = {node.name for node in self.nodes.values()} | self.disabled
            if "versions" in entry.data:
                self.untold.append((kind, name, "has versions, which a product's folder cannot hold"))
            elif name not in known:
                self.untold.append((kind, name, f"is described in {entry.document.path.name}, but has no file"))
        for name in ("packages.yml", "dependencies.yml"):
            if (self.root / name).is_file():
                self.untold.append(("packages", name, "macros and models of packages are not read"))

    def _macros(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for path in self._files("macro-paths", (".sql",)):
            text = self._text(path)
            found |= dict.fromkeys(_MACRO.findall(text), text)
        return found

    def _docs(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for path in self._files("model-paths", (".md",)):
            found |= {name: text.strip() for name, text in _DOCS.findall(self._text(path))}
        return found

    def _variables(self) -> dict[str, Any]:
        declared = _mapping(self.document.data.get("vars"))
        plain = {name: value for name, value in declared.items() if not isinstance(value, dict)}
        return plain | _mapping(declared.get(self.name))

    def _profile(self) -> dict[str, str]:
        """What the profile connects to; nothing else of it is looked at, since it may hold passwords."""
        path = self.root / "profiles.yml"
        if not path.is_file() or not is_inside(path, self.root):
            return {}
        profile = _mapping(read_document(path).data.get(str(self.document.data.get("profile", self.name))))
        outputs = _mapping(profile.get("outputs"))
        target = str(profile.get("target", "default"))
        chosen = _mapping(outputs.get(target) or next(iter(outputs.values()), None))
        kind = chosen.get("type")
        return {"type": kind, "target": target} if isinstance(kind, str) else {}


def _is_config(name: str, value: Any) -> bool:
    return name.startswith("+") or not isinstance(value, dict)


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _meta(source: Properties) -> dict[str, Any]:
    """What a source says for all its tables."""
    config = _mapping(source.data.get("config"))
    return {"meta": {**_mapping(source.data.get("meta")), **_mapping(config.get("meta"))}}

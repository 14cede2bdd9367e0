"""source.yaml: what from outside a product is built from (files, a Delta table, a database), and how it is read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path, PurePosixPath
from typing import Any, Final, get_args

from mesh_catalog.contracts.types import spark_type
from mesh_catalog.documents import read_document
from mesh_catalog.errors import listed
from mesh_catalog.specs import SourceFormat, SourceSpec
from mesh_catalog.workspace.database_section import DATABASE_KEYS, read_database
from mesh_catalog.workspace.paths import is_inside
from mesh_catalog.workspace.section import Section

__all__ = ["SOURCE_OPTIONS", "read_source_file"]

_URI: Final = re.compile(r"(s3a|abfss|gs|hdfs)://[^\s/]+/\S*")
_FORBIDDEN: Final = re.compile(r"[`\x00-\x1f]")
_OPTION_LIMIT: Final = 200
_FILE_LIMIT_MIB: Final = 1024
_FILE_KEYS: Final = ("path", "settled")
_KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "csv": (*_FILE_KEYS, "options", "columns", "broken_rows"),
    "json": (*_FILE_KEYS, "options", "columns", "broken_rows", "rotating"),
    "parquet": _FILE_KEYS,
    "binary": (*_FILE_KEYS, "file_limit_mib"),
    "delta": ("path", "version"),
    "jdbc": DATABASE_KEYS,
}
"""What may stand in source.yaml beside `format`, by format."""
SOURCE_OPTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "csv": (
        "header",
        "sep",
        "quote",
        "escape",
        "encoding",
        "nullValue",
        "emptyValue",
        "dateFormat",
        "timestampFormat",
        "multiLine",
        "comment",
        "ignoreLeadingWhiteSpace",
        "ignoreTrailingWhiteSpace",
    ),
    "json": ("multiLine", "encoding", "dateFormat", "timestampFormat"),
}
"""Options of Spark's reader that a source may set, by format: none that reads other files or runs code."""


def read_source_file(path: Path, root: Path) -> SourceSpec:
    """Read a source.yaml.

    Raises:
        DocumentError: An unknown key, format, option or type, a path that leaves the workspace, or a password.
    """
    document = read_document(path)
    every = tuple(dict.fromkeys(key for keys in _KEYS.values() for key in keys))
    section = Section(document, ("format", *every))
    kind: SourceFormat = section.choice("format", get_args(SourceFormat))  # type: ignore[assignment]
    for key in section.data:
        if key not in ("format", *_KEYS[kind]):
            fit = [name for name, keys in _KEYS.items() if key in keys]
            raise section.error(f"'{key}' belongs to format {listed(fit)}, not to {kind}. Remove it.", key)
    if kind == "jdbc":
        return SourceSpec(format=kind, database=read_database(section))
    return SourceSpec(
        format=kind,
        path=_path(section, root),
        options=_options(section, kind) if kind in SOURCE_OPTIONS else {},
        columns=_columns(section, kind) if kind in SOURCE_OPTIONS else {},
        broken_rows=section.choice("broken_rows", ("refuse", "quarantine"), default="refuse"),  # type: ignore[arg-type]
        settled=section.duration("settled") or timedelta(minutes=1 if _flag(section, "rotating") else 0),
        rotating=_rotating(section),
        file_limit_bytes=int(
            section.number("file_limit_mib", least=0.001, most=_FILE_LIMIT_MIB, default=64) * 1024 * 1024
        ),
        version=_version(section),
    )


def _flag(section: Section, key: str) -> bool:
    value: Any = section.data.get(key, False)
    if not isinstance(value, bool):
        raise section.error(f"'{key}' must be true or false.", key)
    return value


def _rotating(section: Section) -> bool:
    if not _flag(section, "rotating"):
        return False
    if "://" in section.text("path"):
        raise section.error(
            "files of an object store are not renamed by a log rotation. Remove 'rotating'.", "rotating"
        )
    return True


def _version(section: Section) -> int | None:
    if "version" not in section:
        return None
    number = section.number("version", least=0, most=2**53, default=0)
    if number != int(number):
        raise section.error("'version' must be a whole number.", "version")
    return int(number)


def _path(section: Section, root: Path) -> str:
    text = section.text("path")
    if "://" in text:
        if not _URI.fullmatch(text):
            raise section.error("path must be of s3a://, abfss://, gs:// or hdfs://, or lie in the workspace.", "path")
        return text
    parts = PurePosixPath(text).parts
    if text.startswith(("/", "~")) or ".." in parts or "\\" in text or ":" in text or _FORBIDDEN.search(text):
        raise section.error(
            f"path '{text[:40]}' leaves the workspace. Write a path inside it, for example landing/shop/orders/*.csv.",
            "path",
        )
    fixed = Path(root, *_before_glob(parts))
    found = root.glob(text) if len(parts) > len(_before_glob(parts)) else iter((fixed,))
    for one in (fixed, *found):
        if not is_inside(one, root):
            raise section.error(f"path '{text[:40]}' leads out of the workspace by a link. Copy the files in.", "path")
    return text


def _before_glob(parts: tuple[str, ...]) -> tuple[str, ...]:
    """The folders before the first one that holds a wildcard."""
    for index, part in enumerate(parts):
        if any(sign in part for sign in "*?["):
            return parts[:index]
    return parts


def _options(section: Section, kind: str) -> dict[str, str]:
    options = section.section("options", SOURCE_OPTIONS[kind])
    found: dict[str, str] = {}
    for key, value in options.data.items():
        if isinstance(value, dict | list) or value is None or len(str(value)) > _OPTION_LIMIT:
            raise options.error(f"the option '{key}' must be a text, a number, true or false.", key)
        found[key] = str(value).lower() if isinstance(value, bool) else str(value)
    return found


def _columns(section: Section, kind: str) -> dict[str, str]:
    columns = section.data.get("columns") or {}
    if not isinstance(columns, dict):
        raise section.error("columns must be a mapping of name: type, in the order of the file.", "columns")
    if not columns:
        raise section.error(f"'columns' is missing. A {kind} file does not know its types: add name: type lines.")
    found: dict[str, str] = {}
    for name, kind_text in columns.items():
        if not name or len(name) > 255 or _FORBIDDEN.search(name):
            raise section.error(
                f"'{name[:40]}' cannot name a column of a file: no backtick, no line break.", "columns", name
            )
        if name.lower() in {other.lower() for other in found}:
            raise section.error(
                f"the column '{name[:40]}' stands twice; Spark ignores case. Keep one.", "columns", name
            )
        try:
            found[name] = spark_type(str(kind_text))
        except ValueError as error:
            raise section.error(f"the column '{name[:40]}' {error}", "columns", name) from error
    return found

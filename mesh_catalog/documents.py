"""YAML documents with the line of every value, and writes that are whole or not at all.

Owns how a file of a workspace is read and how its errors are placed. Knows nothing of what a document means.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from mesh_catalog.errors import DocumentError

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

__all__ = [
    "Document",
    "Mistakes",
    "check_schema",
    "dump_yaml",
    "parse_document",
    "raise_all",
    "read_document",
    "write_whole",
]

_SIZE_LIMIT_BYTES = 4 * 1024 * 1024
_BREACHES = 9
Place = tuple[str | int, ...]


@dataclass(frozen=True, kw_only=True)
class Document:
    """A mapping read from YAML, and the line (from 1) where each of its values stands."""

    path: Path
    data: dict[str, Any]
    lines: Mapping[Place, int]

    def line(self, place: Sequence[str | int]) -> int | None:
        """The line of `place`, or of its nearest enclosing value."""
        for end in range(len(place), -1, -1):
            if (found := self.lines.get(tuple(place[:end]))) is not None:
                return found
        return None

    def error(self, message: str, *place: str | int) -> DocumentError:
        return DocumentError(message, path=self.path, line=self.line(place))


def read_document(path: Path) -> Document:
    """Read a YAML mapping.

    Raises:
        DocumentError: The file is missing, not UTF-8, over 4 MiB, not YAML, repeats a key, or is not a mapping.
    """
    try:
        if path.stat().st_size > _SIZE_LIMIT_BYTES:
            raise DocumentError("the file is over 4 MiB; a document of a workspace is small.", path=path)
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise DocumentError("is not UTF-8 text. Save it as UTF-8.", path=path) from error
    except OSError as error:
        raise DocumentError(f"cannot be read: {error.strerror}.", path=path) from error
    return parse_document(text, path)


def parse_document(text: str, path: Path) -> Document:
    """The YAML mapping of a text that was read from `path`.

    Raises:
        DocumentError: It is not YAML, repeats a key, or is not a mapping.
    """
    try:
        node = yaml.compose(text, Loader=yaml.CSafeLoader)
        lines: dict[Place, int] = {}
        data = _plain(node, (), lines, path) if node else {}  # all of it may be commented out
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise DocumentError(
            f"is not YAML: {error.problem}.", path=path, line=mark.line + 1 if mark else None
        ) from error
    except (yaml.YAMLError, RecursionError) as error:
        raise DocumentError("is not YAML.", path=path) from error
    if not isinstance(data, dict):
        raise DocumentError("is not a mapping. Write `key: value` lines.", path=path, line=1)
    return Document(path=path, data=data, lines=lines)


def _plain(node: yaml.Node, place: Place, lines: dict[Place, int], path: Path) -> Any:
    lines.setdefault(place, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            if key in found:
                raise DocumentError(f"'{key}' stands twice. Keep one.", path=path, line=key_node.start_mark.line + 1)
            lines[(*place, key)] = key_node.start_mark.line + 1
            found[key] = _plain(value_node, (*place, key), lines, path)
        return found
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, (*place, index), lines, path) for index, item in enumerate(node.value)]
    return _scalar(node)


def _scalar(node: yaml.Node) -> Any:
    constructor = yaml.constructor.SafeConstructor()
    if node.tag in ("tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:binary"):
        return node.value  # JSON schemas speak of strings; dates stay as they were written
    return constructor.construct_object(node)


class Mistakes:
    """The mistakes of one document, gathered while it is read, so that all are told at once."""

    def __init__(self) -> None:
        self._errors: list[DocumentError] = []

    @contextmanager
    def gathered(self) -> Iterator[None]:
        """Keep an error for later, and what it says of the rest of its document."""
        try:
            yield
        except DocumentError as error:
            self._errors += [error, *error.others]

    def __len__(self) -> int:
        return len(self._errors)

    def settle(self) -> None:
        """Raise the first mistake, if there is one, with the others beside it."""
        raise_all(self._errors)


def raise_all(errors: Sequence[DocumentError]) -> None:
    """Raise the first error, if there is one, with the others of the document beside it."""
    if errors:
        errors[0].others = tuple(errors[1:])
        raise errors[0]


def check_schema(document: Document, validator: Validator) -> None:
    """Raise the breaches of a JSON schema as DocumentErrors at their lines, the most telling one first.

    A word may be unexpected only because something below it is wrong: such breaches are left out.
    """
    from jsonschema.exceptions import best_match

    found = [inner for breach in validator.iter_errors(document.data) if (inner := best_match([breach]))]
    first = best_match(found)
    if first is None:
        return
    rest = [one for one in found if one is not first and not (_is_closed(one) and _has_below(one, found))]
    told: dict[str, DocumentError] = {}
    for breach in (first, *rest[:_BREACHES]):
        place = list(breach.absolute_path)
        where = ".".join(str(part) for part in place) or "the document"
        unexpected = [key for key in breach.instance if repr(key) in breach.message] if _is_closed(breach) else []
        sentence = f"{where}: {_schema_sentence(breach)}"
        told.setdefault(sentence, document.error(sentence, *place, *unexpected[:1]))
    raise_all(list(told.values()))


def _is_closed(breach: Any) -> bool:
    return breach.validator in ("additionalProperties", "unevaluatedProperties")


def _has_below(breach: Any, found: Sequence[Any]) -> bool:
    place = list(breach.absolute_path)
    return any(one is not breach and list(one.absolute_path)[: len(place)] == place for one in found)


def _schema_sentence(breach: Any) -> str:
    value = breach.instance
    if breach.validator == "enum":
        return f"'{value}' is not known. Allowed: {', '.join(str(v) for v in breach.validator_value)}."
    if breach.validator == "required":
        missing = [name for name in breach.validator_value if name not in value]
        return f"'{missing[0]}' is missing. Add it."
    if breach.validator in ("additionalProperties", "unevaluatedProperties"):
        return f"{breach.message.split('(')[-1].rstrip(')')}. Remove it, or put it under customProperties."
    if breach.validator == "type":
        return f"is of type {type(value).__name__}, but must be {breach.validator_value}."
    message = str(breach.message)
    return message if len(message) <= 200 else message[:199] + "…"


def write_whole(path: Path, text: str) -> None:
    """Write a file so that a reader, or a crash, sees the old text or the new, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


@cache
def _dumper() -> type[yaml.SafeDumper]:
    class Dumper(yaml.SafeDumper):
        def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
            super().increase_indent(flow, False)

    return Dumper


def dump_yaml(data: Mapping[str, Any]) -> str:
    """YAML as a person would write it: keys in order, lists indented, flow style for short leaves."""
    return yaml.dump(
        dict(data), Dumper=_dumper(), sort_keys=False, allow_unicode=True, width=110, default_flow_style=None
    )

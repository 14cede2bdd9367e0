"""What may be said of an error that came out of Spark or of a domain's code.

Spark puts row values into its messages (a failed cast prints the text, a CHECK prints the row), and so may a domain's
own exception. What is said is the condition's name, where it happened, and never a value that came from data.
"""

from __future__ import annotations

import re
import traceback
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote

from mesh_catalog.errors import ConflictError, InputError

__all__ = ["conflict", "describe_error", "is_conflict", "spark_condition", "storage_failure", "unreadable_file"]

_LIMIT = 400
_CAUSES = 20
_FULL = ("No space left", "Disk quota exceeded", "File too large")
_DENIED = ("Permission denied", "Operation not permitted", "Read-only file system", "Mkdirs failed", "AccessDenied")
_CONFLICTS = ("CONCURRENT", "DELTA_METADATA_CHANGED", "DELTA_PROTOCOL_CHANGED")
_CONFLICT_CLASSES = ("Concurrent", "MetadataChangedException", "ProtocolChangedException")
_FILE = re.compile(r"FAILED_READ_FILE\.(\w+)\] Encountered error while reading file (?:file:/*(?=/))?(.+?)\.\s")
_UDF_FRAME = re.compile(r'File "([^"]+)", line (\d+), in (\S+)')
_UDF_TYPE = re.compile(r"^([A-Za-z_][\w.]*(?:Error|Exception|Warning|Exit|Interrupt|Iteration))\b", re.MULTILINE)


def spark_condition(error: BaseException) -> str | None:
    """Spark's name for the condition, for example `CAST_INVALID_INPUT`, or None where it has none."""
    from pyspark.errors import PySparkException

    if isinstance(error, PySparkException):
        return error.getCondition()
    match = re.search(r"\[([A-Z][A-Z0-9_.]+)\]", str(error))
    return match[1] if match else None


def conflict(product: str) -> ConflictError:
    return ConflictError(f"{product}: somebody else published it at the same time. Publish again.")


def is_conflict(error: BaseException) -> bool:
    """Whether Delta refused a commit because another one came first; then this one is sure not to have happened."""
    condition = (spark_condition(error) or "").upper()
    return any(word in condition for word in _CONFLICTS) or any(
        word in f"{type(error).__name__} {str(error)[:300]}" for word in _CONFLICT_CLASSES
    )


def storage_failure(error: BaseException) -> Literal["full", "denied"] | None:
    """Whether an error of Spark or of the operating system comes from a full disk, or from a folder without the right.

    Reads what all its causes in the JVM say, and tells none of it.
    """
    texts = [str(error)]
    cause: Any = getattr(error, "java_exception", None) or getattr(error, "_origin", None)
    while cause is not None and len(texts) < _CAUSES:
        texts.append(str(cause.toString()))
        cause = cause.getCause()
    said = "\n".join(texts)
    if _UDF_FRAME.search(said):
        return None  # a domain's own code met it, somewhere else
    if any(words in said for words in _FULL):
        return "full"
    return "denied" if any(words in said for words in _DENIED) else None


def describe_error(error: BaseException, *, folder: Path | None = None, quote: bool = False) -> str:
    """One sentence about an error.

    Args:
        error: What was raised.
        folder: The product's folder; the innermost line of code inside it is named.
        quote: Whether the error's own text may be given: only where no value of a personal column can be in it.
    """
    from pyspark.errors import AnalysisException, PySparkException

    if isinstance(error, AnalysisException):  # raised on the plan: it names columns and types, not rows
        return _shortened(str(error).splitlines()[0])
    if isinstance(error, PySparkException) or type(error).__module__.startswith("py4j"):
        return _describe_spark(error)
    place = _place(error, folder)
    text = f": {_shortened(str(error))}" if quote and str(error) else ""
    return f"{type(error).__name__}{text}{place}"


def unreadable_file(error: BaseException) -> InputError | ConflictError | None:
    """What to say of a source file that Spark could not read; None where the error is of another kind."""
    text = str(error)
    match = _FILE.search(text)
    if match is None:
        if "CANNOT_MERGE_SCHEMAS" in text:
            return InputError("The source's Parquet files have columns of different types. Write them anew alike.")
        return None
    kind, name = match[1], unquote(match[2])
    if kind == "FILE_NOT_EXIST":
        return ConflictError(f"{name}: went away while it was read. Nothing was written; publish again.")
    if kind == "PARQUET_COLUMN_DATA_TYPE_MISMATCH":
        return InputError(f"{name}: has columns of other types than the first file of the batch. Write it anew.")
    if "Unexpected end of input stream" in text or "EOFException" in text:
        return InputError(
            f"{name}: is cut off, its compressed data ends too early. Nothing was written; send it again."
        )
    if "CSV header does not conform" in text:
        return InputError(
            f"{name}: its header is not that of source.yaml. Correct the file, or columns in source.yaml."
        )
    return InputError(f"{name}: is damaged and cannot be read. Nothing was written; send it again.")


def _describe_spark(error: BaseException) -> str:
    text = str(error)
    frames = [frame for frame in _UDF_FRAME.findall(text) if "pyspark" not in frame[0]]
    if frames:
        types = _UDF_TYPE.findall(text)
        path, line, function = frames[-1]
        return f"{types[-1] if types else 'an error'} in {function}, {Path(path).name}:{line} (the value is not shown)"
    condition = spark_condition(error)
    if condition:
        return f"Spark stopped with {condition} (values are not shown)"
    return f"Spark stopped with {type(error).__name__} (its text may hold values and is not shown)"


def _place(error: BaseException, folder: Path | None) -> str:
    if folder is None:
        return ""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if Path(frame.filename).parent == folder:
            return f" ({Path(frame.filename).name}:{frame.lineno})"
    return ""


def _shortened(text: str) -> str:
    return text if len(text) <= _LIMIT else text[: _LIMIT - 1] + "…"

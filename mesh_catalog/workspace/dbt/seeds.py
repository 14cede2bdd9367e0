"""A seed, a CSV file of the project, as a product over a copy of the file in landing/. Columns keep their names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from mesh_catalog.contracts.classification import suspect_name
from mesh_catalog.contracts.infer import ColumnSummary, Inference, InferredColumn
from mesh_catalog.contracts.types import LOGICAL_TYPES, spark_type
from mesh_catalog.errors import InputError
from mesh_catalog.workspace.dbt.sql import spark_type_from
from mesh_catalog.workspace.import_texts import build_text, source_text
from mesh_catalog.workspace.scanning import scan_file

__all__ = ["PlannedSeed", "plan_seed"]

_COLUMN: Final = re.compile(r"[A-Za-z_]\w{0,127}")


@dataclass(frozen=True, kw_only=True)
class PlannedSeed:
    columns: Mapping[str, str]
    suspected: Mapping[str, str]
    """Classification of columns that may tell of people."""
    landing: str
    source_text: str
    build_text: str
    notes: tuple[str, ...] = ()


def plan_seed(path: Path, product: str, *, config: Mapping[str, Any], dialect: str | None) -> PlannedSeed:
    """Read a seed and say how it is published.

    Raises:
        InputError: The file cannot be read, or a header cannot name a column.
    """
    scan = scan_file(path)
    declared = config.get("column_types") if isinstance(config.get("column_types"), dict) else {}
    columns: dict[str, str] = {}
    inferred, suspected = [], {}
    notes = ["white space around values is cut off"] if scan.trimmed else []
    for summary in scan.columns:
        if not _COLUMN.fullmatch(summary.name):
            raise InputError(f"has the header '{summary.name[:40]}', which cannot name a column")
        kept = _as_dbt_reads(summary)
        said = next((v for key, v in (declared or {}).items() if str(key).lower() == summary.name.lower()), None)
        kind = _declared(said, dialect)
        if said is not None and kind is None:
            notes.append(f"the column_type '{str(said)[:40]}' of {summary.name} is not known: {kept.kind} is taken")
        columns[summary.name] = kind or LOGICAL_TYPES.get(kept.kind, "string")
        inferred.append(InferredColumn(name=summary.name, source=kept, required=False, key=False))
        if (suspicion := summary.suspicion or suspect_name(summary.name)) is not None:
            suspected[summary.name] = suspicion.classification
    inference = Inference(rows=scan.rows, columns=tuple(inferred))
    landing = f"landing/{product.replace('.', '/', 1)}/{path.name}"
    scan = replace(scan, columns=tuple(column.source for column in inferred))
    return PlannedSeed(
        columns=columns,
        suspected=suspected,
        landing=landing,
        source_text=source_text(landing, scan, inference),
        build_text=build_text(landing, inference),
        notes=tuple(notes),
    )


def _as_dbt_reads(summary: ColumnSummary) -> ColumnSummary:
    """dbt takes neither `NA` for a missing number nor 3/4/2026 for a date: such columns are text."""
    if summary.missing_words or summary.format:
        return replace(summary, kind="string", missing_words=(), format=None, blank_count=0)
    return summary


def _declared(text: object, dialect: str | None) -> str | None:
    found = spark_type_from(str(text), dialect=dialect) if text is not None else None
    try:
        return spark_type(found) if found else None
    except ValueError:
        return None

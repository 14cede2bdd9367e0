from __future__ import annotations

from pathlib import Path

import pytest

from mesh_catalog.errors import DocumentError
from mesh_catalog.workspace.source_file import read_source_file
from tests.unit.workspace.samples import write

_COLUMNS = "columns: {a: bigint}\n"


@pytest.mark.parametrize(
    "path", ["landing/a/*.csv", "landing/2026/a.csv", "s3a://bucket/a/*.csv", "hdfs://host:8020/a/*"]
)
def test_files_of_the_workspace_and_of_object_stores_are_sources(workspace_dir: Path, path: str) -> None:
    file = write(workspace_dir, "source.yaml", f"path: '{path}'\nformat: csv\n{_COLUMNS}")
    assert read_source_file(file, workspace_dir).path == path


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("path: /etc/passwd\nformat: csv\n" + _COLUMNS, "leaves the workspace"),
        ("path: landing/../../x\nformat: csv\n" + _COLUMNS, "leaves the workspace"),
        ("path: ~/x\nformat: csv\n" + _COLUMNS, "leaves the workspace"),
        ("path: 'file:///etc/passwd'\nformat: csv\n" + _COLUMNS, "must be of s3a"),
        ("path: 'http://host/x'\nformat: csv\n" + _COLUMNS, "must be of s3a"),
        ("path: 'file:/etc/passwd'\nformat: csv\n" + _COLUMNS, "leaves the workspace"),
        ("format: csv\n" + _COLUMNS, "'path' is missing"),
        ("path: a\nformat: excel\n", "Allowed: csv, json, parquet"),
        ("path: a\nformat: csv\n", "'columns' is missing"),
        ("path: a\nformat: csv\noptions: {heder: true}\n" + _COLUMNS, "Did you mean 'header'"),
        ("path: a\nformat: json\noptions: {header: true}\n" + _COLUMNS, "'header' is not known"),
        ("path: a\nformat: csv\noptions: {sep: [a]}\n" + _COLUMNS, "must be a text"),
        ("path: a\nformat: csv\ncolumns: {a: bigit}\n", "Did you mean 'bigint'"),
        ("path: a\nformat: csv\ncolumns: {a: int, A: int}\n", "stands twice"),
        ("path: a\nformat: csv\ncolumns: {'a`b': int}\n", "no backtick"),
        ("path: a\nformat: csv\ncolumns: [a]\n", "must be a mapping"),
        ("path: a\nformat: csv\npassword: x\n" + _COLUMNS, "'password' is not known"),
    ],
)
def test_what_leaves_the_workspace_or_is_no_word_of_a_source_is_refused(
    workspace_dir: Path, text: str, sentence: str
) -> None:
    file = write(workspace_dir, "source.yaml", text)
    with pytest.raises(DocumentError, match=sentence):
        read_source_file(file, workspace_dir)


def test_a_link_in_landing_that_leads_out_is_refused(workspace_dir: Path, tmp_path: Path) -> None:
    secret = write(tmp_path, "secret.csv", "a\n1\n")
    (workspace_dir / "landing").mkdir()
    (workspace_dir / "landing" / "x.csv").symlink_to(secret)
    file = write(workspace_dir, "source.yaml", "path: landing/*.csv\nformat: csv\n" + _COLUMNS)
    with pytest.raises(DocumentError, match="leads out of the workspace"):
        read_source_file(file, workspace_dir)


def test_parquet_knows_its_own_columns(workspace_dir: Path) -> None:
    file = write(workspace_dir, "source.yaml", "path: a/*.parquet\nformat: parquet\n")
    assert read_source_file(file, workspace_dir).columns == {}

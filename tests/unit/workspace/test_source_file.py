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
        ("path: a\nformat: excel\n", "Allowed: csv, json, parquet, binary, delta, jdbc"),
        ("path: a\nformat: csv\n", "'columns' is missing"),
        ("path: a\nformat: csv\noptions: {heder: true}\n" + _COLUMNS, "Did you mean 'header'"),
        ("path: a\nformat: json\noptions: {header: true}\n" + _COLUMNS, "'header' is not known"),
        ("path: a\nformat: csv\noptions: {sep: [a]}\n" + _COLUMNS, "must be a text"),
        ("path: a\nformat: csv\ncolumns: {a: bigit}\n", "Did you mean 'bigint'"),
        ("path: a\nformat: csv\ncolumns: {a: int, A: int}\n", "stands twice"),
        ("path: a\nformat: csv\ncolumns: {'a`b': int}\n", "no backtick"),
        ("path: a\nformat: csv\ncolumns: [a]\n", "must be a mapping"),
        ("path: a\nformat: csv\npassword: x\n" + _COLUMNS, "'password' is not known"),
        ("path: a\nformat: csv\nbroken_rows: drop\n" + _COLUMNS, "Allowed: refuse, quarantine"),
        ("path: a\nformat: parquet\nbroken_rows: quarantine\n", "belongs to format csv, json, not to parquet"),
        ("path: a\nformat: parquet\nsettled: soon\n", "'soon' is not a length of time"),
        ("path: 's3a://b/*'\nformat: json\nrotating: true\n" + _COLUMNS, "not renamed by a log rotation"),
        ("path: a\nformat: json\nrotating: 1\n" + _COLUMNS, "must be true or false"),
        ("path: a\nformat: binary\nfile_limit_mib: 4096\n", "must be from 0.001 to 1024"),
        ("path: a\nformat: delta\nversion: -1\n", "must be from 0"),
        ("path: a\nformat: delta\nversion: 1.5\n", "must be a whole number"),
        ("path: /lake/x\nformat: delta\n", "leaves the workspace"),
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


_DATABASE = "format: jdbc\nhost: db.example.org\ndatabase: shop\nuser: reader\npassword_env: SHOP_DB_PASSWORD\n"


def test_a_database_is_named_without_its_password(workspace_dir: Path) -> None:
    text = _DATABASE + "sslmode: require\nquery: select a from t where b = 'x; y';\nincremental: a\n"
    source = read_source_file(write(workspace_dir, "source.yaml", text), workspace_dir)
    assert source.database is not None
    assert source.database.url == "jdbc:postgresql://db.example.org:5432/shop?sslmode=require"
    assert source.database.query == "select a from t where b = 'x; y'"
    assert (
        source.address == "jdbc:postgresql://db.example.org:5432/shop?sslmode=require select a from t where b = 'x; y'"
    )
    assert not source.whole


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "format: jdbc\nurl: 'jdbc:postgresql://ana:hunter2@h/db'\ntable: t\n",  # pragma: allowlist secret
            "holds a user or a password",
        ),
        ("format: jdbc\nurl: 'jdbc:postgresql://h/db?password=hunter2'\ntable: t\n", "holds a user or a password"),
        ("format: jdbc\nurl: 'jdbc:postgresql://h/db?socketFactory=hunter2'\ntable: t\n", "no more than .sslmode"),
        ("format: jdbc\nurl: 'jdbc:mysql://h/hunter2'\ntable: t\n", "must be jdbc:postgresql"),
        ("format: jdbc\nurl: 'jdbc:postgresql://h/db'\nhost: h\ntable: t\n", "'host' stands beside 'url'"),
        ("format: jdbc\nhost: h\ntable: t\n", "'host' and 'database'"),
        (_DATABASE + "table: t\npassword: hunter2\n", "'password' is not known here"),
        (_DATABASE.replace("SHOP_DB_PASSWORD", "hunter2") + "table: t\n", "a variable that ends in _PASSWORD"),
        (_DATABASE.replace("SHOP_DB_PASSWORD", "AWS_SECRET_ACCESS_KEY") + "table: t\n", "ends in _PASSWORD"),
        (_DATABASE, "say what to read"),
        (_DATABASE + "table: t\nquery: select 1\n", "one of the two"),
        (_DATABASE + "table: 't\"; drop table t'\n", "must be schema.table"),
        (_DATABASE + "query: delete from t\n", "must be one SELECT"),
        (_DATABASE + "query: select 1; select 2\n", "must be one SELECT"),
        (_DATABASE + "query: with a as (delete from t returning 1) select * from a\n", "holds DELETE"),
        (_DATABASE + "query: select * into x from t\n", "holds INTO"),
        (_DATABASE + "query: select * from t for update\n", "holds LOCK"),
        (_DATABASE + "query: selec 1 from\n", "query"),
        (_DATABASE + "table: t\ncolumns: {a: int}\n", "'columns' belongs to format csv, json, not to jdbc"),
        (_DATABASE + "table: t\nincremental: 'a b'\n", "must be a column's name"),
        (_DATABASE + "table: t\npartition: {column: a, lower: 1}\n", "'upper' must be a whole number"),
        (_DATABASE + "table: t\npartition: {column: a, lower: 1, upper: 9, number: 900}\n", "must be from 2 to 64"),
    ],
)
def test_what_is_no_database_or_holds_a_secret_is_refused(workspace_dir: Path, text: str, sentence: str) -> None:
    file = write(workspace_dir, "source.yaml", text)
    with pytest.raises(DocumentError, match=sentence) as refusal:
        read_source_file(file, workspace_dir)
    assert "hunter2" not in str(refusal.value)

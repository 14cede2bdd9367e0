"""Which version each commit made, beside others that commit."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, write_deltalake

from mesh_catalog.lake.commit_log import read_commits
from mesh_catalog.lake.table import read_table_state

COMMITS = 60


def commit(folder: Path, number: int) -> None:
    told = CommitProperties(custom_metadata={"userMetadata": json.dumps({"mesh_run": f"run {number}"})})
    write_deltalake(str(folder), pa.table({"k": [number]}), mode="append", commit_properties=told)


def commit_each(folder: Path) -> None:
    for number in range(1, COMMITS):
        commit(folder, number)


def test_a_commit_that_came_after_the_table_was_opened_shifts_no_number(tmp_path: Path) -> None:
    for number in range(3):
        commit(tmp_path, number)
    table = DeltaTable(str(tmp_path))
    commit(tmp_path, 3)
    assert [(one["version"], json.loads(one["userMetadata"])["mesh_run"]) for one in read_commits(table, 3)] == [
        (version, f"run {version}") for version in (3, 2, 1)
    ]


def test_each_run_has_its_own_version_while_others_commit(tmp_path: Path) -> None:
    commit(tmp_path, 0)
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(commit_each, tmp_path)
        newest = 0
        while newest < COMMITS - 1:
            state = read_table_state("shop.orders", str(tmp_path))
            assert {one.run_id: one.version for one in state.commits} == {
                f"run {one.version}": one.version for one in state.commits
            }
            assert state.version == state.commits[0].version
            newest = state.commits[0].version
        writing.result()

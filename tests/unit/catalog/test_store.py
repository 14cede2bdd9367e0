from __future__ import annotations

import importlib
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import select

from mesh_catalog.catalog.inventory import list_products
from mesh_catalog.catalog.lineage import lineage
from mesh_catalog.catalog.migrations import HEAD
from mesh_catalog.catalog.runs import read_checks, read_versions
from mesh_catalog.catalog.search import search
from mesh_catalog.catalog.store import Catalog, among, open_catalog, upsert
from mesh_catalog.catalog.tables import domains, metadata
from mesh_catalog.errors import ConflictError, SettingsError, StorageError
from tests.unit.catalog.conftest import ON_BOTH, ON_SQLITE
from tests.unit.catalog.samples import NOON

ROOT = Path(__file__).parents[3]

WRITER = """
import sys
from mesh_catalog.catalog.store import open_catalog
from tests.unit.catalog.conftest import ON_SQLITE
from tests.unit.catalog.samples import NOON, failed_check, version_of
from mesh_catalog.catalog.runs import finish_run, start_run
url, number = sys.argv[1], int(sys.argv[2])
for turn in range(25):
    catalog = open_catalog(url)
    version = number * 25 + turn
    run_id = start_run(catalog, product="payments.transactions", kind="publish", principal="ana")
    finish_run(
        catalog,
        run_id,
        outcome="published",
        version=version_of("payments.transactions", version, run_id),
        checks=[failed_check(verdict="pass")] * 3,
        source_files=[f"{version}.csv"],
    )
    catalog.close()
"""
OPENER = """
import sys
from mesh_catalog.catalog.store import open_catalog
open_catalog(sys.argv[1]).close()
"""


def run_together(scripts: list[list[str]]) -> list[str]:
    """Run Python scripts at the same time; returns what they said on stderr."""
    processes = [
        subprocess.Popen([sys.executable, "-c", *script], cwd=ROOT, stderr=subprocess.PIPE, text=True)
        for script in scripts
    ]
    return [process.communicate(timeout=240)[1] for process in processes]


def test_four_processes_that_write_at_once_lose_nothing(catalog: Catalog, url: str) -> None:
    errors = run_together([[WRITER, url, str(number)] for number in range(4)])
    assert errors == [""] * 4
    versions = read_versions(catalog, "payments.transactions")
    assert [version.version for version in versions] == list(range(100))
    assert all(len(read_checks(catalog, version.run_id)) == 3 for version in versions)


REGISTRAR = """
import sys
from mesh_catalog.catalog.assets import register_product
from mesh_catalog.catalog.store import open_catalog
from mesh_catalog.catalog.runs import finish_run, start_run
from tests.unit.catalog.samples import dataset_contract, version_of
catalog = open_catalog(sys.argv[1])
for turn in range(8):
    name = f"payments.made_{sys.argv[2]}_{turn}"
    owner = f"team {turn}"
    register_product(catalog, dataset_contract(name, "amount", f"word{turn}"), domain=f"domain_{turn % 3}", owner=owner)
    shared = dataset_contract(f"payments.shared_{turn}", *(f"column_{number}" for number in range(turn + 2)))
    register_product(catalog, shared, domain=f"domain_{turn % 3}", owner=owner)
    run_id = start_run(catalog, product=name, kind="publish", principal="ana")
    finish_run(catalog, run_id, outcome="published", version=version_of(name, 0, run_id), inputs={shared.id: 0})
"""


@ON_BOTH
def test_eight_processes_that_register_and_commit_at_once_lose_nothing(empty: Catalog, url: str) -> None:
    assert run_together([[REGISTRAR, url, str(number)] for number in range(8)]) == [""] * 8
    assert len(list_products(empty)) == 8 * 8 + 8
    assert {name for number in range(8) for name in [f"payments.made_{number}_7"]} <= {
        hit.name for hit in search(empty, "word7", limit=100)
    }
    graph = lineage(empty, "payments.shared_3", direction="downstream")
    assert {node.name for node in graph.nodes if node.key != graph.root} == {
        f"payments.made_{number}_3" for number in range(8)
    }


def test_four_processes_that_open_a_new_catalog_at_once_all_succeed(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'new' / 'catalog.db'}"
    assert run_together([[OPENER, url]] * 4) == [""] * 4
    open_catalog(url).close()


def test_opening_a_catalog_that_is_up_to_date_does_not_import_alembic(empty: Catalog, url: str) -> None:
    heavy = ["alembic", "pandas", "numpy", "mlflow", "pyspark", "evidently", "sqlglot", "pyarrow"]
    script = OPENER + f"print([name for name in {heavy} if name in sys.modules], file=sys.stderr)"
    assert run_together([[script, url]]) == ["[]\n"]


def test_the_migrations_make_exactly_the_tables_that_the_code_expects(empty: Catalog) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    with empty.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_the_head_that_is_written_down_is_the_newest_migration() -> None:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    run = importlib.import_module("mesh_catalog.catalog.migrations.run")
    config = Config()
    config.set_main_option("script_location", str(Path(str(run.__file__)).parent))
    assert ScriptDirectory.from_config(config).get_current_head() == HEAD


def test_a_catalog_of_a_newer_mesh_catalog_is_refused(empty: Catalog, url: str) -> None:
    with empty.write() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StorageError, match="written by a newer mesh-catalog"):
        open_catalog(url)


def test_a_file_that_is_no_database_is_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "catalog.db"
    path.write_bytes(b"this is not a database at all" * 100)
    with pytest.raises(
        StorageError, match=r"is damaged \(file is not a database\)\. Move it away.*mesh catalog restore"
    ):
        open_catalog(f"sqlite:///{path}")


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StorageError, match="its folder cannot be made"):
        open_catalog(f"sqlite:///{tmp_path / 'file' / 'catalog.db'}")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://mesh:hunter2@127.0.0.1:1/catalog",  # pragma: allowlist secret
        "postgresql+psycopg://mesh:hunter2@127.0.0.1:1/catalog?password=hunter2",  # pragma: allowlist secret
        "postgresql://mesh:hunter2@:x:/catalog",  # pragma: allowlist secret
        "oracle://mesh:hunter2@host/catalog",  # pragma: allowlist secret
        "hunter2",
    ],
)
def test_no_error_shows_the_password_of_the_url(url: str) -> None:
    with pytest.raises((StorageError, SettingsError), match="catalog") as caught:
        open_catalog(url)
    seen: BaseException | None = caught.value
    while seen is not None:
        assert "hunter2" not in str(seen)
        seen = seen.__cause__


def test_a_failed_transaction_leaves_nothing(empty: Catalog) -> None:
    with pytest.raises(StorageError, match="no such table|does not exist"), empty.write() as connection:
        connection.exec_driver_sql("INSERT INTO owners VALUES ('ana')")
        connection.exec_driver_sql("INSERT INTO ghosts VALUES (1)")
    with empty.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM owners").scalar() == 0


def test_foreign_keys_are_kept(empty: Catalog) -> None:
    with pytest.raises(StorageError, match="(?i)foreign key constraint"), empty.write() as connection:
        connection.exec_driver_sql("INSERT INTO run_files VALUES ('ghost', 'a.csv')")


@ON_SQLITE
def test_a_writer_that_waits_too_long_is_told_to_try_again(
    empty: Catalog, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mesh_catalog.catalog.store._BUSY_SECONDS", 0.1)
    other = open_catalog(url)
    with empty.write(), pytest.raises(ConflictError, match="Try again"), other.write():
        pass
    other.close()


def test_threads_share_a_catalog(empty: Catalog) -> None:
    def add(name: str) -> None:
        with empty.write() as connection:
            connection.exec_driver_sql(f"INSERT INTO owners VALUES ('{name}')")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, map(str, range(40))))
    with empty.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM owners").scalar() == 40


def test_a_reader_is_not_held_up_by_a_writer(empty: Catalog, url: str) -> None:
    other = open_catalog(url)
    with empty.write() as writer:
        writer.exec_driver_sql("INSERT INTO owners VALUES ('ana')")
        with other.read() as reader:
            assert reader.exec_driver_sql("SELECT count(*) FROM owners").scalar() == 0
    other.close()


@ON_BOTH
def test_rows_written_many_at_once_are_read_as_they_were(empty: Catalog) -> None:
    names = ['"', "\\", "a,b", "{}", "NULL", " ", "", "tab\tline\n", "결제", "it's"]
    made = {"fingerprint": "", "members": ['a"b', "\\"], "retired_at": NOON}
    rows = [{**made, "name": name, "description": name} for name in names]
    with empty.write() as connection:
        upsert(connection, domains, [*rows, {**made, "name": "bare", "description": None, "members": None}])
        found = {row.name: row for row in connection.execute(select(domains))}
        asked = connection.execute(select(domains.c.name).where(among(connection, domains.c.name, names))).scalars()
        assert sorted(asked) == sorted(names)
    assert found.keys() == {*names, "bare"}
    assert all(found[name].description == name and found[name].members == made["members"] for name in names)
    assert (found["bare"].description, found["bare"].members, found["bare"].retired_at) == (None, None, NOON)

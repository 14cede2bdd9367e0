"""What breaks under a product is said in one sentence, and what can go on goes on."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mesh_catalog.access.gate import request_read
from mesh_catalog.catalog.runs import read_runs, read_versions
from mesh_catalog.errors import StorageError
from mesh_catalog.lake.arrow import preview_rows
from mesh_catalog.lake.profiles import load_profile
from tests.lake.conftest import Shop, order


def log(shop: Shop) -> Path:
    return shop.location / "_delta_log"


def preview(shop: Shop) -> int:
    return int(preview_rows(request_read(shop.mesh, "shop.orders", purpose="preview"), 100).num_rows)


def forget_checksums(shop: Shop) -> None:
    """Hadoop's own checksums would notice a changed file first."""
    for path in shop.root.rglob("*.crc"):
        path.unlink()


@pytest.fixture
def published(shop: Shop) -> Shop:
    shop.land("a", [order(1), order(2)])
    shop.publish()
    shop.land("b", [order(3)])
    shop.publish()
    shop.land("c", [order(4)])
    return shop


def test_a_broken_checkpoint_is_named_and_the_table_lives_without_it(published: Shop) -> None:
    broken = log(published) / f"{1:020}.checkpoint.parquet"
    broken.write_text("not Parquet")
    (log(published) / "_last_checkpoint").write_text(json.dumps({"version": 1, "size": 4}))
    said = r"shop\.orders.*checkpoint _delta_log/0+1\.checkpoint\.parquet is broken\. All commits are there: delete it"
    with pytest.raises(StorageError, match=said):
        preview(published)
    with pytest.raises(StorageError, match=said):
        published.publish()
    broken.unlink()
    (log(published) / "_last_checkpoint").unlink()
    assert published.publish().version == 2
    assert preview(published) == 4


def test_a_commit_that_was_cut_off_is_named_and_nothing_is_written_over_it(published: Shop) -> None:
    commit = log(published) / f"{1:020}.json"
    whole = commit.read_text()
    commit.write_text(whole[: len(whole) // 2])
    forget_checksums(published)
    with pytest.raises(StorageError, match=r"commit _delta_log/0+1\.json is empty or cut off\. Restore that file"):
        published.publish()
    with pytest.raises(StorageError, match=r"shop\.orders v1: its commit _delta_log/0+1\.json is empty or cut off"):
        preview(published)
    commit.write_text(whole)
    assert published.publish().version == 2
    assert preview(published) == 4


def test_a_data_file_that_is_gone_is_named_by_whoever_reads_it(published: Shop) -> None:
    first = next(path for path in published.location.glob("*.parquet") if path.stat().st_size)
    kept = first.read_bytes()
    first.unlink()
    said = r"shop\.orders( v1)?: 1 of its \d data files are missing: part-.*\. Restore the table's folder"
    with pytest.raises(StorageError, match=said):
        preview(published)
    with pytest.raises(StorageError, match=said):
        published.publish()  # a unique key is compared with the rows that are there
    assert read_runs(published.mesh.catalog, "shop.orders", limit=1)[0].outcome == "failed"
    first.write_bytes(kept)
    forget_checksums(published)
    assert published.publish().version == 2
    assert preview(published) == 4


def test_an_input_without_its_data_is_named_not_the_product_that_reads_it(published: Shop) -> None:
    contract = json.loads((published.root / "domains/shop/orders/contract.yaml").read_text())
    contract |= {"id": "shop.copies", "customProperties": []}
    contract["schema"][0]["name"] = "copies"
    published.write("domains/shop/copies/contract.yaml", contract)
    published.write("domains/shop/copies/build.sql", "select * from shop.orders")
    published.reload()
    for path in published.location.glob("*.parquet"):
        path.write_bytes(b"PAR1 broken")
    forget_checksums(published)
    with pytest.raises(StorageError, match=r"^shop\.orders: 2 of its 2 data files are broken"):
        published.publish("shop.copies")


def test_a_table_that_is_gone_is_not_begun_anew(published: Shop) -> None:
    away = published.root / "away"
    shutil.move(published.location, away)
    with pytest.raises(StorageError, match=r"the catalog knows v1, but there is no Delta table at .*Mount its storage"):
        published.publish()
    with pytest.raises(StorageError, match=r"shop\.orders v1: there is no Delta table at"):
        preview(published)
    shutil.rmtree(published.location, ignore_errors=True)
    shutil.move(away, published.location)
    assert published.publish().version == 2


def test_a_lost_profile_stops_who_compares_and_nobody_else(published: Shop) -> None:
    for path in (published.location / "_profiles").iterdir():
        path.unlink()
    with pytest.raises(StorageError, match=r"shop\.orders v1: its profile cannot be read"):
        load_profile(published.mesh, "shop.orders", 1)
    assert published.publish().version == 2
    assert load_profile(published.mesh, "shop.orders", 2).rows == 1


def test_lost_manifests_are_missed_only_where_the_catalog_lost_the_version_too(published: Shop) -> None:
    database = published.mesh.settings.catalog_url.removeprefix("sqlite:///")
    published.opened.close()
    shutil.copy(database, published.root / "earlier.db")
    published.reload()
    assert published.publish().version == 2
    manifests = published.location / "_runs"
    shutil.move(manifests, published.root / "runs")
    published.land("d", [order(5)])
    assert published.publish().version == 3
    published.opened.close()
    for name in ("", "-wal", "-shm"):
        Path(f"{database}{name}").unlink(missing_ok=True)
    shutil.copy(published.root / "earlier.db", database)
    published.reload()
    with pytest.raises(StorageError, match=r"_runs/\w+\.json: is missing or broken.*Restore the file from a backup"):
        published.publish()
    shutil.copytree(published.root / "runs", manifests, dirs_exist_ok=True)
    assert published.publish().outcome == "unchanged"
    assert [record.version for record in read_versions(published.mesh.catalog, "shop.orders")] == [0, 1, 2, 3]


@contextmanager
def unwritable(folder: Path) -> Iterator[None]:
    """A folder in which nobody, root included, makes or changes a file."""
    done = subprocess.run(["chattr", "+i", str(folder)], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"this file system has no immutable folders: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["chattr", "-i", str(folder)], check=True)


@pytest.mark.parametrize("part", ["", "_delta_log", "_profiles"])
def test_a_folder_that_may_not_be_written_leaves_readers_where_they_were(published: Shop, part: str) -> None:
    with unwritable(published.location / part):
        with pytest.raises(StorageError, match=r"shop\.orders: .*may not be written"):
            published.publish()
        assert preview(published) == 3
    assert published.publish().version == 2
    assert preview(published) == 4


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_is_said_and_the_next_publish_goes_through(published: Shop, small_disk: Path) -> None:
    shutil.copytree(published.location, small_disk / "orders")
    shutil.rmtree(published.location)
    published.location.symlink_to(small_disk / "orders")
    (small_disk / "ballast").write_bytes(b"0" * 350_000)
    big = published.land("big", [order(number, email=f"{number}@example.org") for number in range(100, 40_000)])
    with pytest.raises(StorageError, match=r"shop\.orders: the disk is full\. Readers stay on the version"):
        published.publish()
    assert preview(published) == 3
    big.unlink()
    (small_disk / "ballast").unlink()
    assert published.publish().version == 2
    assert preview(published) == 4

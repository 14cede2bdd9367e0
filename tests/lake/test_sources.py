"""Files as they come: whole or broken, in the wrong form, changing while they are read."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable
from pyarrow import parquet
from pyspark.sql import Row

from mesh_catalog.access.gate import request_read
from mesh_catalog.catalog.origins import read_origins
from mesh_catalog.catalog.runs import read_checks
from mesh_catalog.errors import BatchRefusedError, ConflictError, InputError
from mesh_catalog.lake import batch, checks
from mesh_catalog.lake.read import read_table
from mesh_catalog.lake.sources.arrivals import SourceFile, read_head
from mesh_catalog.lake.sources.layout import check_parquet

from .conftest import HEADER, ORDERS, SOURCE, Shop, order

PLAIN = {"apiVersion": "v3.1.0", "kind": "DataContract", "version": "1.0.0", "status": "active"}


def use_source(shop: Shop, **changes: Any) -> None:
    found = {key: value for key, value in {**SOURCE, **changes}.items() if value is not None}
    shop.write("domains/shop/orders/source.yaml", found)
    shop.reload()


def use_columns(shop: Shop, promised: dict[str, str], *, mode: str = "append", **source: Any) -> None:
    """Make shop.orders a product of these columns, Spark type by name, from another source."""
    properties = [{"name": name, "physicalType": kind} for name, kind in promised.items()]
    contract = {
        **PLAIN,
        "id": "shop.orders",
        "schema": [{"name": "orders", "physicalType": "table", "properties": properties}],
        "customProperties": [{"property": "writeMode", "value": mode}],
    }
    shop.write("domains/shop/orders/contract.yaml", contract)
    shop.write("domains/shop/orders/source.yaml", source)
    shop.reload()


def rows(shop: Shop, product: str = "shop.orders") -> list[Row]:
    return read_table(shop.spark, request_read(shop.mesh, product, purpose="analysis")).collect()


def origins(shop: Shop) -> list[str]:
    return list(read_origins(shop.mesh.catalog, "shop.orders")[-1].sources)


# Broken rows -------------------------------------------------------------------------------------------------------


def test_broken_rows_are_counted_and_set_apart_without_the_text_of_people(shop: Shop) -> None:
    use_source(shop, broken_rows="quarantine")
    shop.land("a", [order(1), "2,not a time,zq1@example.org,1,open", order(3), "4"])
    result = shop.publish()
    assert (result.rows, result.quarantined_count) == (2, 2)
    check = next(c for c in read_checks(shop.mesh.catalog, result.run_id) if c.rule == "source.readable")
    assert (check.verdict, check.broken_count) == ("quarantine", 2)
    broken = rows(shop, "shop.orders__broken_rows")
    assert sorted((row["file"], row["line"], row["raw"]) for row in broken) == [
        ("landing/shop/orders/a.csv", 3, None),
        ("landing/shop/orders/a.csv", 5, None),
    ]
    assert all("wrong number of fields" in row["reason"] for row in broken)


def test_the_text_of_broken_rows_is_kept_where_nothing_tells_of_people(shop: Shop) -> None:
    source: dict[str, Any] = {
        "path": "landing/*.csv",
        "format": "csv",
        "options": {"header": True},
        "broken_rows": "quarantine",
    }
    use_columns(shop, {"a": "bigint", "b": "double"}, **source, columns={"a": "bigint", "b": "double"})
    for name in ("x", "y"):  # the same broken line in both, and twice in one
        shop.write(f"landing/{name}.csv", "a,b\n1,2\nnine,2\n\n5\n" + ("nine,2\n" if name == "y" else ""))
    assert shop.publish().quarantined_count == 5
    found = sorted((row["file"], row["line"], row["raw"]) for row in rows(shop, "shop.orders__broken_rows"))
    assert found == [
        ("landing/x.csv", 3, "nine,2"),
        ("landing/x.csv", 5, "5"),
        ("landing/y.csv", 3, "nine,2"),
        ("landing/y.csv", 5, "5"),
        ("landing/y.csv", 6, "nine,2"),
    ]


def test_a_file_of_which_no_row_can_be_read_is_refused_all_the_same(shop: Shop) -> None:
    use_source(shop, broken_rows="quarantine", options={"header": "false"})
    shop.land("a", ["x;y;z"])
    with pytest.raises(BatchRefusedError, match="not one row can be read"):
        shop.publish()


def test_line_numbers_hold_in_files_that_several_tasks_read(shop: Shop) -> None:
    use_columns(
        shop, {"a": "bigint"}, path="landing/*.csv", format="csv", broken_rows="quarantine", columns={"a": "bigint"}
    )
    shop.write("landing/a.csv", "".join(f"{'x' if n in (7, 4000, 9999) else ''}{n}\n" for n in range(1, 10_001)))
    shop.spark.conf.set("spark.sql.files.maxPartitionBytes", "8192")
    try:
        assert shop.publish().rows == 9997
    finally:
        shop.spark.conf.unset("spark.sql.files.maxPartitionBytes")
    found = {(row["line"], row["raw"]) for row in rows(shop, "shop.orders__broken_rows")}
    assert found == {(7, "x7"), (4000, "x4000"), (9999, "x9999")}


def test_bytes_of_another_encoding_are_broken_and_with_it_named_they_are_read(shop: Shop) -> None:
    columns = {"a": "bigint", "word": "string"}
    source: dict[str, Any] = {"path": "landing/*.csv", "format": "csv", "columns": columns}
    use_columns(shop, columns, **source)
    (shop.root / "landing").mkdir()
    (shop.root / "landing" / "a.csv").write_bytes("1,plain\n2,한글\n".encode("cp949"))
    with pytest.raises(BatchRefusedError, match=r"every row of the source can be read\s+1 rows break it"):
        shop.publish()
    use_columns(shop, columns, **source, options={"encoding": "cp949"})
    shop.publish()
    assert {row["word"] for row in rows(shop)} == {"plain", "한글"}


# Forms -------------------------------------------------------------------------------------------------------------


def test_columns_in_another_order_and_a_byte_order_mark_are_read_by_name(shop: Shop) -> None:
    shop.land("a", [order(1, email="a@example.org", state="paid")])
    shop.write(
        "landing/shop/orders/b.csv",
        "\ufeffstate,Amount,email,ordered_at,order_id\nopen,4,b@example.org,2026-01-02 10:00:00,2\n",
    )
    shop.publish()
    assert sorted((row["order_id"], row["state"], row["amount"]) for row in rows(shop)) == [
        (1, "paid", 10.5),
        (2, "open", 4.0),
    ]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", r"a\.csv: is empty, without even a header"),
        (b"order_id,ordered_at,email,amount\n1,2026-01-01,a,1\n", "lacks the column state. Correct the file"),
        (b"order_id,ordered_at,email,amount,state,tip\n", "has the column tip, which source.yaml does not name"),
        (b"order_id,ordered_at,email,amount,state,state\n", "names the column state twice"),
        (b"order_id;ordered_at;email;amount;state\n1;2;3;4;5\n", "is separated by ';', not by a comma. Set sep"),
        (b"1,2026-01-01 10:00:00,zq2@example.org,1,open\n", "first line names 0 of the 5 columns"),
        (HEADER.encode("utf-16"), "is UTF-16 text"),
    ],
)
def test_a_csv_of_another_form_is_a_sentence(shop: Shop, content: bytes, sentence: str) -> None:
    shop.land("a", []).write_bytes(content)
    with pytest.raises(InputError, match=sentence) as refusal:
        shop.publish()
    assert "zq2" not in str(refusal.value)


def test_a_header_without_rows_is_an_empty_batch(shop: Shop) -> None:
    shop.land("a", [])
    shop.write("landing/shop/orders/a.csv", HEADER)
    result = shop.publish()
    assert (result.outcome, result.rows) == ("published", 0)


@pytest.mark.parametrize("ending", ["csv.gz", "json.gz"])
def test_a_file_cut_off_in_its_compression_is_named_and_nothing_is_written(shop: Shop, ending: str) -> None:
    lines = [json.dumps({"a": n, "b": hashlib.sha256(str(n).encode()).hexdigest()}) for n in range(20_000)]
    if ending == "csv.gz":
        lines = [f"{n},{hashlib.sha256(str(n).encode()).hexdigest()}" for n in range(20_000)]
    columns = {"a": "bigint", "b": "string"}
    use_columns(shop, columns, path=f"landing/*.{ending}", format=ending.partition(".")[0], columns=columns)
    (shop.root / "landing").mkdir()
    whole = gzip.compress("\n".join(lines).encode())
    (shop.root / "landing" / f"a.{ending}").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=rf"a\.{ending}: is cut off, its compressed data ends too early"):
        shop.publish()
    assert not DeltaTable.is_deltatable(str(shop.location))


def test_damaged_and_differing_parquet_files_are_named(shop: Shop) -> None:
    use_columns(shop, {"a": "bigint", "b": "string"}, path="landing/*.parquet", format="parquet")
    folder = shop.root / "landing"
    folder.mkdir()
    parquet.write_table(pa.table({"a": [1, 2], "b": ["x", "y"]}), folder / "1.parquet")
    for content, sentence in (
        (b"PAR1 but no footer", "is not a Parquet file, or is damaged"),
        (b"", r"is empty \(0 bytes\)"),
    ):
        (folder / "2.parquet").write_bytes(content)
        with pytest.raises(InputError, match=rf"landing/2\.parquet: {sentence}"):
            shop.publish()
    parquet.write_table(pa.table({"a": ["1"], "c": [1]}), folder / "2.parquet")
    with pytest.raises(InputError, match=r"lacks the column b, has the column c besides, has other types: a \(string"):
        shop.publish()
    raw = bytearray((folder / "1.parquet").read_bytes())
    raw[4:40] = bytes(36)
    (folder / "2.parquet").write_bytes(raw)
    with pytest.raises(InputError, match=r"2\.parquet: is damaged and cannot be read"):
        shop.publish()
    with pytest.raises(InputError, match="has other types: a"):
        remote = [SourceFile(path=path.as_uri(), name=path.name, size=1, changed_ns=0) for path in _two_types(folder)]
        check_parquet(shop.spark, remote)
    texts = pa.array(["x", "z"]).dictionary_encode()  # as pandas writes categories
    parquet.write_table(pa.table({"b": texts, "a": [3, 4]}), folder / "2.parquet")
    assert shop.publish().rows == 4


def _two_types(folder: Path) -> list[Path]:
    (folder / "other").mkdir()
    for name, values in (("1", [1]), ("2", ["1"])):
        parquet.write_table(pa.table({"a": values}), folder / "other" / name)
    return [folder / "other" / "1", folder / "other" / "2"]


def test_a_folder_that_matches_is_a_sentence_and_unfinished_files_are_passed_over(shop: Shop) -> None:
    shop.land("a [1] {x}", [order(1)])
    shop.land("_part", [order(2)])
    shop.land(".hidden", [order(3)])
    assert shop.publish().rows == 1
    (shop.root / "landing/shop/orders/b.csv").mkdir()
    with pytest.raises(
        InputError, match=r"landing/shop/orders/b\.csv: is a folder.*Write landing/shop/orders/b\.csv/\*"
    ):
        shop.publish()


# Files that change -------------------------------------------------------------------------------------------------


def _when_conformed(monkeypatch: pytest.MonkeyPatch, do: Any) -> None:
    """Do something after the files are listed and before they are read."""
    conform = checks.conform

    def first(*arguments: Any) -> Any:
        do()
        return conform(*arguments)

    monkeypatch.setattr(batch, "conform", first)


def test_a_file_that_is_written_to_while_it_is_read_is_not_committed(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = shop.land("a", [order(1)])
    with monkeypatch.context() as patch:
        _when_conformed(
            patch, lambda: path.write_text(path.read_text() + order(os.getpid() + len(path.read_text())) + "\n")
        )
        with pytest.raises(ConflictError, match=r"a\.csv: was written to while it was read"):
            shop.publish()
    assert not shop.files()
    assert shop.publish().rows > 1


def test_a_file_that_goes_away_is_left_out_of_the_next_try(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    path = shop.land("a", [order(1)])
    shop.land("b", [order(2)])
    _when_conformed(monkeypatch, lambda: path.unlink(missing_ok=True))
    assert shop.publish().rows == 1
    assert [text.split(" ")[0] for text in origins(shop)] == ["landing/shop/orders/b.csv"]


def test_young_files_are_left_for_later(shop: Shop) -> None:
    use_source(shop, settled="1h")
    path = shop.land("a", [order(1)])
    assert shop.publish().outcome == "unchanged"
    os.utime(path, (time.time() - 7200,) * 2)
    assert shop.publish().rows == 1


# Event logs --------------------------------------------------------------------------------------------------------


def _log(path: Path, numbers: range, *, tail: str = "") -> None:
    text = "".join(json.dumps({"n": n, "who": {"tags": [str(n), "x"]}}) + "\n" for n in numbers) + tail
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    elif path.suffix == ".zst":
        with pa.output_stream(path, compression="zstd") as stream:
            stream.write(text.encode())
    else:
        path.write_text(text)
    os.utime(path, (time.time() - 600,) * 2)


def test_event_logs_rotate_are_compressed_and_come_late_and_each_is_read_once(shop: Shop) -> None:
    columns = {"n": "bigint", "who": "struct<tags:array<string>>"}
    use_columns(shop, columns, path="landing/app.log*", format="json", rotating=True, columns=columns)
    folder = shop.root / "landing"
    folder.mkdir()
    _log(folder / "app.log.2.gz", range(10))
    _log(folder / "app.log.1.zst", range(10, 20))
    (folder / "app.log").write_text('{"n": 99, "who"')  # written to right now, its last line half there
    assert shop.publish().rows == 20
    (folder / "app.log.2.gz").unlink()
    (folder / "app.log.1.zst").unlink()
    _log(folder / "app.log.3.zst", range(10))  # the same beginning under another name and compression
    _log(folder / "app.log.2", range(10, 20))
    _log(folder / "app.log.1", range(30, 35))
    _log(folder / "app.log.0.gz", range(20, 30))  # late
    assert shop.publish().rows == 15
    assert shop.publish().outcome == "unchanged"
    assert sorted(row["n"] for row in rows(shop)) == list(range(35))
    _log(folder / "app.log.1", range(3000, 6000))
    assert shop.publish().rows == 3000
    _log(folder / "app.log.1", range(3000, 6001))  # longer than when it was read: rather twice than never
    assert shop.publish().rows == 3001
    assert {row["who"]["tags"][1] for row in rows(shop)} == {"x"}


def test_a_log_whose_last_line_is_half_there_is_refused_or_set_apart(shop: Shop) -> None:
    columns = {"n": "bigint"}
    source: dict[str, Any] = {"path": "landing/*.json", "format": "json", "columns": columns}
    use_columns(shop, columns, **source)
    (shop.root / "landing").mkdir()
    _log(shop.root / "landing" / "a.json", range(5), tail='{"n": 5, "wh')
    with pytest.raises(BatchRefusedError, match="1 rows break it"):
        shop.publish()
    use_columns(shop, columns, **source, broken_rows="quarantine")
    assert (shop.publish().rows, rows(shop, "shop.orders__broken_rows")[0]["line"]) == (5, 6)


# Files as they came ------------------------------------------------------------------------------------------------


def test_any_file_is_kept_as_it_came_with_its_origin(shop: Shop) -> None:
    columns = {
        "path": "string",
        "modified_at": "timestamp",
        "length": "bigint",
        "content": "binary",
        "sha256": "string",
        "origin": "string",
    }
    use_columns(shop, columns, path="landing/scans/*", format="binary", file_limit_mib=0.01)
    folder = shop.root / "landing" / "scans"
    folder.mkdir(parents=True)
    content = b"%PDF-1.7 \x00\xff" + os.urandom(5000)
    (folder / "a b+c%.pdf").write_bytes(content)
    shop.publish()
    (row,) = rows(shop)
    assert (row["path"], row["length"]) == ("landing/scans/a b+c%.pdf", len(content))
    assert bytes(row["content"]) == content
    assert row["sha256"] == hashlib.sha256(content).hexdigest()
    assert row["origin"].startswith("file:/") and row["origin"].endswith(".pdf")
    assert [text.rsplit(" ", 2)[0] for text in origins(shop)] == ["landing/scans/a b+c%.pdf"]
    (folder / "large.png").write_bytes(bytes(20_000))
    with pytest.raises(InputError, match=r"large\.png: has 0\.02 MiB, over the limit of 0\.01 MiB"):
        shop.publish()


def test_the_beginning_of_a_file_is_read_through_hadoop_too(shop: Shop, tmp_path: Path) -> None:
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"a,b\n1,2\n"))
    uri = (tmp_path / "a.csv.gz").as_uri()
    assert read_head(shop.spark, SourceFile(path=uri, name="a", size=1, changed_ns=0), 3) == b"a,b"


# Tables ------------------------------------------------------------------------------------------------------------


def test_a_foreign_delta_table_is_read_at_a_version_that_is_kept(shop: Shop) -> None:
    location = str(shop.root / "foreign" / "stock")
    for number in range(3):
        shop.spark.range(number, number + 2).write.format("delta").mode("append").save(location)
    use_columns(shop, {"id": "bigint"}, mode="overwrite", path="foreign/stock", format="delta")
    assert shop.publish().rows == 6
    assert origins(shop) == ["delta foreign/stock v2"]
    use_columns(shop, {"id": "bigint"}, mode="overwrite", path="foreign/stock", format="delta", version=0)
    assert shop.publish().rows == 2
    assert origins(shop) == ["delta foreign/stock v0"]
    for source, sentence in (
        ({"path": "foreign/stock", "version": 7}, "has no version 7; the newest is 2"),
        ({"path": "foreign"}, "foreign: is no Delta table"),
    ):
        use_columns(shop, {"id": "bigint"}, mode="overwrite", format="delta", **source)
        with pytest.raises(LookupError, match=sentence):
            shop.publish()


def test_another_domains_product_is_read_by_its_name_in_sql_and_in_python(shop: Shop) -> None:
    shop.land("a", [order(1), order(2, state="paid")])
    shop.publish()
    shop.write("domains/finance/domain.yaml", "name: finance\nowner: finance@example.org\n")
    schema = json.loads(json.dumps(ORDERS["schema"]))
    for name in ("from_sql", "from_python"):
        schema[0]["name"] = name
        shop.write(f"domains/finance/{name}/contract.yaml", {**PLAIN, "id": f"finance.{name}", "schema": schema})
    shop.write("domains/finance/from_sql/build.sql", "select * from shop.orders")
    shop.write(
        "domains/finance/from_python/build.py",
        "from mesh_catalog import build\n\n@build(reads=['shop.orders'])\ndef orders(orders):\n    return orders\n",
    )
    shop.reload()
    for name in ("from_sql", "from_python"):
        assert shop.publish(f"finance.{name}").rows == 2
        assert rows(shop, f"finance.{name}") == rows(shop)

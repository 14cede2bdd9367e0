"""Files are counted as pandas reads them, and a bad one gets a sentence without a value of it."""

from __future__ import annotations

import gzip
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from mesh_catalog.errors import InputError, MeshError, NotFoundError
from mesh_catalog.lake.profile import bin_bounds
from mesh_catalog.lake.statistics import Counts
from mesh_catalog.monitoring import files
from mesh_catalog.monitoring.files import open_file

CSV = """id,price,flag,word,mixed,blank,gap,big,late
1, 1.5,True,a,1,,1,0x1F,1
2,2.5,FALSE,"b,
c",x,,2,0x2F,2
3,inf,,NA,2.5,,,0x3F,3.25
4,-inf,true,a,3,,4,0x4F,4
"""


def _write(folder: Path, text: str | bytes, name: str = "rows.csv") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_a_csv_has_the_kinds_and_nulls_that_pandas_gives_it(tmp_path: Path) -> None:
    path = _write(tmp_path, CSV)
    frame = pd.read_csv(path)
    with open_file(path) as side:
        found = {name: side.column(name) for name in side.names}
    assert list(found) == list(frame.columns)
    assert {name: profile.kind for name, profile in found.items()} == {
        "id": "integer",
        "price": "float",
        "flag": "boolean",
        "word": "string",
        "mixed": "string",
        "blank": "float",
        "gap": "float",
        "big": "string",
        "late": "float",
    }
    assert {name: profile.null_count for name, profile in found.items()} == frame.isna().sum().to_dict()
    assert found["price"].infinite_count == 2
    assert found["word"].values == {"a": 2, "b,\nc": 1}
    assert found["flag"].values == {0: 1, 1: 2}


@pytest.mark.parametrize("name", ["rows.csv.gz", "rows.tsv"])
def test_gzipped_and_tab_separated_files_are_read(tmp_path: Path, name: str) -> None:
    text = "a\tb\n1\tx\n" if name.endswith("tsv") else "a,b\n1,x\n"
    content = gzip.compress(text.encode()) if name.endswith("gz") else text.encode()
    with open_file(_write(tmp_path, content, name)) as side:
        assert side.names == ("a", "b")
        assert side.column("a").values == {1: 1}


def test_names_that_stand_twice_or_not_at_all_are_those_of_pandas(tmp_path: Path) -> None:
    path = _write(tmp_path, "a,a,,a\n1,2,3,4\n")
    with open_file(path) as side:
        assert side.names == tuple(pd.read_csv(path).columns)


def test_a_parquet_file_is_counted_exactly_in_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_BATCH_ROWS", 100)
    monkeypatch.setattr(files, "_PENDING_VALUES", 250)
    rng = np.random.default_rng(3)
    frame = pd.DataFrame(
        {
            "x": rng.normal(size=2000).round(1),
            "n": rng.integers(-5, 2000, 2000),
            "s": rng.choice(["é", "b", "Z"], 2000),
            "f": rng.normal(size=2000).astype("float32"),
            "t": rng.random(2000) < 0.2,
            "d": pd.Timestamp("2026-01-01"),
        }
    )
    frame.loc[::7, ["x", "s"]] = None
    frame.to_parquet(tmp_path / "rows.parquet")
    with open_file(tmp_path / "rows.parquet") as side:
        assert side.column("d").kind == "datetime"
        for name in ("x", "n", "s", "f", "t"):
            counts = side.counts(name)
            assert counts is not None
            assert dict(zip(counts.values.tolist(), counts.counts.tolist(), strict=True)) == (
                frame[name].value_counts().to_dict()
            )
            assert counts.values.tolist() == sorted(counts.values.tolist())
        profile = side.column("x")
    assert profile.null_count == frame["x"].isna().sum()
    assert profile.mean == pytest.approx(frame["x"].mean())
    assert profile.deviation == pytest.approx(frame["x"].std(ddof=0))
    assert sum((profile.bins or {}).values()) == frame["x"].count()


def test_every_value_lies_in_its_bin() -> None:
    values = np.array([-1e300, -3.5, -1e-300, 0.0, 5e-324, 0.999, 1.0, 1.005, 123456.789, 1.7e308])
    for value in values:
        profile = files.profile_counts(Counts.of({float(value): 1}), kind="float", rows=1, nulls=0)
        (index,) = profile.bins or {}
        low, high = bin_bounds(index)
        slack = 1e-9 * abs(value)
        assert low - slack <= value <= high + slack


def test_decimals_and_unsigned_integers_are_numbers(tmp_path: Path) -> None:
    from decimal import Decimal

    table = pa.table(
        {
            "money": pa.array([Decimal("1.10"), Decimal("2.20"), None], pa.decimal128(10, 2)),
            "byte": pa.array([1, 2, 2], pa.uint8()),
            "word": pa.array(["a", "b", "a"]).dictionary_encode(),
            "list": pa.array([[1], [2], [3]]),
        }
    )
    parquet.write_table(table, tmp_path / "rows.parquet")
    with open_file(tmp_path / "rows.parquet") as side:
        assert [side.column(name).kind for name in side.names] == ["float", "integer", "string", "other"]
        assert side.column("money").maximum == 2.2
        assert side.column("byte").values == {1: 1, 2: 2}
        assert side.column("word").values == {"a": 2, "b": 1}


BAD = [
    ("a,b\n1,2\n3\n", "rows.csv", "row 3 has 1 field, but the header has 2"),
    ("a,b\n1,2\n3,4,hunter2\n", "rows.csv", "row 3 has 3 fields, but the header has 2"),
    (b"a,b\n1,\xff\xfe\n", "rows.csv", "is not UTF-8 text"),
    ("", "rows.csv", "the file is empty"),
    ("a,b\n", "rows.csv", "has columns, but no rows"),
    ("hunter2", "rows.parquet", "is not a Parquet file"),
    ("hunter2", "rows.csv.gz", "is not a CSV file"),
    ("hunter2", "rows.xlsx", "is neither .parquet, .csv nor .tsv"),
]


@pytest.mark.parametrize(("content", "name", "sentence"), BAD)
def test_a_bad_file_gets_a_sentence_without_its_values(
    tmp_path: Path, content: str | bytes, name: str, sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence) as caught, open_file(_write(tmp_path, content, name)):
        pass
    assert "hunter2" not in str(caught.value)


def test_a_damaged_column_gets_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    parquet.write_table(pa.table({"a": np.random.default_rng(0).normal(size=50_000)}), path, compression="snappy")
    content = bytearray(path.read_bytes())
    content[1000:200_000] = bytes(199_000)
    path.write_bytes(content)
    with pytest.raises(MeshError, match=r"column 'a' cannot be read\. Is the file damaged\?"), open_file(path) as side:
        side.column("a")


def test_a_missing_file_is_not_found_and_its_neighbour_named(tmp_path: Path) -> None:
    _write(tmp_path, "a\n1\n", "may.csv")
    missing = tmp_path / "mai.csv"
    with pytest.raises(NotFoundError, match=r"no such file\. Did you mean 'may.csv'\?"), open_file(missing):
        pass


def test_a_csv_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    with open_file(_write(tmp_path, CSV)) as side:
        assert side.rows == 4
        assert list((tmp_path / "temporary").iterdir())
    assert not list((tmp_path / "temporary").iterdir())

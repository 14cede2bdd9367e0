from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh_catalog.contracts.infer import InferredColumn
from mesh_catalog.errors import InputError, MeshError, NotFoundError
from mesh_catalog.workspace import check_workspace, load_workspace, product_reads
from mesh_catalog.workspace.importing import ImportPlan, plan_import, write_import
from tests.unit.workspace.samples import write


def _import(root: Path, path: Path, product: str = "shop.orders", **given: Any) -> ImportPlan:
    plan = plan_import(root, path, product, **given)
    write_import(root, plan)
    return plan


def _columns(plan: ImportPlan) -> dict[str, InferredColumn]:
    return {column.name: column for column in plan.inference.columns}


def _written(root: Path) -> str:
    """Everything that an import wrote but the landed file itself."""
    return "\n".join(p.read_text() for p in sorted((root / "domains").rglob("*")) if p.is_file())


def _paths(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*")}


ORDERS = "OrderID,Ordered At,Amount,e-mail\n" + "".join(
    f"{place},2026-05-{place:02d} 10:00:00,{place / 2},ada.{place}@example.org\n" for place in range(1, 29)
)


def test_a_csv_becomes_a_product_that_the_workspace_can_load(workspace_dir: Path, tmp_path: Path) -> None:
    plan = _import(workspace_dir, write(tmp_path, "my orders.csv", ORDERS), owner="ada")
    assert check_workspace(workspace_dir) == []
    product = load_workspace(workspace_dir).product("shop.orders")
    assert product.owner == "ada"
    assert product.contract.primary_key == ("order_id",)
    assert product.contract.event_time == "ordered_at"
    assert product.contract.write_mode == "append"
    assert product.contract.personal_columns == ("e_mail",)
    assert product.source is not None
    assert product.source.path == "landing/shop/orders/*.csv*"
    assert dict(product.source.columns) == {
        "OrderID": "bigint",
        "Ordered At": "timestamp",
        "Amount": "double",
        "e-mail": "string",
    }
    assert product_reads(product) == ("source",)
    assert "`Ordered At` as ordered_at" in (product.folder / "build.sql").read_text()
    assert (workspace_dir / plan.landing).read_text() == ORDERS
    assert all((workspace_dir / path).is_file() for path in plan.written)


def test_every_inferred_fact_is_marked_as_a_suggestion(workspace_dir: Path, tmp_path: Path) -> None:
    _import(workspace_dir, write(tmp_path, "orders.csv", ORDERS))
    columns = load_workspace(workspace_dir).product("shop.orders").contract.columns
    assert [column.suggested for column in columns] == [
        ("type", "required", "unique", "primaryKey"),
        ("type", "required"),
        ("type", "required", "minimum"),
        ("type", "required", "classification"),
    ]


def test_no_value_of_a_suspected_column_leaves_landing(workspace_dir: Path, tmp_path: Path) -> None:
    lines = ["customer;이름;note;card;plan"]
    for place in range(120):
        name, note = f"김철{'수영희민준서'[place % 6]}", "call Ada Lovelace at home, please ask"
        lines.append(f"{place % 3 + 7001};{name};{note};4111111111111111;A")
    plan = _import(workspace_dir, write(tmp_path, "people.csv", "\n".join(lines) + "\n"))
    suspected = {name for name, column in _columns(plan).items() if column.suspicion}
    assert suspected == {"customer", "ireum", "note", "card"}
    everything = _written(workspace_dir) + repr(plan.inference)
    for secret in ("7001", "7002", "김철", "Lovelace", "4111"):
        assert secret not in everything


@pytest.mark.parametrize(
    ("values", "kind", "nulls"),
    [
        (["1", "22", "-3"], "integer", 0),
        (["1", "2.5", ""], "number", 1),
        (["1e3", ".5", "+2"], "number", 0),
        (["01", "02", "10"], "string", 0),
        (["12345678901234567890", "1"], "string", 0),
        (["True", "false"], "boolean", 0),
        (["2026-01-31", "2026-02-01"], "date", 0),
        (["2026-01-31T10:00:00Z", "2026-02-01 11:00"], "timestamp", 0),
        (["31.12.2026", "1.1.2026"], "date", 0),
        (["12/31/2026 9:05", "1/2/2026 10:00"], "timestamp", 0),
        (["1/2/2026", "3/4/2026"], "string", 0),
        (["1", "NA", "2"], "integer", 1),
        (["1", " ", "2.5"], "number", 1),
        (["1", "NA", "abc"], "string", 0),
        (["", ""], "string", 2),
        (["NA", "NA"], "string", 0),
    ],
)
def test_the_type_is_the_narrowest_that_holds_every_value(
    workspace_dir: Path, tmp_path: Path, values: list[str], kind: str, nulls: int
) -> None:
    text = "label,x\n" + "".join(f"row{place},{value}\n" for place, value in enumerate(values))
    plan = _import(workspace_dir, write(tmp_path, "a.csv", text))
    column = _columns(plan)["x"]
    assert (column.source.kind, column.source.null_count, column.required) == (kind, nulls, nulls == 0)
    assert check_workspace(workspace_dir) == []


def test_a_type_that_only_the_last_rows_contradict_is_widened(workspace_dir: Path, tmp_path: Path) -> None:
    rows = 600_000
    text = "a,b\n" + "".join(f"{place},1\n" for place in range(rows)) + "x,2.5\n"
    plan = _import(workspace_dir, write(tmp_path, "a.csv", text))
    columns = _columns(plan)
    assert (columns["a"].source.kind, columns["b"].source.kind) == ("string", "number")
    assert plan.inference.rows == rows + 1


def test_a_duplicate_far_away_is_seen(workspace_dir: Path, tmp_path: Path) -> None:
    text = "id,other_id\n" + "".join(f"{place},{place}\n" for place in range(500_000)) + "500000,499999\n"
    plan = _import(workspace_dir, write(tmp_path, "a.csv", text))
    assert plan.inference.key is not None
    assert plan.inference.key.name == "id"
    assert _columns(plan)["other_id"].source.unique is False


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("a;b\n1;2\n3;4\n", {"header": "true", "sep": ";"}),
        ('a\tb\n1\tsaid "x\n3\ty\n', {"header": "true", "sep": "\t", "quote": ""}),
        ("1,2\n3,4\n", {"header": "false"}),
        ('a,b\n1,"say ""hi"""\n', {"header": "true", "escape": '"'}),
        ('a,b\n1,"two\nlines"\n', {"header": "true", "multiLine": "true"}),
        ("a, b\n1, x\n2, y\n", {"header": "true", "ignoreLeadingWhiteSpace": "true"}),
    ],
)
def test_how_a_csv_is_written_is_found_out(
    workspace_dir: Path, tmp_path: Path, text: str, options: dict[str, str]
) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text, encoding="utf-8")
    _import(workspace_dir, path)
    source = load_workspace(workspace_dir).product("shop.orders").source
    assert source is not None
    assert dict(source.options) == options


def test_the_first_row_of_a_file_without_a_header_is_never_taken_for_names(workspace_dir: Path, tmp_path: Path) -> None:
    text = "ada@example.org,Ada,1990\n" + "bob@example.org,Bob,1991\n" * 3
    plan = _import(workspace_dir, write(tmp_path, "a.csv", text))
    assert list(_columns(plan)) == ["column_1", "column_2", "column_3"]
    assert "ada@" not in _written(workspace_dir)


def test_latin_text_and_a_byte_order_mark_are_read(workspace_dir: Path, tmp_path: Path) -> None:
    latin = tmp_path / "latin.csv"
    latin.write_bytes("stadt,n\nKöln,1\nBremen,2\n".encode("latin-1"))
    plan = _import(workspace_dir, latin, "a.latin")
    assert plan.scan.options["encoding"] == "ISO-8859-1"
    late = tmp_path / "late.csv"
    late.write_bytes(b"stadt,n\n" + b"Bremen,2\n" * 60_000 + "Köln,1\n".encode("latin-1"))
    assert _import(workspace_dir, late, "a.late").scan.options["encoding"] == "ISO-8859-1"
    windows = write(tmp_path, "windows.csv", "")
    windows.write_bytes("stadt,n\nKöln – Süd,1\n".encode("cp1252"))
    assert _import(workspace_dir, windows, "a.windows").scan.options["encoding"] == "windows-1252"
    korean = write(tmp_path, "korean.csv", "")
    korean.write_bytes("번호,이름\n1,김철수\n2,이영희\n".encode("cp949"))
    plan = _import(workspace_dir, korean, "a.korean")
    assert list(_columns(plan)) == ["beonho", "ireum"]
    assert plan.scan.options["encoding"] == "cp949"
    assert any("read as cp949, a guess" in note for note in plan.notes)
    marked = tmp_path / "marked.csv"
    marked.write_bytes("\ufeffid,n\n1,2\n".encode())
    assert list(_columns(_import(workspace_dir, marked, "a.marked"))) == ["id", "n"]


def test_what_a_value_needs_before_it_has_its_type_is_in_the_transform(workspace_dir: Path, tmp_path: Path) -> None:
    text = "a,b,c\n1, ,31.12.2026\nNA,2.5,1.1.2026\n"
    _import(workspace_dir, write(tmp_path, "a.csv", text))
    sql = (workspace_dir / "domains/shop/orders/build.sql").read_text()
    assert "nullif(trim(`a`), 'NA') as a" in sql
    assert "nullif(trim(`b`), '') as b" in sql
    assert "try_to_date(`c`, 'd.M.yyyy')" in sql
    source = load_workspace(workspace_dir).product("shop.orders").source
    assert source is not None
    assert set(source.columns.values()) == {"string"}


@pytest.mark.parametrize("array", [False, True])
def test_json_lines_and_arrays_give_the_same_product(workspace_dir: Path, tmp_path: Path, array: bool) -> None:
    records = [{"id": place, "x": place / 2, "at": "2026-05-01T00:00:00", "tags": ["a"]} for place in range(30)]
    records.append({"id": 30, "x": 1, "at": "2026-05-02T00:00:00", "late": True, "mixed": 1})
    records.append({"id": 31, "x": None, "at": "2026-05-02T00:00:00", "late": None, "mixed": "a"})
    text = json.dumps(records) if array else "\n".join(map(json.dumps, records))
    plan = _import(workspace_dir, write(tmp_path, "a.json", text))
    kinds = {name: (column.source.kind, column.required) for name, column in _columns(plan).items()}
    assert kinds == {
        "id": ("integer", True),
        "x": ("number", False),
        "at": ("timestamp", True),
        "tags": ("other", False),
        "late": ("boolean", False),
        "mixed": ("string", False),
    }
    assert dict(plan.scan.options) == ({"multiLine": True} if array else {})
    assert _columns(plan)["tags"].suspicion is not None
    assert check_workspace(workspace_dir) == []


def test_parquet_keeps_its_types_and_nanoseconds_are_cut_for_spark(workspace_dir: Path, tmp_path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    table = pa.table(
        {
            "Id": pa.array([1, 2, 3], pa.int32()),
            "price": pa.array([1, 2, None], pa.decimal128(10, 2)),
            "at": pa.array([datetime(2026, 5, 1, tzinfo=UTC)] * 3, pa.timestamp("ns", "UTC")),
            "colour": pa.array(["a", "b", "a"]).dictionary_encode(),
            "tags": pa.array([["x"], [], None], pa.list_(pa.string())),
        }
    )
    path = tmp_path / "a.parquet"
    parquet.write_table(table, path)
    plan = _import(workspace_dir, path)
    assert parquet.read_schema(workspace_dir / plan.landing).field("at").type == pa.timestamp("us", "UTC")
    assert any("microsecond" in note for note in plan.notes)
    contract = load_workspace(workspace_dir).product("shop.orders").contract
    assert [column.spark_type for column in contract.columns] == [
        "bigint",
        "decimal(10,2)",
        "timestamp",
        "string",
        "array<string>",
    ]


def test_a_gzipped_file_keeps_an_ending_that_spark_unpacks(workspace_dir: Path, tmp_path: Path) -> None:
    path = tmp_path / "orders"
    path.write_bytes(gzip.compress(ORDERS.encode()))
    assert _import(workspace_dir, path).landing == "landing/shop/orders/orders.csv.gz"


def test_a_file_that_is_in_landing_already_is_not_copied(workspace_dir: Path) -> None:
    path = write(workspace_dir, "landing/shop/orders/orders.csv", ORDERS)
    _import(workspace_dir, path)
    assert path.read_text() == ORDERS


def test_an_existing_domain_keeps_its_file(workspace_dir: Path, tmp_path: Path) -> None:
    write(workspace_dir, "domains/shop/domain.yaml", "name: shop\nowner: bob # mine\n")
    plan = _import(workspace_dir, write(tmp_path, "orders.csv", ORDERS), owner="ada")
    assert plan.has_owner
    assert (workspace_dir / "domains/shop/domain.yaml").read_text() == "name: shop\nowner: bob # mine\n"


_BAD_FILES = {
    "broken row": (b"a,b\n1,2\n3\n4,5\n", "row 3 has 1 fields, but the first row has 2"),
    "empty": (b"", "the file is empty"),
    "blank": (b"\n \n", "the file is empty"),
    "only a header": (b"a,b\n", "holds no rows"),
    "binary": (b"\x00\x01\x02" * 100, "is a binary file"),
    "zip": (b"PK\x03\x04rest", "ZIP archive or an Excel file"),
    "utf-16": ("a,b\n1,2\n".encode("utf-16"), "is UTF-16"),
    "gzip cut off": (gzip.compress(ORDERS.encode())[:-20], "damaged or cut off"),
    "a name twice": (b"a,A\n1,2\n", "names 'A' twice"),
    "no name": (b",b\nx,2\n", "column 1 has no name"),
    "broken JSON": (b'{"a": 1}\n{"a": \n', "record 2 is not JSON"),
    "JSON of numbers": (b"[1, 2]", "record 1 is not an object"),
    "cut array": (b'[{"a": 1}, {"a": ', "not well formed after record 1"),
    "broken parquet": (b"PAR1 and no more", "damaged Parquet"),
}


@pytest.mark.parametrize("case", _BAD_FILES)
def test_a_file_that_cannot_be_read_is_a_sentence_and_writes_nothing(
    workspace_dir: Path, tmp_path: Path, case: str
) -> None:
    content, sentence = _BAD_FILES[case]
    path = tmp_path / "data"
    path.write_bytes(content)
    before = _paths(workspace_dir)
    with pytest.raises(InputError, match=sentence):
        _import(workspace_dir, path)
    assert _paths(workspace_dir) == before


def test_a_broken_row_is_named_by_number_and_never_quoted(workspace_dir: Path, tmp_path: Path) -> None:
    text = ORDERS + "29,2026-05-29 10:00:00,1.5,eve@example.org,too much\n"
    with pytest.raises(InputError, match="row 30 has 5 fields, but the first row has 4") as caught:
        _import(workspace_dir, write(tmp_path, "a.csv", text))
    assert "eve" not in str(caught.value)


@pytest.mark.parametrize("name", ["orders", "Shop.Orders", "shop.a.b", "shop.or__ders", "../x.y", "shop."])
def test_a_bad_name_is_refused_before_anything_is_read(workspace_dir: Path, name: str) -> None:
    with pytest.raises(InputError, match="is not a product's name|two _ in a row"):
        _import(workspace_dir, Path("missing.csv"), name)


def test_a_missing_file_is_not_found(workspace_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no such file"):
        _import(workspace_dir, tmp_path / "missing.csv")


def test_an_existing_product_is_never_overwritten(workspace_dir: Path, tmp_path: Path) -> None:
    path = write(tmp_path, "orders.csv", ORDERS)
    _import(workspace_dir, path)
    before = _written(workspace_dir)
    with pytest.raises(InputError, match="shop.orders exists already"):
        _import(workspace_dir, path)
    assert _written(workspace_dir) == before


def test_a_write_that_fails_leaves_nothing_behind(workspace_dir: Path, tmp_path: Path) -> None:
    path = write(tmp_path, "orders.csv", ORDERS)
    plan = plan_import(workspace_dir, path, "shop.orders")
    path.unlink()
    before = _paths(workspace_dir)
    with pytest.raises(InputError, match="cannot be written"):
        write_import(workspace_dir, plan)
    assert _paths(workspace_dir) == before


def test_a_race_for_the_same_product_has_one_winner(workspace_dir: Path, tmp_path: Path) -> None:
    path = write(tmp_path, "orders.csv", ORDERS)
    plan = plan_import(workspace_dir, path, "shop.orders")
    _import(workspace_dir, path)
    before = _paths(workspace_dir)
    with pytest.raises(InputError, match="exists already"):
        write_import(workspace_dir, plan)
    assert _paths(workspace_dir) == before


_CELLS = st.text(alphabet=st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=12)


@settings(max_examples=40, deadline=None)
@given(rows=st.lists(st.tuples(_CELLS, _CELLS, _CELLS), min_size=1, max_size=15), header=st.booleans())
def test_any_csv_is_imported_into_a_sound_workspace_or_refused_with_a_sentence(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, str]], header: bool
) -> None:
    import csv

    root = tmp_path_factory.mktemp("any")
    for folder in ("conf", "domains"):
        (root / folder).mkdir()
    path = root / "a.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("first", "second", "third"), *rows] if header else rows)
    try:
        _import(root, path)
    except MeshError:
        assert _paths(root) == {"conf", "domains", "a.csv"}
    else:
        assert check_workspace(root) == []

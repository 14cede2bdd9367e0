"""Tables that exist already become products in place, and what others write to them later is noticed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from mesh_catalog.access.gate import request_read
from mesh_catalog.access.mesh import open_mesh
from mesh_catalog.catalog.lineage import lineage
from mesh_catalog.catalog.origins import read_origins
from mesh_catalog.catalog.runs import read_checks, read_runs, read_versions
from mesh_catalog.cli.main import run_command
from mesh_catalog.documents import read_document
from mesh_catalog.errors import InputError, RefusedError, StorageError
from mesh_catalog.lake import adopted
from mesh_catalog.lake.arrow import count_values, preview_rows
from mesh_catalog.lake.publish import publish_product
from mesh_catalog.lake.read import read_table
from mesh_catalog.settings import load_settings
from mesh_catalog.workspace import load_workspace

from .conftest import Shop

ROWS = {"order_id": [1, 2, 3], "email": ["a@x.org", "b@x.org", None], "Price": [1.5, 2.0, 3.5], "day": [1, 1, 2]}


@pytest.fixture
def warehouse(tmp_path: Path) -> Path:
    """Two tables that others wrote: sales/orders and sales/stock."""
    root = tmp_path / "warehouse"
    for name in ("orders", "stock"):
        (root / "sales" / name).mkdir(parents=True)
        write_deltalake(str(root / "sales" / name), pa.table(ROWS))
    return root


@pytest.fixture
def here(workspace_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(workspace_dir)
    return workspace_dir


def adopt(*arguments: str | Path, code: int = 0) -> None:
    assert run_command(["adopt", *map(str, arguments)]) == code


def say(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> Any:
    capsys.readouterr()
    assert run_command([*map(str, arguments), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_folder_of_tables_becomes_products_that_are_read_at_once_and_not_copied(
    here: Path, warehouse: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(path for path in warehouse.rglob("*"))
    told = say(capsys, "adopt", warehouse, "--owner", "sales-team", "--dry-run")
    assert [(one["product"], one["rows"]) for one in told["tables"]] == [("sales.orders", 3), ("sales.stock", 3)]
    assert not (here / "domains" / "sales").exists()
    adopt(warehouse, "--owner", "sales-team")
    assert sorted(path for path in warehouse.rglob("*")) == before
    contract = load_workspace(here).product("sales.orders").contract
    assert [(c.name, c.spark_type, c.required, c.classification) for c in contract.columns] == [
        ("order_id", "bigint", True, None),
        ("email", "string", False, "personal?"),
        ("Price", "double", True, None),
        ("day", "bigint", True, None),
    ]
    shown = say(capsys, "preview", "sales.orders")
    assert [(row["order_id"], row["email"], row["Price"]) for row in shown["rows"]] == [
        (1, "•••", 1.5),
        (2, "•••", 2.0),
        (3, "•••", 3.5),
    ]
    assert "a@x.org" not in (here / "domains/sales/orders/contract.yaml").read_text()


def test_what_others_write_later_is_noticed_by_adopt_and_by_publish(
    here: Path, warehouse: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    orders = str(warehouse / "sales" / "orders")
    adopt(orders, "--owner", "sales-team", "--product", "shop.sold")
    write_deltalake(orders, pa.table(ROWS), mode="append")
    assert say(capsys, "preview", "shop.sold")["version"] == 0  # until somebody looks
    assert say(capsys, "adopt", orders)["tables"] == [
        {"product": "shop.sold", "known": True, "version": 1, "notes": []}
    ]
    write_deltalake(orders, pa.table(ROWS), mode="append")
    (told,) = say(capsys, "publish", "shop.sold")
    assert (told["outcome"], told["version"], told["rows"]) == ("published", 2, 9)
    assert say(capsys, "publish", "shop.sold")[0]["outcome"] == "unchanged"
    with open_mesh(load_settings()) as mesh:
        versions = read_versions(mesh.catalog, "shop.sold")
        assert [record.total_rows for record in versions] == [3, 6, 9]
        assert read_origins(mesh.catalog, "shop.sold")[-1].sources == (f"delta {orders} v2",)


def test_versions_that_others_write_are_profiled_in_the_lake_so_that_drift_between_them_is_seen(
    here: Path, warehouse: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    orders = str(warehouse / "sales" / "orders")
    adopt(orders, "--owner", "sales-team")
    for factor in (1.0, 50.0):
        rows = {"order_id": list(range(200)), "email": ["a@x.org"] * 200, "day": [1] * 200}
        prices = [number * factor for number in range(200)]
        write_deltalake(orders, pa.table({**rows, "Price": prices}), mode="overwrite", schema_mode="overwrite")
        adopt(orders)
    assert not [path for path in (warehouse / "sales" / "orders").iterdir() if path.name == "_profiles"]
    told = say(capsys, "drift", "sales.orders@1", "sales.orders@2")
    assert [column["column"] for column in told["columns"] if column["drifted"]] == ["Price"]
    assert "personal" in next(column["reason"] for column in told["columns"] if column["column"] == "email")
    assert "a@x.org" not in "".join(path.read_text() for path in here.rglob("_profiles/*.json"))


def test_a_table_that_is_too_large_to_be_looked_through_has_no_profile(
    here: Path, warehouse: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adopted, "PROFILED_BYTES", 10)
    adopt(warehouse / "sales" / "orders", "--owner", "sales-team")
    assert not list(here.rglob("_profiles"))
    capsys.readouterr()
    assert run_command(["drift", "sales.orders@0", "sales.orders@0"]) == 4
    assert "has no profile" in capsys.readouterr().err


def test_a_version_that_lacks_a_promised_column_is_refused_and_readers_stay(here: Path, warehouse: Path) -> None:
    orders = str(warehouse / "sales" / "orders")
    adopt(orders, "--owner", "sales-team")
    changed = {key: value for key, value in ROWS.items() if key != "day"} | {"order_id": ["1", "2", "3"]}
    write_deltalake(orders, pa.table(changed), mode="overwrite", schema_mode="overwrite")
    with open_mesh(load_settings()) as mesh:
        product = mesh.workspace.product("sales.orders")
        with pytest.raises(RefusedError, match=r"lacks the column day and has another type in order_id.*stay on v0"):
            publish_product(None, mesh, product)  # type: ignore[arg-type]  # no Spark is needed
        ticket = request_read(mesh, "sales.orders", purpose="preview")
        assert preview_rows(ticket, 10).num_rows == 3


def _with_rules(here: Path, orders: Path) -> None:
    """Adopted, and from now on under rules of every sort."""
    adopt(orders, "--owner", "sales-team")
    contract = _contract("sales.orders", str(orders))
    order_id, email, price, day = contract["schema"][0]["properties"]
    order_id |= {"primaryKey": True, "primaryKeyPosition": 1, "required": True, "unique": True}
    email |= {
        "logicalTypeOptions": {"pattern": r"^\w+@"},
        "classification": "personal",
        "customProperties": [{"property": "severity", "value": "quarantine"}],
    }
    price["logicalTypeOptions"] = {"minimum": 0}
    day["quality"] = [{"type": "sql", "query": "select count(*) from ${table}", "mustBeGreaterThan": 1}]
    contract["version"] = "1.1.0"
    (here / "domains/sales/orders/contract.yaml").write_text(json.dumps(contract))


def test_a_version_that_breaks_a_rule_is_refused_with_its_keys_and_readers_stay(
    here: Path, warehouse: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    orders = warehouse / "sales" / "orders"
    _with_rules(here, orders)
    broken = ROWS | {"order_id": [7, 7, 8], "Price": [-1.0, 2.0, -3.5], "email": ["zoë@x.org", "b@x.org", None]}
    write_deltalake(str(orders), pa.table(broken), mode="overwrite")
    capsys.readouterr()
    assert run_command(["publish", "sales.orders"]) == 3
    told = capsys.readouterr().err
    assert "Readers stay on v0" in told
    assert "2 rows break it   e.g. order_id 7, order_id 8" in told
    assert "zoë" not in told
    assert say(capsys, "preview", "sales.orders")["version"] == 0
    with open_mesh(load_settings()) as mesh:
        checks = {
            check.rule: check for check in read_checks(mesh.catalog, read_runs(mesh.catalog, "sales.orders")[0].id)
        }
    assert {rule: (check.verdict, check.broken_count) for rule, check in checks.items()} == {
        "order_id.required": ("pass", 0),
        "order_id.unique": ("fail", 1),
        "email.pattern": ("warn", 1),
        "Price.minimum": ("fail", 2),
        "day.sql": ("not_run", None),
    }


def test_a_version_that_keeps_its_rules_is_published_with_their_verdicts(
    here: Path, warehouse: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    orders = warehouse / "sales" / "orders"
    _with_rules(here, orders)
    write_deltalake(str(orders), pa.table(ROWS | {"order_id": [4, 5, 6]}), mode="append")
    (told,) = say(capsys, "publish", "sales.orders")
    assert (told["version"], told["checks"]) == (1, {"not_run": 1, "pass": 4})
    assert "others write this table" in told["not_run"][0]


def test_rules_of_a_table_that_is_too_large_are_told_as_not_run(
    here: Path, warehouse: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adopted, "PROFILED_BYTES", 10)
    orders = warehouse / "sales" / "orders"
    _with_rules(here, orders)
    write_deltalake(str(orders), pa.table(ROWS | {"Price": [-1.0] * 3}), mode="append")
    (told,) = say(capsys, "publish", "sales.orders")
    assert (told["rows"], told["checks"]) == (6, {"not_run": 5})


def test_an_adopted_table_is_read_in_sql_with_lineage_and_is_not_written_to(shop: Shop, warehouse: Path) -> None:
    shop.write("domains/sales/domain.yaml", "name: sales\nowner: sales-team\n")
    location = str(warehouse / "sales" / "orders")
    contract = _contract("sales.orders", location)
    shop.write("domains/sales/orders/contract.yaml", contract)
    shop.write("domains/sales/days/contract.yaml", _contract("sales.days", None))
    shop.write("domains/sales/days/build.sql", "select day, sum(Price) as price from sales.orders group by day")
    shop.reload()
    shop.publish("sales.orders")
    assert shop.publish("sales.days").rows == 2
    frame = read_table(shop.spark, request_read(shop.mesh, "sales.orders", purpose="analysis"))
    assert frame.count() == 3
    graph = lineage(shop.mesh.catalog, "sales.days", direction="upstream", columns=True)
    assert {node.name for node in graph.nodes} >= {"sales.orders", "sales.days"}
    assert ("Price", "price") in {(link.from_column, link.to_column) for link in graph.columns}
    assert DeltaTable(location).version() == 0


def _contract(product: str, location: str | None) -> dict[str, Any]:
    columns = [("day", "bigint"), ("price", "double")]
    if location is not None:
        columns = [("order_id", "bigint"), ("email", "string"), ("Price", "double"), ("day", "bigint")]
    found: dict[str, Any] = {
        "apiVersion": "v3.1.0",
        "kind": "DataContract",
        "id": product,
        "version": "1.0.0",
        "status": "active",
        "schema": [
            {
                "name": product.partition(".")[2],
                "properties": [{"name": name, "physicalType": kind} for name, kind in columns],
            }
        ],
    }
    if location is not None:
        found["servers"] = [{"server": "lake", "type": "local", "path": location, "format": "delta"}]
    return found


def test_a_contract_cannot_hand_out_another_products_rows(shop: Shop) -> None:
    shop.land("a", ["1,2026-01-01 10:00:00,zq@example.org,1,open"])
    shop.publish()
    shop.write("domains/thief/domain.yaml", "name: thief\nowner: thief\n")
    shop.write("domains/thief/orders/contract.yaml", _contract("thief.orders", str(shop.location)))
    shop.reload()
    with pytest.raises(InputError, match="points into the lake"):
        shop.publish("thief.orders")
    twice = shop.root.parent / "t"
    write_deltalake(str(twice), pa.table(ROWS))
    for name in ("orders", "again"):
        shop.write(f"domains/thief/{name}/contract.yaml", _contract(f"thief.{name}", str(twice)))
    with pytest.raises(InputError, match=r"adopted as thief\.again already"):
        shop.reload()


@pytest.mark.parametrize(
    ("server", "sentence"),
    [
        ({"type": "local", "path": "tables/x", "format": "delta"}, "an absolute path or a URI"),
        ({"type": "local", "path": "/data/../etc", "format": "delta"}, "an absolute path or a URI"),
        ({"type": "local", "path": "/data/x", "format": "csv"}, "format delta"),
        (
            {"type": "custom", "location": "s3a://key:secret@bucket/x", "format": "delta"},  # pragma: allowlist secret
            "without user and password",
        ),
    ],
)
def test_a_server_that_is_no_place_of_a_table_is_refused(here: Path, server: dict[str, str], sentence: str) -> None:
    folder = here / "domains" / "sales" / "orders"
    folder.mkdir(parents=True)
    (here / "domains/sales/domain.yaml").write_text("name: sales\nowner: x\n")
    contract = _contract("sales.orders", "/x") | {"servers": [{"server": "lake", **server}]}
    (folder / "contract.yaml").write_text(json.dumps(contract))
    with pytest.raises(InputError, match=sentence) as refusal:
        load_workspace(here)
    assert "secret" not in str(refusal.value)


def test_tables_with_deletion_vectors_and_column_mapping_are_read_and_what_is_not_told_is_said(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(shop.root)
    folder = shop.root.parent / "lakehouse"
    for name, properties in (
        ("hidden", "'delta.enableDeletionVectors'='true'"),
        ("mapped", "'delta.columnMapping.mode'='name'"),
    ):
        table = f"delta.`{folder}/{name}`"
        shop.spark.sql(f"create table {table} (a int, at timestamp_ntz) using delta tblproperties ({properties})")
        shop.spark.sql(f"insert into {table} select id, timestamp_ntz '2026-01-01' from range(10)")
    shop.spark.sql(f"delete from delta.`{folder}/hidden` where a = 3")
    told = {one["product"]: one for one in say(capsys, "adopt", folder, "--owner", "x")["tables"]}
    assert "deletion vectors" in told["lakehouse.hidden"]["notes"][0]
    assert "column mapping" in told["lakehouse.mapped"]["notes"][0]
    assert (told["lakehouse.hidden"]["rows"], told["lakehouse.mapped"]["rows"]) == (9, 10)
    assert [c["required"] for c in told["lakehouse.mapped"]["columns"]] == [True, True]
    assert sorted(row["a"] for row in say(capsys, "preview", "lakehouse.hidden")["rows"]) == [0, 1, 2, 4, 5, 6, 7, 8, 9]
    shop.reload()
    ticket = request_read(shop.mesh, "lakehouse.hidden", purpose="monitor")
    assert read_table(shop.spark, ticket).count() == 9
    with pytest.raises(StorageError, match="has deletion vectors, so its files alone do not say"):
        count_values(ticket, "a")


def test_what_cannot_be_adopted_is_a_sentence(here: Path, warehouse: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, code, sentence in (
        ((warehouse / "nowhere",), 4, "there is no such folder"),
        ((here / "conf",), 4, "holds no Delta table"),
        ((warehouse,), 2, "nobody answers for the domain sales"),
        ((warehouse, "--owner", "x", "--product", "a.b"), 2, "holds 2 tables, and --product names one"),
        ((warehouse / "sales" / "orders", "--owner", "x", "--product", "Sales"), 2, "is not a product's name"),
    ):
        adopt(*arguments, code=code)
        assert sentence in capsys.readouterr().err
    adopt(warehouse / "sales" / "orders", "--owner", "x", "--product", "a.b")
    adopt(warehouse / "sales" / "stock", "--product", "a.b", code=2)
    assert "exists already" in capsys.readouterr().err
    write_deltalake(str(warehouse / "odd"), pa.table({"two words": [1]}))
    adopt(warehouse / "odd", "--owner", "x", code=2)
    assert "has a name that SQL needs quotes for" in capsys.readouterr().err
    log = warehouse / "sales" / "stock" / "_delta_log" / "00000000000000000000.json"
    log.write_text("{broken")
    adopt(warehouse / "sales" / "stock", "--owner", "x", code=1)
    assert "cannot be read" in capsys.readouterr().err


def test_the_contract_of_an_adopted_table_is_odcs(here: Path, warehouse: Path) -> None:
    adopt(warehouse / "sales" / "orders", "--owner", "x")
    document = read_document(here / "domains/sales/orders/contract.yaml")
    assert document.data["servers"] == [
        {"server": "lake", "type": "local", "path": str(warehouse / "sales" / "orders"), "format": "delta"}
    ]
    assert run_command(["check"]) == 0

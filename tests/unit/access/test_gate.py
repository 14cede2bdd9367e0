from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta

import pytest

from mesh_catalog.access.gate import Purpose, read_audit, request_read
from mesh_catalog.access.locations import table_location
from mesh_catalog.access.mesh import Mesh, open_mesh
from mesh_catalog.catalog.assets import sync_workspace
from mesh_catalog.errors import InputError, NotFoundError, StorageError
from mesh_catalog.settings import Settings
from mesh_catalog.workspace import load_workspace

NAME = "payments.transactions"
COLUMNS = ("transaction_id", "tx_datetime", "customer_id", "device_mail", "tx_amount", "tx_fraud")


def test_a_read_gets_the_newest_version_all_columns_and_leaves_an_event(mesh: Mesh) -> None:
    ticket = request_read(mesh, NAME, purpose="analysis")
    assert (ticket.version, ticket.columns, ticket.masked) == (1, COLUMNS, ())
    assert ticket.location == f"{mesh.settings.lake}/payments/transactions"
    (event,) = read_audit(mesh, NAME)
    assert event.id == ticket.event_id
    assert (event.principal, event.purpose, event.version, event.columns) == ("ana", "analysis", 1, COLUMNS)
    assert event.allowed and event.reason is None
    assert event.at.tzinfo == UTC and abs(event.at - datetime.now(UTC)) < timedelta(minutes=1)


def test_a_read_may_name_version_and_columns(mesh: Mesh) -> None:
    ticket = request_read(mesh, NAME, purpose="train", version=0, columns=["tx_fraud", "tx_amount", "tx_fraud"])
    assert (ticket.version, ticket.columns) == (0, ("tx_fraud", "tx_amount"))


def test_a_preview_masks_personal_columns_and_those_nobody_has_decided_about(mesh: Mesh) -> None:
    assert request_read(mesh, NAME, purpose="preview").masked == ("customer_id", "device_mail")
    assert request_read(mesh, NAME, purpose="preview", columns=["tx_amount"]).masked == ()
    assert read_audit(mesh, NAME)[-1].masked == ("customer_id", "device_mail")


def test_a_column_that_became_personal_is_masked_in_old_versions_too_and_stays_so(mesh: Mesh) -> None:
    path = mesh.settings.workspace / "domains" / "payments" / "transactions" / "contract.yaml"
    text = path.read_text(encoding="utf-8")
    text = text.replace(
        "name: tx_fraud, logicalType: integer", "name: tx_fraud, logicalType: integer, classification: special"
    )
    path.write_text(text.replace(", classification: personal?", ", classification: internal"), encoding="utf-8")
    sync_workspace(mesh.catalog, load_workspace(mesh.settings.workspace))
    masked = request_read(mesh, NAME, purpose="preview", version=0).masked
    assert masked == ("customer_id", "device_mail", "tx_fraud")


@pytest.mark.parametrize(
    ("product", "version", "columns", "message"),
    [
        ("payments.transaction", None, None, r"Did you mean 'payments\.transactions'"),
        (NAME, 7, None, r"has no version v7\. There is: v1, v0"),
        (NAME, None, ["tx_amont"], r"has no column 'tx_amont'\. Did you mean 'tx_amount'"),
        ("payments.daily", None, None, r"has no version yet\. Publish it: mesh publish payments\.daily"),
        ("payments.daily", 0, None, r"has no version v0\. It has none yet"),
        ("../../etc/passwd", None, None, "no such product"),
    ],
)
def test_a_refused_read_says_why_and_leaves_an_event_too(
    mesh: Mesh, product: str, version: int | None, columns: list[str] | None, message: str
) -> None:
    with pytest.raises(NotFoundError, match=message):
        request_read(mesh, product, purpose="analysis", version=version, columns=columns)
    (event,) = read_audit(mesh)
    assert (event.product, event.version, event.allowed) == (product, version, False)
    assert event.columns == (None if columns is None else tuple(columns))
    assert event.reason is not None and product in event.reason


def test_an_unknown_purpose_and_no_columns_at_all_are_refused(mesh: Mesh) -> None:
    unknown: Purpose = "curiosity"  # type: ignore[assignment]
    with pytest.raises(InputError, match=r"'curiosity' is not a purpose\. Allowed: analysis, preview"):
        request_read(mesh, NAME, purpose=unknown)
    with pytest.raises(InputError, match="no column is asked for"):
        request_read(mesh, NAME, purpose="analysis", columns=[])
    assert [event.allowed for event in read_audit(mesh)] == [False, False]


def test_no_ticket_without_an_event(mesh: Mesh) -> None:
    connection = sqlite3.connect(mesh.settings.catalog_url.removeprefix("sqlite:///"))
    connection.execute("CREATE TRIGGER no_audit BEFORE INSERT ON audit_events BEGIN SELECT RAISE(ABORT, 'full'); END")
    connection.close()
    with pytest.raises(StorageError, match="full"):
        request_read(mesh, NAME, purpose="analysis")


def test_the_newest_events_come_first_and_of_one_product_where_asked(mesh: Mesh) -> None:
    for number in range(3):
        request_read(mesh, NAME, purpose="analysis", version=number % 2)
    with pytest.raises(NotFoundError, match="no such product"):
        request_read(mesh, "shop.orders", purpose="analysis")
    assert [event.product for event in read_audit(mesh)] == ["shop.orders", NAME, NAME, NAME]
    assert [event.version for event in read_audit(mesh, NAME, 2)] == [0, 1]


def test_a_location_cannot_leave_the_lake(settings: Settings) -> None:
    with pytest.raises(ValueError, match="is not a product's name"):
        table_location(settings, "payments.../../etc")


def test_a_mesh_without_its_workspace_says_so_when_it_is_looked_into(settings: Settings) -> None:
    with open_mesh(settings, with_workspace=False) as mesh:
        assert mesh.principal == "ana"
        with pytest.raises(RuntimeError, match="the workspace was not read"):
            _ = mesh.workspace.products

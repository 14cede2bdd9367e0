"""Rights in data, followed upstream: by the workspace, and by what only the catalog knows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mesh_catalog.access.gate import read_audit, request_read
from mesh_catalog.access.mesh import open_mesh
from mesh_catalog.access.rights import input_products, require_model_rights, require_publishable
from mesh_catalog.catalog.assets import sync_workspace
from mesh_catalog.catalog.edges import ColumnEdge, record_run_edges
from mesh_catalog.catalog.tags import read_tags
from mesh_catalog.cli.main import run_command
from mesh_catalog.errors import AccessDeniedError, PolicyRefusedError
from mesh_catalog.settings import load_settings
from tests.unit.catalog.samples import publish
from tests.unit.workspace.samples import contract, fill, write


def say(root: Path, product: str, *columns: str, event_time: str | None = None, **custom: str) -> None:
    """Write a product's contract with customProperties."""
    text = contract(product, *(columns or ("{name: a, logicalType: integer}",)), event_time=event_time)
    lines = "".join(f"  - {{property: {name}, value: {value}}}\n" for name, value in custom.items())
    head = "" if event_time or not custom else "customProperties:\n"
    write(root, f"domains/{product.replace('.', '/')}/contract.yaml", text + head + lines)


@pytest.fixture
def chain(workspace_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The sample, whose shop.orders is made of partner.feed, which is made of partner.tracks."""
    root = fill(workspace_dir)
    write(root, "domains/partner/domain.yaml", "name: partner\nowner: pia\n")
    for product, text in (("feed", "select a from partner.tracks"), ("tracks", "select 1 as a")):
        say(root, f"partner.{product}")
        write(root, f"domains/partner/{product}/build.sql", text)
    (root / "domains/shop/orders/source.yaml").unlink()
    write(
        root,
        "domains/shop/orders/build.sql",
        "select 1 customer, now() at, 1.0 amount, true returned from partner.feed",
    )
    monkeypatch.setenv("MESH_WORKSPACE", str(root))
    return root


def test_a_source_that_forbids_training_stops_a_training_hops_downstream_before_spark_and_names_the_path(
    chain: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    say(chain, "partner.tracks", licence="CC-BY-NC-4.0", allowedUses="[analysis, build]")
    code = run_command(["train", "shop.churn"])
    told = capsys.readouterr().err
    assert code == 3
    assert "shop.churn: may not learn from its data\n" in told
    assert "partner.tracks (owner pia) does not allow train (allowed: analysis, build, licence CC-BY-NC-4.0)" in told
    assert "(shop.churn ← shop.orders ← partner.feed ← partner.tracks)" in told
    assert "starts Spark" not in told
    assert run_command(["check"]) == 2
    assert "domains/shop/churn/model.yaml:4: shop.churn: partner.tracks" in capsys.readouterr().out
    say(chain, "partner.tracks", allowedUses="[train, build]")
    assert run_command(["check"]) == 0


def test_a_purpose_must_be_declared_and_be_allowed_by_everything_upstream(chain: Path) -> None:
    def refusal() -> str:
        with (
            open_mesh(load_settings(workspace=chain)) as mesh,
            pytest.raises(PolicyRefusedError) as error,
        ):
            sync_workspace(mesh.catalog, mesh.workspace)
            require_model_rights(mesh, mesh.workspace.model("shop.churn"), "train")
        return str(error.value)

    say(chain, "partner.tracks", allowedPurposes="[billing]")
    assert "is for billing only, and shop.churn declares no purpose (shop.churn ← shop.orders ←" in refusal()
    model = (chain / "domains/shop/churn/model.yaml").read_text()
    write(chain, "domains/shop/churn/model.yaml", model + "purpose: marketing\n")
    assert "is for billing only, not for marketing" in refusal()
    write(chain, "domains/shop/churn/model.yaml", model + "purpose: billing\n")
    write(chain, "conf/policies.yaml", "rights: {unspecified: {licence: deny}}\n")
    assert refusal().count("names no licence, which the policies deny") == 4


def test_an_input_that_forbids_building_or_the_purpose_stops_the_product(chain: Path) -> None:
    say(chain, "partner.feed", allowedUses="[analysis]")
    with open_mesh(load_settings(workspace=chain)) as mesh:
        sync_workspace(mesh.catalog, mesh.workspace)
        require_publishable(mesh, mesh.workspace.product("partner.feed"))
        with pytest.raises(
            PolicyRefusedError, match=r"does not allow build .*\(shop\.activity ← shop\.orders ← partner\.feed\)"
        ):
            require_publishable(mesh, mesh.workspace.product("shop.activity"))


def test_what_only_a_run_has_shown_counts_as_well(chain: Path) -> None:
    say(chain, "partner.hidden", allowedUses="[]", licence="no-one")
    write(chain, "domains/partner/hidden/build.sql", "select 1 as a")
    with open_mesh(load_settings(workspace=chain)) as mesh:
        sync_workspace(mesh.catalog, mesh.workspace)
        model = mesh.workspace.model("shop.churn")
        require_model_rights(mesh, model, "train")
        publish(mesh.catalog, "partner.hidden", 0)
        publish(mesh.catalog, "partner.tracks", 0)
        edge = ColumnEdge(
            from_product="partner.hidden", from_column="a", to_product="partner.tracks", to_column="a", kind="IDENTITY"
        )
        with mesh.catalog.write() as connection:
            record_run_edges(connection, "partner.tracks", 0, inputs={}, columns=[edge], has_files=False)
        with pytest.raises(
            PolicyRefusedError, match=r"does not allow train \(allowed: nothing.*← partner\.tracks ← partner\.hid"
        ):
            require_model_rights(mesh, model, "train")
    for path in (chain / "domains/partner/hidden").iterdir():
        path.unlink()
    with open_mesh(load_settings(workspace=chain)) as mesh:  # its folder is gone, what its contract said is not
        sync_workspace(mesh.catalog, mesh.workspace)
        with pytest.raises(PolicyRefusedError, match="does not allow train"):
            require_model_rights(mesh, mesh.workspace.model("shop.churn"), "train")


def test_a_table_that_keeps_rows_of_people_who_may_withdraw_says_how_they_leave_it(
    chain: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    agreed = ("{name: a, logicalType: integer}", "{name: agreed, logicalType: boolean}")
    say(chain, "partner.tracks", *agreed, consent="agreed")
    assert run_command(["check"]) == 0
    for consent, code in (
        (None, 2),
        ("{notNeeded: daily sums}", 0),
        ("{product: partner.tracks, key: a, column: agreed}", 0),
    ):
        say(chain, "partner.feed", writeMode="append", **({"consent": consent} if consent else {}))
        assert run_command(["check"]) == code
    out = capsys.readouterr().out
    assert "partner.tracks follows consent, but writeMode append keeps rows of people who withdraw later" in out
    say(chain, "partner.feed", consent="{notNeeded: daily sums}")
    orders = (chain / "domains/shop/orders/contract.yaml").read_text()
    write(chain, "domains/shop/orders/contract.yaml", orders + "  - {property: writeMode, value: append}\n")
    assert run_command(["check"]) == 0  # it comes from sums of nobody
    write(chain, "domains/shop/orders/contract.yaml", orders)
    say(chain, "partner.feed", consent="{product: partner.tracks, key: a, column: a}")
    assert run_command(["check"]) == 2
    assert "partner.tracks.a is bigint. It must be a boolean" in capsys.readouterr().out


def test_tags_follow_columns_upstream_and_end_at_a_declared_breaker(
    chain: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    special = "{name: a, logicalType: integer, classification: special}"
    say(chain, "partner.tracks", special)

    def edge(source: str, target: str, kind: str = "IDENTITY", column: str = "a") -> ColumnEdge:
        return ColumnEdge(from_product=source, from_column="a", to_product=target, to_column=column, kind=kind)

    with open_mesh(load_settings(workspace=chain)) as mesh:
        sync_workspace(mesh.catalog, mesh.workspace)
        for name in ("partner.tracks", "partner.feed", "shop.orders"):
            publish(mesh.catalog, name, 0)
        links = {
            "partner.feed": [edge("partner.tracks", "partner.feed")],
            "shop.orders": [
                edge("partner.feed", "shop.orders", column="amount"),
                edge("partner.feed", "shop.orders", "AGGREGATION", "returned"),
            ],
        }
        with mesh.catalog.write() as connection:
            for name, columns in links.items():
                record_run_edges(connection, name, 0, inputs={}, columns=columns, has_files=False)
        tags = read_tags(mesh.catalog, "shop.orders")
        assert tags["amount"].path == ("shop.orders.amount", "partner.feed.a", "partner.tracks.a")
        assert tags["amount"].classification == "special"
        assert sorted(tags) == ["amount", "customer"]
    assert run_command(["tags", "shop.orders", "--json"]) == 0
    told = {one["column"]: one["declared"] for one in json.loads(capsys.readouterr().out)["tags"]}
    assert told == {"customer": True, "amount": False}
    hashed = (
        "{name: a, logicalType: integer, customProperties: [{property: deidentified, value: {by: hash, reason: x}}]}"
    )
    say(chain, "partner.feed", hashed)
    with open_mesh(load_settings(workspace=chain)) as mesh:
        sync_workspace(mesh.catalog, mesh.workspace)
        assert sorted(read_tags(mesh.catalog, "shop.orders")) == ["customer"]


def test_the_door_gives_no_row_for_a_use_that_the_contract_does_not_allow(chain: Path) -> None:
    say(chain, "partner.tracks", allowedUses="[build]")
    with open_mesh(load_settings(workspace=chain)) as mesh:
        sync_workspace(mesh.catalog, mesh.workspace)
        publish(mesh.catalog, "partner.tracks", 0)
        assert request_read(mesh, "partner.tracks", purpose="build").version == 0
        for purpose in ("analysis", "preview", "train"):
            with pytest.raises(AccessDeniedError, match=r"does not allow \w+ \(allowedUses: build\)"):
                request_read(mesh, "partner.tracks", purpose=purpose)
        assert not read_audit(mesh, "partner.tracks")[0].allowed


def test_a_product_in_which_consent_only_stood_is_not_what_rows_are_made_of(chain: Path) -> None:
    key = "{name: a, logicalType: integer}"
    say(chain, "partner.consents", key, "{name: agreed, logicalType: boolean}", allowedUses="[]")
    write(chain, "domains/partner/consents/build.sql", "select 1 as a, true as agreed")
    say(chain, "partner.tracks", key, consent="{product: partner.consents, key: a, column: agreed}")
    with open_mesh(load_settings(workspace=chain)) as mesh:
        sync_workspace(mesh.catalog, mesh.workspace)
        for name in ("partner.consents", "partner.tracks", "partner.feed"):
            publish(mesh.catalog, name, 0)
        with mesh.catalog.write() as connection:
            record_run_edges(
                connection,
                "partner.feed",
                0,
                inputs={"partner.consents": 0, "partner.tracks": 0},
                columns=[],
                has_files=False,
            )
        feed = mesh.workspace.product("partner.feed")
        require_publishable(mesh, feed)
        require_model_rights(mesh, mesh.workspace.model("shop.churn"), "train")
        assert input_products(mesh.workspace, mesh.catalog, feed) == ("partner.tracks", "partner.consents")
    write(chain, "domains/partner/feed/build.sql", "select a from partner.tracks join partner.consents using (a)")
    with (
        open_mesh(load_settings(workspace=chain)) as mesh,
        pytest.raises(PolicyRefusedError, match="does not allow build"),
    ):
        require_publishable(mesh, mesh.workspace.product("partner.feed"))

"""Rights in data as a publish keeps them: personal data that is received, and consent that is withdrawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from mesh_catalog.access.gate import request_read
from mesh_catalog.catalog.impact import column_impact
from mesh_catalog.catalog.lineage import lineage
from mesh_catalog.catalog.readers import readers_of
from mesh_catalog.catalog.runs import read_runs
from mesh_catalog.catalog.tags import read_tags
from mesh_catalog.errors import BatchRefusedError, PolicyRefusedError
from mesh_catalog.lake.plan_lineage import HASH, OPAQUE, UNKNOWN, column_sources, mark_inputs
from mesh_catalog.lake.read import read_table
from mesh_catalog.lake.transform import run_query
from mesh_catalog.models.frame import build_frame
from mesh_catalog.orchestration.staleness import check_staleness

from .conftest import Shop, order

EMAIL, AMOUNT, ORDER = ("shop.orders", "email"), ("shop.orders", "amount"), ("shop.orders", "order_id")


def test_sources_of_columns_are_read_from_sparks_plan_and_what_it_hides_is_unknown(spark: SparkSession) -> None:
    rows = spark.createDataFrame([(1, "a@b", 2.0)], "order_id bigint, email string, amount double")
    marked = mark_inputs({"shop.orders": rows})
    orders = marked.frames["shop.orders"]

    def sql(text: str) -> DataFrame:
        return run_query(spark, text, marked.frames)

    def origins(frame: DataFrame, *, sql: bool = True) -> dict[str, set[tuple[str, str]]]:
        found = column_sources(frame, marked, literal_rows=sql)
        return {name: {flow.origin for flow in one.flows} for name, one in found.items()}

    def steps(frame: DataFrame, column: str) -> set[str]:
        return {step for flow in column_sources(frame, marked, literal_rows=True)[column].flows for step in flow.steps}

    told = origins(sql("select email as contact, lower(email) l, amount * 2 d, 'x' c, order_id from shop.orders"))
    assert told == {"contact": {EMAIL}, "l": {EMAIL}, "d": {AMOUNT}, "c": set(), "order_id": {ORDER}}
    told = origins(
        sql(
            "with t as (select email m, count(*) n, sum(amount) s, max(email) x from shop.orders group by email) "
            "select a.m, a.n, b.s, b.x, case when a.m like 'a%' then 1 end f, a.m is null e "
            "from t a join t b on a.m = b.m where a.m in (select email from shop.orders)"
        )
    )
    assert told == {"m": {EMAIL}, "n": set(), "s": {AMOUNT}, "x": {EMAIL}, "f": {EMAIL}, "e": set()}
    told = origins(
        sql(
            "select amount as v, (select min(email) from shop.orders) q from shop.orders "
            "union all select order_id, email from shop.orders"
        )
    )
    assert told == {"v": {AMOUNT, ORDER}, "q": {EMAIL}}
    assert origins(
        sql("select v.k, o.email from shop.orders o join values (1, 'x') as v(i, k) on o.order_id = v.i")
    ) == {
        "k": set(),
        "email": {EMAIL},
    }
    assert origins(sql("select part from shop.orders lateral view explode(split(email, '@')) as part")) == {
        "part": {EMAIL}
    }
    assert origins(sql("select t.z from shop.orders o, lateral (select o.email as z) t")) == {"z": {EMAIL}}
    assert origins(sql("select email, order_id, sum(amount) s from shop.orders group by cube (email, order_id)")) == {
        "email": {EMAIL},
        "order_id": {ORDER},
        "s": {AMOUNT},
    }
    assert origins(sql("select * from shop.orders unpivot (val for what in (amount, order_id))")) == {
        "email": {EMAIL},
        "what": set(),
        "val": {AMOUNT, ORDER},
    }
    window = Window.partitionBy("email").orderBy("order_id")
    told = origins(
        orders.alias("t").select(
            F.sum("amount").over(window).alias("w"),
            F.lag("email").over(window).alias("g"),
            F.struct("email").alias("st"),
        ),
        sql=False,
    )
    assert told == {"w": {AMOUNT}, "g": {EMAIL}, "st": {EMAIL}}
    joined = orders.alias("a").join(orders.alias("b"), F.col("a.order_id") == F.col("b.order_id"))
    assert origins(joined.select(F.col("b.email").alias("other")), sql=False) == {"other": {EMAIL}}
    tidy = orders.dropDuplicates(["email"]).na.fill("x").withColumnRenamed("email", "mail").sort("amount").limit(3)
    assert origins(tidy.select("mail"), sql=False) == {"mail": {EMAIL}}
    assert origins(orders.groupBy("order_id").pivot("email", ["a", "b"]).agg(F.max("email")), sql=False)["a"] == {EMAIL}

    assert steps(sql("select sha2(email, 256) h from shop.orders"), "h") == {HASH}
    python = F.udf(lambda text: text, "string")
    assert steps(orders.select(python("email").alias("u")), "u") == {OPAQUE}
    mapped = orders.mapInPandas(lambda parts: parts, "order_id bigint, email string, amount double")
    assert origins(mapped, sql=False)["amount"] == {EMAIL, AMOUNT, ORDER}
    for hidden in (
        spark.createDataFrame(orders.rdd, rows.schema),
        spark.createDataFrame(orders.collect(), rows.schema),
        orders.localCheckpoint(),
        rows,
    ):
        assert set().union(*origins(hidden.select("amount"), sql=False).values()) == {UNKNOWN}


def contract(product: str, columns: Sequence[Mapping[str, Any]], **custom: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v3.1.0",
        "kind": "DataContract",
        "id": f"shop.{product}",
        "version": "1.0.0",
        "status": "active",
        "schema": [{"name": product, "physicalType": "table", "properties": list(columns)}],
        "customProperties": [{"property": name, "value": value} for name, value in custom.items()],
    }


def column(
    name: str, kind: str = "string", *, deidentified: Mapping[str, Any] | None = None, **more: Any
) -> dict[str, Any]:
    custom = [{"property": "deidentified", "value": dict(deidentified)}] if deidentified else None
    return {"name": name, "logicalType": kind, **more, **({"customProperties": custom} if custom else {})}


def add(shop: Shop, document: dict[str, Any], build: str) -> str:
    """Write a product's folder; a build that begins with an import is Python."""
    folder = f"domains/shop/{document['schema'][0]['name']}"
    shop.write(f"{folder}/contract.yaml", document)
    shop.write(f"{folder}/build.{'py' if build.startswith('from') else 'sql'}", build)
    shop.reload()
    return str(document["id"])


def rows_of(shop: Shop, product: str, *columns: str) -> list[tuple[Any, ...]]:
    rows = read_table(shop.spark, request_read(shop.mesh, product, purpose="analysis")).select(*columns)
    return sorted(tuple(row) for row in rows.collect())


def test_personal_data_that_a_contract_does_not_declare_is_refused_with_its_path_and_stops_at_declared_breakers(
    shop: Shop,
) -> None:
    shop.land("a", [order(1), order(2), order(3, state="paid")])
    shop.publish()
    key = column("order_id", "integer", primaryKey=True)
    mails = "select order_id, lower(email) as contact, sha2(email, 256) as who, amount from shop.orders"
    name = add(shop, contract("mails", [key, column("contact"), column("who"), column("amount", "number")]), mails)
    with pytest.raises(PolicyRefusedError) as refusal:
        shop.publish(name)
    told = str(refusal.value)
    assert "contact   is made of shop.orders.email (personal): shop.mails.contact ← shop.orders.email." in told
    assert "who   is made of" in told and "amount" not in told and "a@example.org" not in told
    assert not (shop.location.parent / "mails").exists()
    assert read_runs(shop.mesh.catalog, name, limit=1)[0].outcome == "refused"

    hashed = {"by": "hash", "reason": "joined to nothing outside the shop"}
    declared = [
        key,
        column("contact", classification="personal"),
        column("who", classification="internal", deidentified=hashed),
    ]
    add(shop, contract("mails", [*declared, column("amount", "number")]), mails)
    assert shop.publish(name).version == 0
    assert read_tags(shop.mesh.catalog, name)["contact"].path == ("shop.mails.contact", "shop.orders.email")
    assert "who" not in read_tags(shop.mesh.catalog, name)

    copied = "from mesh_catalog import build\n\n@build(reads=['shop.mails'])\ndef copy(mails):\n    return mails.{}\n"
    copy = add(shop, contract("copy", [column("c"), column("who")]), copied.format("selectExpr('contact as c', 'who')"))
    with pytest.raises(
        PolicyRefusedError, match=r"shop\.copy\.c ← shop\.mails\.contact ← shop\.orders\.email"
    ) as refusal:
        shop.publish(copy)
    assert "  who  " not in str(refusal.value)
    add(shop, contract("copy", [column("n", "integer")]), copied.format("mapInPandas(lambda parts: parts, 'n bigint')"))
    with pytest.raises(PolicyRefusedError, match=r"n   is made of shop\.orders\.email \(personal\)"):
        shop.publish(copy)
    add(
        shop,
        contract("copy", [column("n", "integer")]),
        copied.format("sparkSession.createDataFrame([(1,)], 'n bigint')"),
    )
    with pytest.raises(
        PolicyRefusedError, match=r"n   cannot be told apart: it may hold shop\.orders\.email \(personal\)"
    ):
        shop.publish(copy)

    grouped = {"by": "aggregate", "leastRows": 2, "countedBy": "n", "reason": "a length of many"}
    sums = [column("state"), column("n", "integer"), column("length", "number", deidentified=grouped)]
    text = "select state, count(*) as n, cast({} as double) as length from shop.orders group by state"
    totals = add(shop, contract("totals", sums), text.format("max(length(email))"))
    with pytest.raises(PolicyRefusedError, match=r"deidentified says aggregate, but shop\.orders\.email comes into it"):
        shop.publish(totals)
    add(shop, contract("totals", sums), text.format("avg(length(email))"))
    with pytest.raises(BatchRefusedError, match=r"n >= 2 \(de-identified\)\s+1 rows break it"):
        shop.publish(totals)
    add(shop, contract("totals", sums), text.format("avg(length(email))") + " having count(*) > 1")
    assert shop.publish(totals).rows == 1


PEOPLE = contract(
    "people", [column("person_id", "integer", primaryKey=True, classification="personal"), column("agreed", "boolean")]
)
CONSENT = {"product": "shop.people", "key": "person_id", "column": "agreed"}
VISIT = [
    column("person_id", "integer", classification="personal"),
    column("at", "timestamp"),
    column("again", "integer"),
]
VISITS = contract("visits", VISIT, writeMode="append", eventTime="at", consent=CONSENT)
MODEL = """
model: shop.return
goal: Say who comes again.
kind: binary
target: shop.visits.again
features: [shop.visits.person_id]
event_time: at
split: {by: time, test: 1d}
algorithm: logistic_regression
metric: accuracy
"""


def consents(shop: Shop, **agreed: bool) -> None:
    lines = [f"{name.removeprefix('p')},{str(yes).lower()}" for name, yes in agreed.items()]
    shop.write("landing/shop/people/all.csv", "person_id,agreed\n" + "\n".join(lines) + "\n")
    shop.publish("shop.people")


def visits(shop: Shop, name: str, *people: int) -> None:
    lines = [f"{person},2026-01-0{person} 08:00:00,{person % 2}" for person in people]
    shop.write(f"landing/shop/visits/{name}.csv", "person_id,at,again\n" + "\n".join(lines) + "\n")
    shop.publish("shop.visits")


def open_consents(shop: Shop) -> None:
    for document, columns in (
        (PEOPLE, {"person_id": "bigint", "agreed": "boolean"}),
        (VISITS, {"person_id": "bigint", "at": "timestamp", "again": "bigint"}),
    ):
        product = document["schema"][0]["name"]
        shop.write(
            f"domains/shop/{product}/source.yaml",
            {
                "path": f"landing/shop/{product}/*.csv",
                "format": "csv",
                "options": {"header": "true"},
                "columns": columns,
            },
        )
        add(shop, document, "select * from source\n")
    consents(shop, p1=True, p2=True, p3=True)
    visits(shop, "a", 1, 2, 3)


def test_a_withdrawn_consent_leaves_no_row_in_the_next_version_of_tables_and_in_no_frame(shop: Shop) -> None:
    open_consents(shop)
    seen = add(shop, contract("seen", VISIT), "select * from shop.visits")
    shop.write("domains/shop/return/model.yaml", MODEL)
    shop.reload()
    assert shop.publish(seen).total_rows == 3
    consents(shop, p1=True, p2=False)  # 2 withdraws, and of 3 nothing is known any more
    stale = check_staleness(shop.mesh, shop.mesh.workspace.product("shop.visits"))
    assert stale.reasons == ("shop.people is v1, it was made from v0",)

    frame = build_frame(shop.spark, shop.mesh, shop.mesh.workspace.model("shop.return"))
    assert [row["person_id"] for row in frame.data.collect()] == [1]
    assert frame.inputs == {"shop.visits": 0, "shop.people": 1}
    assert shop.publish(seen).total_rows == 1
    published = shop.publish("shop.visits")  # no file has arrived
    assert (published.outcome, published.total_rows) == ("published", 1)
    assert rows_of(shop, "shop.visits", "person_id") == rows_of(shop, seen, "person_id") == [(1,)]
    visits(shop, "b", 2)
    assert rows_of(shop, "shop.visits", "person_id") == [(1,)]
    assert shop.publish("shop.visits").outcome == "unchanged"

    catalog, people = shop.mesh.catalog, "shop.people"
    graph = lineage(catalog, seen, direction="upstream", columns=True)
    by_consent = {(link.from_column, link.to_product) for link in graph.columns if link.from_product == people}
    assert by_consent == {(name, made) for name in ("person_id", "agreed") for made in ("shop.visits", seen)}
    assert {link.kinds for link in graph.columns if link.from_product == people} == {("FILTER",)}
    led_to = column_impact(catalog, people, "agreed", direction="downstream")
    assert {one.table for one in led_to.columns} >= {"shop.visits", seen}
    lost = {reader.name: (reader.columns, reader.via) for reader in readers_of(catalog, people, ["agreed"])}
    assert lost == dict.fromkeys(("shop.visits", seen), (("agreed",), ()))
    path = ("shop.seen.person_id", "shop.visits.person_id")
    assert {name: tag.path for name, tag in read_tags(catalog, seen).items()} == {"person_id": path}


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["upsert", "history", "overwrite_interval", "overwrite_partitions"])
def test_a_withdrawn_consent_leaves_no_row_in_tables_of_every_mode_that_keeps_rows(shop: Shop, mode: str) -> None:
    open_consents(shop)
    columns = [{**VISIT[0], "primaryKey": True}, VISIT[1], {**VISIT[2], "partitioned": mode == "overwrite_partitions"}]
    if mode == "history":
        columns += [column("valid_from", "timestamp"), column("valid_to", "timestamp"), column("is_current", "boolean")]
    add(shop, contract("kept", columns, writeMode=mode, eventTime="at", consent=CONSENT), "select * from shop.visits")
    assert shop.publish("shop.kept").total_rows == 3
    consents(shop, p1=True, p2=False, p3=True)
    assert shop.publish("shop.kept").total_rows == 2
    assert rows_of(shop, "shop.kept", "person_id") == [(1,), (3,)]


@pytest.mark.slow
def test_a_time_of_withdrawal_counts_once_it_has_come_and_who_is_not_listed_agrees(shop: Shop) -> None:
    shop.land("a", [order(1), order(2), order(3)])
    document = contract(
        "seen", [column("order_id", "integer"), column("email", classification="personal")], consent="gone_at"
    )
    document["schema"][0]["properties"].append(column("gone_at", "timestamp"))
    shop.publish()
    name = add(
        shop,
        document,
        "select order_id, email, case order_id when 1 then timestamp '2026-01-01' when 2 then timestamp '2999-01-01'"
        " end as gone_at from shop.orders",
    )
    shop.publish(name)
    add(shop, contract("kept", [column("order_id", "integer")]), "select order_id from shop.seen")
    shop.publish("shop.kept")
    assert rows_of(shop, "shop.kept", "order_id") == [(2,), (3,)]

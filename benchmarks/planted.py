"""A synthetic mesh with planted duplicates: products with real rows, and around the copies what only looks alike.

Every product has rows drawn from the columns of its kind of business; about half are built by SQL, and what they hold
was computed as the SQL says.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["Made", "World", "arrow_type", "build"]

BUSINESSES = {
    "orders": "order_id:id customer_id:key ordered_at:time amount:money discount:ratio status:state channel:code",
    "payments": "payment_id:uuid card_id:key paid_at:time amount:money currency:code fee:money is_online:flag",
    "customers": "customer_id:id name:name email:secret city:city segment:code joined_on:day income:money",
    "shipments": "parcel_id:uuid order_id:key sent_at:time weight_kg:measure carrier:code zone:small late:flag",
    "sensors": "device_id:key read_at:time temperature:normal humidity:normal battery:ratio firmware:code",
    "sessions": "session_id:uuid user_id:key started_at:time seconds:measure pages:small browser:code country:code",
    "tickets": "ticket_id:id opened_at:time closed_at:time severity:small team:code subject:text score:ratio",
    "stock": "sku:sku warehouse:code counted_on:day pieces:count unit_cost:money shelf:small",
    "grades": "student_id:key course:code term:code points:normal passed:flag marked_on:day",
    "visits": "visit_id:uuid patient_id:secret visited_at:time ward:code diagnosis:code minutes:measure cost:money",
    "claims": "claim_id:id policy_id:key filed_at:time paid:money reserve:money cause:code region:code",
    "ads": "ad_id:key day:day impressions:count clicks:count spend:money campaign:code bid:money",
    "invoices": "invoice_id:uuid supplier:name issued_on:day net:money tax:money currency:code overdue:flag",
    "employees": "employee_id:id name:secret department:code hired_on:day salary:money grade:small",
    "rides": "ride_id:uuid driver_id:key began_at:time km:measure fare:money tip:money rating:small surge:ratio",
    "reviews": "review_id:id product:sku stars:small written_at:time helpful:count body:text language:code",
    "meters": "meter_id:key at:time kwh:measure voltage:normal tariff:code",
    "loans": "loan_id:id borrower_id:key granted_on:day principal:money rate:ratio months:small purpose:code",
}
CODES = ["alpha", "beta", "gamma", "delta", "web", "shop", "app", "kr", "us", "de", "open", "done", "north", "south",
         "basic", "plus", "gold", "red", "blue", "x1", "x2", "x3", "new", "old", "big"]  # fmt: skip
SYNONYMS = {
    "id": "no",
    "amount": "value",
    "at": "time",
    "on": "date",
    "name": "label",
    "code": "kind",
    "status": "state",
}
TYPES = {
    "id": "bigint", "key": "bigint", "uuid": "string", "time": "timestamp", "day": "date", "money": "double",
    "ratio": "double", "measure": "double", "normal": "double", "count": "bigint", "small": "int", "flag": "boolean",
    "code": "string", "state": "string", "city": "string", "name": "string", "sku": "string",
    "secret": "string",  # pragma: allowlist secret
    "text": "string",
}  # fmt: skip


@dataclass
class Made:
    """A product of the synthetic mesh."""

    name: str
    rows: pa.Table
    withheld: frozenset[str] = frozenset()
    sql: str | None = None
    reads: tuple[str, ...] = ()


@dataclass
class World:
    """The mesh, and which pairs of it were planted."""

    rng: np.random.Generator
    pick: random.Random
    made: dict[str, Made] = field(default_factory=dict)
    planted: dict[tuple[str, str], str] = field(default_factory=dict)
    spent: set[str] = field(default_factory=set)
    """Originals that were copied once: a copy of a copy would be three pairs."""

    def add(self, one: Made) -> Made:
        self.made[one.name] = one
        return one

    def name(self, stem: str) -> str:
        domain = self.pick.choice(["sales", "core", "risk", "ops", "people", "growth", "lab", "web", "finance", "edge"])
        return f"{domain}.{stem}_{len(self.made)}"


def table(world: World, columns: str, traits: random.Random, count: int, *, start: int = 1) -> pa.Table:
    """Rows of a kind of business; equal traits give the same distributions, not the same rows."""
    made = {}
    for entry in columns.split():
        name, kind = entry.split(":")
        made[name] = column(world.rng, kind, traits, count, start)
    return pa.table(made)


def column(rng: np.random.Generator, kind: str, traits: random.Random, count: int, start: int) -> pa.Array:
    scale = traits.choice([0.01, 1, 3, 40, 700])
    spread, many = traits.uniform(0.3, 1.4), traits.choice([2, 3, 5, 9, 14])
    words = traits.sample(CODES, min(many, len(CODES)))
    weights = np.sort(np.array([traits.random() for _ in words]) + 0.05)
    begin = datetime(traits.choice([2023, 2024, 2025]), traits.randint(1, 12), 1, tzinfo=UTC).timestamp()
    length = traits.choice([30, 90, 365]) * 86_400
    people = traits.choice([300, 2_000, 50_000])
    if kind == "id":
        return pa.array(np.arange(start, start + count))
    if kind == "key":
        return pa.array(rng.integers(1, people, count))
    if kind in ("uuid", "text", "secret"):
        return pa.array([f"{one:016x}" for one in rng.integers(0, 2**62, count)])
    if kind == "sku":
        return pa.array([f"SKU-{one:05d}" for one in rng.integers(0, people, count)])
    if kind == "name":
        return pa.array([f"name {one}" for one in rng.integers(0, people, count)])
    if kind == "city":
        return pa.array([f"city {int(one)}" for one in rng.zipf(1.6, count).clip(1, 400)])
    if kind in ("code", "state"):
        return pa.array(rng.choice(words, count, p=weights / weights.sum()))
    if kind == "time":
        return pa.array(((begin + rng.random(count) * length) * 1e6).astype("int64"), pa.timestamp("us", "UTC"))
    if kind == "day":
        return pa.array((begin // 86_400 + rng.integers(0, length // 86_400, count)).astype("int32"), pa.date32())
    if kind == "money":
        return pa.array(np.round(scale * rng.lognormal(2, spread, count), 2))
    if kind == "ratio":
        return pa.array(np.round(rng.beta(2, 5, count), 3))
    if kind == "measure":
        return pa.array(scale * rng.gamma(2.0, spread, count))
    if kind == "normal":
        return pa.array(rng.normal(scale * 10, spread * scale, count))
    if kind == "count":
        return pa.array(rng.poisson(many * 20, count))
    if kind == "small":
        return pa.array(rng.integers(0, many + 1, count))
    return pa.array(rng.random(count) < traits.random())


def withheld(columns: str) -> frozenset[str]:
    return frozenset(entry.split(":")[0] for entry in columns.split() if entry.endswith(":secret"))


def rows_of(pick: random.Random) -> int:
    return pick.choice([400, 900, 1_500, 2_500, 4_000, 6_000])


# What is no duplicate -----------------------------------------------------------------------------------------------


def lone(world: World) -> None:
    stem = world.pick.choice(list(BUSINESSES))
    columns = BUSINESSES[stem]
    kinds = ["money", "code", "small", "measure", "flag"]
    stems = world.pick.sample(["base", "prior", "next", "risk", "plan"], world.pick.randint(0, 4))
    extra = [f"{one}_{world.pick.choice(CODES)}:{world.pick.choice(kinds)}" for one in stems]
    columns = " ".join([columns, *extra])
    rows = table(world, columns, world.pick, rows_of(world.pick))
    world.add(Made(world.name(stem), rows, withheld(columns)))


def family(world: World) -> None:
    """One table for several regions, years or tenants: the same columns and distributions, other rows."""
    stem = world.pick.choice(list(BUSINESSES))
    seed, start = world.pick.random(), 1
    for part in world.pick.sample(
        ["kr", "us", "de", "2023", "2024", "2025", "retail", "b2b"], world.pick.randint(2, 5)
    ):
        count = rows_of(world.pick)
        rows = table(world, BUSINESSES[stem], random.Random(seed), count, start=start)
        start += count if world.pick.random() < 0.5 else 0
        world.add(Made(world.name(f"{stem}_{part}"), rows, withheld(BUSINESSES[stem])))


def code_table(world: World) -> None:
    words = world.pick.sample(CODES, world.pick.randint(3, 12))
    rows = pa.table({"code": words, "label": [f"{one} {world.pick.choice(CODES)}" for one in words],
                     "position": list(range(1, len(words) + 1))})  # fmt: skip
    world.add(Made(world.name("codes"), rows))


def keyed(world: World) -> Made | None:
    sources = [one for one in world.made.values() if one.sql is None and one.rows.num_rows > 300]
    return world.pick.choice(sources) if sources else None


def columns_of(one: Made, *kinds: str) -> list[str]:
    return [
        name for name in one.rows.column_names if arrow_type(one.rows[name].type) in kinds and name not in one.withheld
    ]


def arrow_type(kind: pa.DataType) -> str:
    for test, name in (
        (pa.types.is_boolean, "boolean"), (pa.types.is_integer, "bigint"), (pa.types.is_floating, "double"),
        (pa.types.is_timestamp, "timestamp"), (pa.types.is_date, "date"),
    ):  # fmt: skip
        if test(kind):
            return name
    return "string"


def aggregate(world: World) -> None:
    source = keyed(world)
    keys = columns_of(source, "string", "date", "boolean") if source else []
    figures = columns_of(source, "double") if source else []
    if source is None or not keys or not figures:
        return lone(world)
    key, figure = world.pick.choice(keys), world.pick.choice(figures)
    made, alias = world.pick.choice([("sum", "sum"), ("avg", "mean"), ("max", "max")])
    rows = source.rows.group_by(key).aggregate([(figure, alias), (figure, "count")])
    rows = rows.rename_columns([key, "total", "n"] if rows.column_names[0] == key else ["total", "n", key])
    sql = f"select {key}, {made}({figure}) as total, count(*) as n from {source.name} group by 1"
    if any(one.sql == sql for one in world.made.values()):  # would be a duplicate that nobody planted
        return lone(world)
    world.add(Made(world.name(f"{key}_summary"), rows, sql=sql, reads=(source.name,)))
    return None


def enriched(world: World) -> None:
    """All columns of a product and several computed ones."""
    source = keyed(world)
    figures = columns_of(source, "double") if source else []
    if source is None or not figures:
        return lone(world)
    rows, parts = source.rows, []
    for index in range(world.pick.randint(3, 5)):
        figure, factor = world.pick.choice(figures), world.pick.randint(2, 90)
        rows = rows.append_column(f"derived_{index}", pc.multiply(source.rows[figure], float(factor)))
        parts.append(f"{figure} * {factor} as derived_{index}")
    sql = f"select t.*, {', '.join(parts)} from {source.name} t"
    world.add(Made(world.name("features"), rows, source.withheld, sql=sql, reads=(source.name,)))
    return None


# What is planted ----------------------------------------------------------------------------------------------------


def original(world: World) -> Made:
    while True:
        one = world.pick.choice(list(world.made.values()))
        if one.name not in world.spent and one.rows.num_rows >= 300 and len(one.rows.column_names) >= 5:
            world.spent.add(one.name)
            return one


def plant(world: World) -> None:
    """A copy of some product, changed in one or two ways; built by SQL from it, from its inputs, or by nobody knows."""
    one = original(world)
    ways = world.pick.sample(
        [renamed_columns, filtered, lagging, one_less, one_more, same], world.pick.choice([1, 1, 2])
    )
    rows, outputs, conditions, told = one.rows, {name: name for name in one.rows.column_names}, [], []
    hidden = set(one.withheld)
    for way in ways:
        rows, outputs, condition = way(world, rows, outputs)
        conditions += condition
        told.append(way.__name__)
    hidden = {new for new, old in outputs.items() if old in hidden}
    linked = world.pick.random() < 0.35 and "lagging" not in told and "one_more" not in told
    sql = None
    if linked:
        picked = ", ".join(old if old == new else f"{old} as {new}" for new, old in outputs.items())
        where = f" where {' and '.join(conditions)}" if conditions else ""
        sql = f"with base as (select * from {one.name}) select {picked} from base{where}"
    name = world.name(
        world.pick.choice(["extract", "mart", one.name.split(".")[1].rpartition("_")[0], "tmp", "report"])
    )
    copy = world.add(Made(name, rows, frozenset(hidden), sql=sql, reads=(one.name,) if linked else ()))
    world.spent.add(copy.name)
    world.planted[tuple(sorted((one.name, name)))] = "+".join(told) + (" linked" if linked else "")  # type: ignore[index]


Way = tuple[pa.Table, dict[str, str], list[str]]


def same(_world: World, rows: pa.Table, outputs: dict[str, str]) -> Way:
    return rows, outputs, []


def renamed_columns(world: World, rows: pa.Table, outputs: dict[str, str]) -> Way:
    def new(name: str) -> str:
        parts = [SYNONYMS.get(part, part) for part in name.split("_")]
        return "_".join(parts) if world.pick.random() < 0.6 else f"{world.pick.choice(['f', 'src', 'c'])}_{parts[-1]}"

    names: list[str] = []
    for name in rows.column_names:
        chosen = new(name) if world.pick.random() < 0.8 else name
        names.append(chosen if chosen not in names else f"{chosen}_{len(names)}")
    renamed = dict(zip(names, (outputs[name] for name in rows.column_names), strict=True))
    return rows.rename_columns(names), renamed, []


def filtered(world: World, rows: pa.Table, outputs: dict[str, str]) -> Way:
    """By a category, a flag or an amount; a part of at least a twelfth of the rows."""
    names = list(rows.column_names)
    world.pick.shuffle(names)
    for name in names:
        values = rows[name]
        if arrow_type(values.type) == "double":
            limit = float(np.round(np.quantile(values.to_numpy(), world.pick.uniform(0.2, 0.8)), 2))
            mask, condition = pc.greater(values, limit), f"{outputs[name]} > {limit}"
        elif arrow_type(values.type) == "string" and len(values.unique()) <= 30:
            value = world.pick.choice(values.unique().to_pylist())
            mask, condition = pc.equal(values, value), f"{outputs[name]} = '{value}'"
        else:
            continue
        kept = rows.filter(mask)
        if rows.num_rows / 12 <= kept.num_rows < rows.num_rows:
            return kept, outputs, [condition]
    return rows, outputs, []


def lagging(world: World, rows: pa.Table, outputs: dict[str, str]) -> Way:
    """The copy is of some days ago: the last rows are missing."""
    return rows.slice(0, int(rows.num_rows * world.pick.uniform(0.8, 0.97))), outputs, []


def one_less(world: World, rows: pa.Table, outputs: dict[str, str]) -> Way:
    name = world.pick.choice(rows.column_names)
    return rows.drop_columns([name]), {new: old for new, old in outputs.items() if new != name}, []


def one_more(world: World, rows: pa.Table, outputs: dict[str, str]) -> Way:
    loaded = pa.array([f"batch {world.pick.randint(1, 9)}"] * rows.num_rows)
    return rows.append_column("loaded_by", loaded), {**outputs, "loaded_by": "'batch'"}, []


def rewritten(world: World) -> None:
    """The same aggregate of the same product, written by two teams in two ways."""
    source = keyed(world)
    keys = columns_of(source, "string", "date") if source else []
    figures = columns_of(source, "double") if source else []
    if source is None or not keys or len(figures) < 2:
        return plant(world)
    key, (one, two) = world.pick.choice(keys), world.pick.sample(figures, 2)
    rows = source.rows.group_by(key).aggregate([(one, "sum"), (two, "max"), (one, "count")])
    rows = rows.rename_columns([key, "s", "m", "n"] if rows.column_names[0] == key else ["s", "m", "n", key])
    limit = world.pick.randint(-9, -1)
    texts = [
        (
            f"select {key}, sum({one}) as s, max({two}) as m, count(*) as n from {source.name}"
            f" where {one} > {limit} and {two} > {limit} group by {key}"
        ),
        (
            f"WITH b AS (SELECT * FROM {source.name} WHERE {limit} < {two})\nSELECT b.{key} AS {key}, COUNT(*) AS n,"
            f" SUM(b.{one}) AS s, MAX({two}) AS m FROM b WHERE (b.{one} > {limit}) GROUP BY 1"
        ),
    ]
    names = []
    for text in texts:
        made = world.add(Made(world.name(f"{key}_totals"), rows, sql=text, reads=(source.name,)))
        names.append(made.name)
        world.spent.add(made.name)
    world.planted[tuple(sorted(names))] = "rewritten"  # type: ignore[index]
    return None


def build(seed: int, count: int, planted: int) -> World:
    world = World(np.random.default_rng(seed), random.Random(seed))
    makers: list[Callable[[World], None]] = [
        lone,
        lone,
        lone,
        family,
        family,
        code_table,
        aggregate,
        aggregate,
        enriched,
    ]
    while len(world.made) < count - planted:
        world.pick.choice(makers)(world)
    while len(world.planted) < planted:
        (rewritten if world.pick.random() < 0.12 else plant)(world)
    return world

"""Rules on the whole batch or table, decided in the commit gate: uniqueness, references, distributions, SQL.

Each reads only what it needs of the new files and of the table as it will be; where no such rule is declared, nothing
is read. A rule that should have been run and could not be is told apart from one that has nothing to look at: the first
stops the batch where its severity is error.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mesh_catalog.contracts.contract import SET_RULES, Distribution, Reference
from mesh_catalog.contracts.spark_names import spark_name
from mesh_catalog.errors import MeshError
from mesh_catalog.lake.checks import EXAMPLE_LIMIT, Finding
from mesh_catalog.lake.distribution import column_distance
from mesh_catalog.lake.messages import describe_error, spark_condition
from mesh_catalog.lake.others import Others
from mesh_catalog.lake.read import read_table
from mesh_catalog.lake.sql_checks import run_queries
from mesh_catalog.lake.written import pending_frame, read_added, read_staying

if TYPE_CHECKING:
    from pyspark.sql import Column as SparkColumn
    from pyspark.sql import DataFrame, SparkSession

    from mesh_catalog.contracts.contract import Contract, Rule
    from mesh_catalog.lake.gate import PendingCommit
    from mesh_catalog.lake.profile import Profile

__all__ = ["SetRules", "find_duplicates", "reads_table"]


def reads_table(contract: Contract) -> bool:
    """Whether a rule is checked against rows that the table has already: then a commit in between is a conflict."""
    return any(
        against_table(contract, rule)
        or (rule.kind == "sql" and contract.write_mode != "overwrite")
        or (rule.kind == "reference" and rule.argument.product == contract.id and contract.write_mode != "overwrite")
        for rule in contract.rules
    )


def against_table(contract: Contract, rule: Rule) -> bool:
    """Whether a uniqueness rule must be checked against rows that stay; a MERGE by this key keeps it by itself."""
    if rule.kind != "unique" or contract.write_mode == "overwrite":
        return False
    by_key = {"upsert": contract.primary_key, "history": (*contract.primary_key, "valid_from")}
    return set(rule.argument) != set(by_key.get(contract.write_mode, ()))


def find_duplicates(new: DataFrame, old: DataFrame | None, rule: Rule, contract: Contract) -> Finding:
    """Rows of a frame whose key another row has, in it or in `old`."""
    from pyspark.sql import functions as F

    names = tuple(rule.argument)
    columns = [spark_name(name) for name in names]
    keys = _present(new, names).groupBy(*columns).agg(F.count(F.lit(1)).alias("_rows"))
    if old is not None:
        there = old.select(*columns).join(keys.select(*columns), on=list(names), how="left_semi").distinct()
        keys = keys.join(there.withColumn("_old", F.lit(1)), on=list(names), how="left")
    else:
        keys = keys.withColumn("_old", F.lit(None).cast("int"))
    shared = keys.filter("_rows > 1 or _old is not null")
    broken = F.sum(F.when(F.col("_old").isNull(), F.col("_rows") - 1).otherwise(F.col("_rows")))
    return _broken(shared, broken, names, contract)


@dataclass(kw_only=True)
class SetRules:
    """The set rules of a contract, at one pending commit."""

    spark: SparkSession
    contract: Contract
    location: str
    pending: PendingCommit
    others: Others
    profile: Profile | None = None
    """Of the new files; needed by distribution rules only."""
    _frames: dict[str, DataFrame] = field(default_factory=dict, init=False)

    def findings(self) -> dict[str, Finding]:
        """What each set rule found, by its id."""
        found: dict[str, Finding] = {}
        queries: list[Rule] = []
        for rule in self.contract.rules:
            if rule.kind not in SET_RULES:
                continue
            if rule.kind == "sql":
                queries.append(rule)
                continue
            with _kept(rule, found):
                found[rule.id] = self._find(rule)
        if queries:
            found |= run_queries(self.spark, queries, self._table)
        return found

    def _find(self, rule: Rule) -> Finding:
        if rule.kind == "unique":
            return self._duplicates(rule)
        if rule.kind == "reference":
            return self._lost(rule.argument)
        return self._distance(str(rule.column), rule.argument)

    # Frames --------------------------------------------------------------------------------------------------------

    def _added(self) -> DataFrame:
        return read_added(self.spark, self.pending, self.location, self.contract.columns)

    def _table(self, product: str | None) -> DataFrame:
        """A product's rows at its pinned version; the own table as it will be where None.

        Raises:
            MeshError: The product is not to be had.
        """
        name = product or self.contract.id
        if name not in self._frames:
            self._frames[name] = self._open(name)
        return self._frames[name]

    def _open(self, name: str) -> DataFrame:
        if name == self.contract.id:
            if self.contract.write_mode == "overwrite":
                return self._added()
            return pending_frame(self.spark, self.pending, self.location, self.contract.columns)
        ticket = self.others.tickets[name]
        if isinstance(ticket, str):
            raise MeshError(ticket)
        return read_table(self.spark, ticket)

    # Rules ---------------------------------------------------------------------------------------------------------

    def _duplicates(self, rule: Rule) -> Finding:
        if not self.pending.files:
            return Finding(value=0)
        old = None
        if self.pending.read_version is not None and against_table(self.contract, rule):
            old = read_staying(self.spark, self.pending, self.location)
            if not set(rule.argument) <= set(old.columns):  # new columns: rows that are there have no value in them
                old = None
        return find_duplicates(self._added(), old, rule, self.contract)

    def _lost(self, reference: Reference) -> Finding:
        """Rows of the new files whose key is not among the other product's."""
        from pyspark.sql import functions as F

        other = self._table(reference.product)
        told = None if reference.product == self.contract.id else self._told(reference.product)
        if not self.pending.files:
            return Finding(value=0, told=told)
        keys = other.select(*(F.col(spark_name(key)).alias(f"_key_{n}") for n, key in enumerate(reference.keys)))
        added = _present(self._added(), reference.columns)
        same = [F.col(spark_name(name)) == F.col(f"_key_{n}") for n, name in enumerate(reference.columns)]
        lost = added.join(keys, on=same, how="left_anti")
        return _broken(lost, F.count(F.lit(1)), self.contract.shown_key, self.contract, told=told)

    def _distance(self, name: str, wanted: Distribution) -> Finding:
        before, now = self.others.profile, self.profile
        if before is None:
            return Finding(not_run="there is no earlier version to compare with")
        if isinstance(before, str):
            return Finding(not_run=before, failed=True)
        if now is None or name not in before.columns:
            return Finding(not_run="the last version does not have this column")
        if not before.columns[name].valid_count or not now.columns[name].valid_count:
            return Finding(not_run="one of the two versions has no value in it")
        try:
            distance = column_distance(wanted.method, before.columns[name], now.columns[name])
        except ValueError as error:
            return Finding(not_run=str(error), failed=True)
        return Finding(value=distance, told=f"distance {distance:.4g}")

    def _told(self, product: str) -> str:
        ticket = self.others.tickets[product]
        return ticket if isinstance(ticket, str) else f"against {product} v{ticket.version}"


def _broken(
    rows: DataFrame, count: SparkColumn, names: tuple[str, ...], contract: Contract, *, told: str | None = None
) -> Finding:
    """Count rows, and name the first few of them by these columns unless they are personal, in one job."""
    from pyspark.sql import functions as F

    shown = names if names and not set(names) & set(contract.personal_columns) else ()
    wanted = [count.alias("broken")]
    if shown:
        told_as = [F.concat(F.lit(f"{name} "), F.col(spark_name(name)).cast("string")) for name in shown]
        by = F.struct(*(F.col(spark_name(name)) for name in shown))
        wanted.append(F.min_by(F.concat_ws(", ", *told_as), by, EXAMPLE_LIMIT).alias("examples"))
    row = rows.agg(*wanted).first()
    if row is None or not row["broken"]:
        return Finding(value=0, told=told)
    return Finding(value=int(row["broken"]), examples=tuple(row["examples"]) if shown else (), told=told)


def _present(frame: DataFrame, names: tuple[str, ...]) -> DataFrame:
    return frame.filter(" and ".join(f"{spark_name(name)} is not null" for name in names))


@contextmanager
def _kept(rule: Rule, found: dict[str, Finding]) -> Iterator[None]:
    """What stops one rule does not hide what the others find."""
    from py4j.protocol import Py4JJavaError
    from pyspark.errors import PySparkException

    try:
        yield
    except MeshError as error:
        found[rule.id] = Finding(not_run=str(error), failed=True)
    except (PySparkException, Py4JJavaError) as error:
        if (spark_condition(error) or "").startswith("FAILED_READ_FILE"):  # the storage's fault, and no rule's
            raise
        found[rule.id] = Finding(not_run=describe_error(error), failed=True)

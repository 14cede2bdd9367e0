"""The audit of a batch, in the commit gate: verdicts from what the write counted, then profile and manifest, or a veto.

Fails closed: whatever goes wrong in here stops the commit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mesh_catalog.catalog.runs import CheckRecord
from mesh_catalog.errors import BatchRefusedError, StorageError, listed
from mesh_catalog.lake.checks import EXAMPLE_LIMIT, BatchCounts, ConformedBatch, judge_counts, quoted
from mesh_catalog.lake.collect import FilesProfile, profile_files
from mesh_catalog.lake.manifest import Manifest, store_manifest
from mesh_catalog.lake.profiles import store_profile
from mesh_catalog.lake.quarantine import stage_quarantine
from mesh_catalog.lake.sources import BROKEN_METRIC

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, Observation, SparkSession

    from mesh_catalog.contracts.contract import Contract, Rule
    from mesh_catalog.lake.gate import PendingCommit

__all__ = ["Audit"]


@dataclass(kw_only=True)
class Audit:
    """Called once by the gate with the files of the write; afterwards holds what it found."""

    spark: SparkSession
    conformed: ConformedBatch
    location: str
    run_id: str
    rules: Observation
    source: Observation | None
    earlier_rows: int
    earlier_version: int | None
    """The version that an append adds to; None where the table is new or overwritten."""
    inputs: Mapping[str, int]
    source_files: tuple[str, ...]
    checks: tuple[CheckRecord, ...] = ()
    manifest_stored: bool = False
    _manifest: Manifest | None = field(default=None, init=False)

    @property
    def manifest(self) -> Manifest:
        if self._manifest is None:
            raise StorageError(f"{self._contract.id}: the audit did not run")
        return self._manifest

    @property
    def reads_table(self) -> bool:
        """Whether a rule is checked against the rows that the table has already."""
        return self.earlier_version is not None and any(rule.kind == "unique" for rule in self._contract.rules)

    @property
    def _contract(self) -> Contract:
        return self.conformed.contract

    def __call__(self, pending: PendingCommit) -> None:
        counts = BatchCounts.from_metrics(self.rules.get)
        found = profile_files(self.spark, self._contract, pending.files)
        duplicates, examples = self._duplicates(pending)
        total_rows = self.earlier_rows + found.profile.rows
        checks = judge_counts(
            self.conformed.rules,
            counts,
            total_rows=total_rows,
            newest_event_at=found.event_to,
            duplicates=duplicates,
            now=datetime.now(UTC),
        )
        self.checks = (*self._source_check(), *checks)
        self._refuse_broken(examples)
        self._same_rows(counts.rows - counts.quarantined, found.profile.rows)
        if counts.quarantined:
            stage_quarantine(self.conformed, self.location, self.run_id)
        self._store(found, total_rows, counts.quarantined)

    def _same_rows(self, counted: int, written: int) -> None:
        """A recomputed task could count rows twice; the files themselves know how many they hold."""
        if counted != written:
            raise StorageError(
                f"{self._contract.id}: {counted} rows were counted but {written} written; a task ran twice. "
                "Nothing was committed; publish again."
            )

    def _duplicates(self, pending: PendingCommit) -> tuple[dict[str, int | None], dict[str, tuple[str, ...]]]:
        """Rows of the new files whose key another row has, new or (for an append) old, per uniqueness rule."""
        found: dict[str, int | None] = {}
        examples: dict[str, tuple[str, ...]] = {}
        unique = [rule for rule in self._contract.rules if rule.kind == "unique"]
        if not unique:
            return found, examples
        if not pending.files:
            return {rule.id: 0 for rule in unique}, examples
        new = self.spark.read.parquet(*(file.path for file in pending.files))
        for rule in unique:
            found[rule.id], examples[rule.id] = self._shared_keys(new, rule)
        return found, examples

    def _shared_keys(self, new: DataFrame, rule: Rule) -> tuple[int, tuple[str, ...]]:
        from pyspark.sql import functions as F

        names = list(rule.argument)
        present = " and ".join(f"{quoted(name)} is not null" for name in names)
        keys = new.filter(present).groupBy(*names).agg(F.count(F.lit(1)).alias("_rows"))
        if self.earlier_version is not None:
            table = self.spark.read.format("delta").option("versionAsOf", self.earlier_version).load(self.location)
            old = table.select(*names).join(F.broadcast(keys.select(*names)), on=names, how="left_semi").distinct()
            keys = keys.join(old.withColumn("_old", F.lit(1)), on=names, how="left")
        else:
            keys = keys.withColumn("_old", F.lit(None).cast("int"))
        shared = keys.filter("_rows > 1 or _old is not null")
        shown = F.concat_ws(", ", *(F.concat(F.lit(f"{name} "), F.col(name).cast("string")) for name in names))
        row = shared.agg(
            F.sum(F.when(F.col("_old").isNull(), F.col("_rows") - 1).otherwise(F.col("_rows"))).alias("broken"),
            F.min_by(shown, F.struct(*names), EXAMPLE_LIMIT).alias("examples"),
        ).first()
        if row is None or not row["broken"]:
            return 0, ()
        personal = set(names) & set(self._contract.personal_columns)
        return int(row["broken"]), () if personal else tuple(row["examples"])

    def _source_check(self) -> tuple[CheckRecord, ...]:
        if self.source is None:
            return ()
        broken = int(self.source.get[BROKEN_METRIC])
        return (
            CheckRecord(
                rule="source.readable",
                text="every row of the source can be read",
                column=None,
                severity="error",
                verdict="fail" if broken else "pass",
                broken_count=broken,
                rows=None,
                example_keys=(),
                reason="wrong number of fields, or a value that is not of its column's type" if broken else None,
            ),
        )

    def _refuse_broken(self, examples: Mapping[str, Sequence[str]]) -> None:
        failed = [check for check in self.checks if check.verdict == "fail"]
        if not failed:
            return
        row_rules = [check.rule for check in failed if check.rule in self.conformed.conditions()]
        known = {**examples, **self.conformed.example_keys(row_rules)}
        self.checks = tuple(
            replace(check, example_keys=tuple(known.get(check.rule, ()))) if check.verdict == "fail" else check
            for check in self.checks
        )
        raise BatchRefusedError(self._refusal(), product=self._contract.id, run_id=self.run_id)

    def _refusal(self) -> str:
        """What EXPERIENCE calls a bad batch: which rule, how often, which rows."""
        failed = [check for check in self.checks if check.verdict == "fail"]
        readers = (
            f"readers stay on v{self.earlier_version}" if self.earlier_version is not None else "nothing was written"
        )
        lines = [f"{self._contract.id}   refused, {readers}"]
        width = max(len(check.text) for check in failed)
        for check in failed:
            count = "" if check.broken_count is None else f"{check.broken_count:>9,} rows break it"
            keys = f"   e.g. {listed(check.example_keys)}" if check.example_keys else ""
            reason = f"   {check.reason}" if check.reason else ""
            lines.append(f"  {check.text:<{width}}  {count}{keys}{reason}".rstrip())
        lines.append(
            f"  {len(failed)} of {len(self.checks)} checks failed; nothing was written. "
            f"The rows: mesh show {self._contract.id} --refused"
        )
        return "\n".join(lines)

    def _store(self, found: FilesProfile, total_rows: int, quarantined: int) -> None:
        self._manifest = Manifest(
            product=self._contract.id,
            run_id=self.run_id,
            mode=self._contract.write_mode,
            contract_version=self._contract.version,
            rows=found.profile.rows,
            total_rows=total_rows,
            quarantined_count=quarantined,
            event_from=found.event_from,
            event_to=found.event_to,
            profile_path=store_profile(self.location, self.run_id, found.profile) if self._contract.profiled else None,
            profile_digest=found.profile.digest if self._contract.profiled else None,
            checks=self.checks,
            inputs=dict(self.inputs),
            source_files=self.source_files,
        )
        store_manifest(self.location, self._manifest)
        self.manifest_stored = True

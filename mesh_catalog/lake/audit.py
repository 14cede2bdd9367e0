"""The audit of a batch, in the commit gate: verdicts from what the write counted, then profile and manifest, or a veto.

Fails closed: whatever goes wrong in here stops the commit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mesh_catalog.catalog.runs import CheckRecord, CheckVerdict
from mesh_catalog.errors import BatchRefusedError, StorageError
from mesh_catalog.lake.checks import BatchCounts, ConformedBatch, Finding, failed_lines, judge_counts
from mesh_catalog.lake.collect import FilesProfile, profile_files
from mesh_catalog.lake.manifest import Manifest, Member, store_manifest
from mesh_catalog.lake.messages import conflict
from mesh_catalog.lake.others import Others
from mesh_catalog.lake.profiles import store_profile
from mesh_catalog.lake.quarantine import stage_broken_rows, stage_quarantine
from mesh_catalog.lake.set_rules import SetRules, find_duplicates, reads_table
from mesh_catalog.lake.sources import BROKEN_METRIC
from mesh_catalog.lake.written import read_added, removed_rows

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, Observation, SparkSession

    from mesh_catalog.contracts.contract import Contract, Rule
    from mesh_catalog.lake.gate import PendingCommit
    from mesh_catalog.lake.sources import SourceBatch

__all__ = ["Audit"]


@dataclass(kw_only=True)
class Audit:
    """Called once by the gate with the files of the write; afterwards holds what it found."""

    spark: SparkSession
    conformed: ConformedBatch
    location: str
    run_id: str
    transaction: int
    """The number that the commit takes."""
    rules: Observation
    source: SourceBatch | None
    contract: Contract
    """Of the table; `conformed` has that of the rows which the transform makes."""
    earlier_rows: int | None
    """Rows of the table now; None where the catalog does not know."""
    earlier_version: int | None
    """The version that readers see now; None where the table is new."""
    batch_key: Rule | None = None
    """That a batch holds a key once, where the mode finds rows by key."""
    batch_condition: str | None = None
    """SQL that tells the batch's rows from those that the write copies, where the mode has one."""
    inputs: Mapping[str, int]
    settle: Callable[[PendingCommit], tuple[Member, ...]] = field(default=lambda _pending: ())
    """Called once the audit has passed; returns the set that is committed together, once all of it may be."""
    others: Others = field(default_factory=Others)
    checks: tuple[CheckRecord, ...] = ()
    _staged: bool = field(default=False, init=False)
    _manifest: Manifest | None = field(default=None, init=False)

    @property
    def manifest(self) -> Manifest:
        if self._manifest is None:
            raise StorageError(f"{self._contract.id}: the audit did not run")
        return self._manifest

    @property
    def reads_table(self) -> bool:
        """Whether the commit is right only for the table's rows as they are now."""
        rows_matter = reads_table(self.contract) or self.contract.write_mode == "history"
        return self.earlier_version is not None and rows_matter

    @property
    def _contract(self) -> Contract:
        return self.conformed.contract

    def check_staged(self, rows: DataFrame) -> None:
        """Judge a staged batch before its write begins: its rows, and its key.

        Raises:
            BatchRefusedError: It breaks a rule.
            StorageError: Its rows were counted otherwise than they were staged.
        """
        self._staged = True
        findings: dict[str, Finding] = {}
        if self.batch_key:
            findings[self.batch_key.id] = find_duplicates(rows, None, self.batch_key, self._contract)
        self._judge(self._counts(rows.count()), findings, total_rows=None, newest_event_at=None)

    def __call__(self, pending: PendingCommit) -> None:
        if self.contract.write_mode == "history" and pending.read_version != self.earlier_version:
            raise conflict(self.contract.id)
        if self.source is not None:
            self.source.require_unchanged()
        found = profile_files(self.spark, self.contract, pending.files)
        counts = self._counts(None if self._staged else self._written(pending, found))
        findings = self._findings(pending, found)
        total_rows = self._total_rows(pending)
        self._judge(counts, findings, total_rows=total_rows, newest_event_at=found.event_to)
        if counts.quarantined:
            stage_quarantine(self.conformed, self.location, self.run_id, transaction=self.transaction)
        if self.source is not None and self.source.broken_rows == "quarantine":
            stage_broken_rows(
                self.spark,
                self.source,
                self.contract,
                self.location,
                self.run_id,
                transaction=self.transaction,
                count=self._unreadable_rows,
            )
        self._store(found, total_rows, counts, self.settle(pending))

    def _judge(
        self,
        counts: BatchCounts,
        findings: Mapping[str, Finding],
        *,
        total_rows: int | None,
        newest_event_at: datetime | None,
    ) -> None:
        checks = judge_counts(
            (*([self.batch_key] if self.batch_key else []), *self.conformed.rules),
            counts,
            total_rows=total_rows,
            newest_event_at=newest_event_at,
            findings=findings,
            now=datetime.now(UTC),
        )
        self.checks = (*self._source_check(counts.rows), *checks)
        self._refuse_broken(findings)

    def _total_rows(self, pending: PendingCommit) -> int | None:
        """Rows of the table once the commit is in."""
        if self.earlier_version is None or self.contract.write_mode == "overwrite":
            return pending.rows
        removed = removed_rows(pending, self.location)
        if pending.rows is None or self.earlier_rows is None or removed is None:
            return None
        return self.earlier_rows - removed + pending.rows

    def _written(self, pending: PendingCommit, found: FilesProfile) -> int:
        """How many of the batch's rows the files hold."""
        if self.batch_condition is None:
            return found.profile.rows
        added = read_added(self.spark, pending, self.location, self.contract.columns)
        return added.filter(self.batch_condition).count()

    def _counts(self, written: int | None) -> BatchCounts:
        """What each row rule found.

        Args:
            written: Rows of the batch that were written; None where `check_staged` has looked at them.

        Raises:
            StorageError: More or fewer were written than were counted, and no rule is broken: a task that was
                computed again could count rows twice; the files themselves know how many they hold.
        """
        counts = BatchCounts.from_metrics(self.rules.get)
        if written is None or written == counts.kept:
            return self.conformed.none_broken(counts)
        broken = self.conformed.count_broken()
        if not any(broken.broken[rule.id] for rule in self.conformed.stopping):
            raise StorageError(
                f"{self._contract.id}: {counts.kept} rows were counted but {written} written; a task ran twice. "
                "Nothing was committed; publish again."
            )
        return broken

    def _findings(self, pending: PendingCommit, found: FilesProfile) -> dict[str, Finding]:
        """What the rules on the whole batch found; where there are none, nothing is read."""
        findings = SetRules(
            spark=self.spark,
            contract=self.contract,
            location=self.location,
            pending=pending,
            others=self.others,
            profile=found.profile,
        ).findings()
        if self.batch_key:
            findings[self.batch_key.id] = Finding(value=0)  # `check_staged` would have refused it
        return findings

    @property
    def _unreadable_rows(self) -> int:
        if self.source is None or self.source.observation is None:
            return 0
        return int(self.source.observation.get[BROKEN_METRIC])

    def _source_check(self, read: int) -> tuple[CheckRecord, ...]:
        if self.source is None:
            return ()
        broken = self._unreadable_rows
        verdict: CheckVerdict = "pass"
        reason = "wrong number of fields, or a value that is not of its column's type"
        if broken:
            verdict = "quarantine" if self.source.broken_rows == "quarantine" else "fail"
            if verdict == "quarantine" and not read:
                verdict, reason = "fail", "not one row can be read: look at format, options and columns in source.yaml"
        return (
            CheckRecord(
                rule="source.readable",
                text="every row of the source can be read",
                column=None,
                severity="quarantine" if self.source.broken_rows == "quarantine" else "error",
                verdict=verdict,
                broken_count=broken,
                rows=None,
                example_keys=(),
                reason=reason if broken else None,
            ),
        )

    def _refuse_broken(self, findings: Mapping[str, Finding]) -> None:
        unrun = {rule for rule, found in findings.items() if found.failed}
        failed = [check for check in self.checks if check.verdict == "fail"]
        stopped = [check for check in self.checks if check.rule in unrun and check.severity == "error"]
        if not failed and not stopped:
            return
        row_rules = [check.rule for check in failed if check.rule in self.conformed.conditions()]
        examples = {rule: found.examples for rule, found in findings.items()}
        known = {**examples, **self.conformed.example_keys(row_rules)}
        self.checks = tuple(
            replace(check, example_keys=tuple(known.get(check.rule, ()))) if check.verdict == "fail" else check
            for check in self.checks
        )
        shown = [check for check in self.checks if check in stopped or check.verdict == "fail"]
        raise BatchRefusedError(self._refusal(shown), product=self._contract.id, run_id=self.run_id)

    def _refusal(self, failed: Sequence[CheckRecord]) -> str:
        """What EXPERIENCE calls a bad batch: which rule, how often, which rows."""
        readers = (
            f"readers stay on v{self.earlier_version}" if self.earlier_version is not None else "nothing was written"
        )
        or_unrun = " or could not be run" if any(check.verdict == "not_run" for check in failed) else ""
        last = (
            f"  {len(failed)} of {len(self.checks)} checks failed{or_unrun}; nothing was written. "
            f"The rows: mesh show {self._contract.id} --refused"
        )
        return "\n".join([f"{self._contract.id}   refused, {readers}", *failed_lines(failed), last])

    def _store(
        self, found: FilesProfile, total_rows: int | None, counts: BatchCounts, together: tuple[Member, ...]
    ) -> None:
        self._manifest = Manifest(
            product=self._contract.id,
            run_id=self.run_id,
            mode=self.contract.write_mode,
            contract_version=self._contract.version,
            rows=counts.kept,
            total_rows=total_rows,
            quarantined_count=counts.quarantined + self._unreadable_rows,
            event_from=found.event_from,
            event_to=found.event_to,
            profile_path=store_profile(self.location, self.run_id, found.profile) if self._contract.profiled else None,
            profile_digest=found.profile.digest if self._contract.profiled else None,
            checks=self.checks,
            inputs=dict(self.inputs),
            source_files=() if self.source is None else self.source.origins,
            together=together,
        )
        store_manifest(self.location, self._manifest)

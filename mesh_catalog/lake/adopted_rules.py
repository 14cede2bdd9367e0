"""Rules of a contract on a table that others write: counted by delta-rs over its rows, without a JVM."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from mesh_catalog.contracts.contract import SET_RULES, Column, Contract, Rule
from mesh_catalog.errors import StorageError
from mesh_catalog.lake.arrow import quoted
from mesh_catalog.lake.checks import EXAMPLE_LIMIT, BatchCounts, Finding, judge_counts, row_condition, row_rules
from mesh_catalog.lake.foreign import query_rows

if TYPE_CHECKING:
    from deltalake import DeltaTable

    from mesh_catalog.catalog.runs import CheckRecord

__all__ = ["judge_rows"]

_OTHERS_WRITE = "others write this table; put the rule on a product that reads it"
_ASCII = {"d": "[0-9]", "w": "[0-9A-Za-z_]", "s": r"[ \t\n\x0B\f\r]"}
_ASCII |= {letter.upper(): f"[^{text[1:]}" for letter, text in _ASCII.items()}


def judge_rows(
    contract: Contract, table: DeltaTable, *, rows: int, newest_event_at: datetime | None, unread: str | None
) -> tuple[CheckRecord, ...]:
    """A verdict a rule of a table's version: all row rules in one look at its rows, and each uniqueness in one more.

    Other rules on the whole table are not run. A row that breaks a `quarantine` rule stays where it is: here such a
    rule warns.

    Args:
        rows: Of the version.
        newest_event_at: For freshness.
        unread: Why its rows are not looked at; None where they are.
    """
    rules = [replace(rule, severity="warning") if rule.severity == "quarantine" else rule for rule in contract.rules]
    conditions = {} if unread else _conditions(contract)
    findings = {
        rule.id: Finding(not_run=unread or _OTHERS_WRITE)
        if unread or rule.kind != "unique"
        else _repeated(contract, table, rule)
        for rule in rules
        if rule.kind in SET_RULES
    }
    checks = judge_counts(
        rules,
        BatchCounts(rows=rows, quarantined=0, broken=_broken(contract, table, conditions)),
        total_rows=rows,
        newest_event_at=newest_event_at,
        findings=findings,
        now=datetime.now(UTC),
    )
    return tuple(
        replace(check, example_keys=_examples(contract, table, conditions[check.rule]))
        if check.verdict == "fail" and check.rule in conditions
        else check
        for check in checks
    )


def _conditions(contract: Contract) -> dict[str, str]:
    """Rule id → SQL that is true where a row keeps it, of the row rules that can be told here."""
    found = {}
    for rule, column in row_rules(contract):
        pattern = _read_here(str(rule.argument)) if rule.kind == "pattern" else None
        if rule.kind != "pattern" or pattern is not None:
            found[rule.id] = _condition(rule if pattern is None else replace(rule, argument=pattern), column)
    return found


def _condition(rule: Rule, column: Column) -> str:
    """Spark's condition in the words of delta-rs, whose SQL is that of PostgreSQL where the two differ here."""
    import sqlglot

    return sqlglot.transpile(row_condition(rule, column), read="spark", write="postgres")[0]


def _read_here(pattern: str) -> str | None:
    r"""The pattern as Rust's engine reads it like Java's: \w and its like mean ASCII. None where it looks ahead."""
    if "(?=" in pattern or "(?!" in pattern:
        return None
    return re.sub(r"\\(.)", lambda found: _ASCII.get(found[1], found[0]), pattern)


def _broken(contract: Contract, table: DeltaTable, conditions: Mapping[str, str]) -> dict[str, int]:
    """Rule id → rows that break it; without those that the engine cannot compute."""
    if not conditions:
        return {}
    try:
        return _counts(contract, table, conditions)
    except StorageError:
        if len(conditions) == 1:
            return {}
        found: dict[str, int] = {}
        for rule, text in conditions.items():
            found |= _broken(contract, table, {rule: text})
        return found


def _counts(contract: Contract, table: DeltaTable, conditions: Mapping[str, str]) -> dict[str, int]:
    counts = [f"count(*) filter (where not ({text})) as r{number}" for number, text in enumerate(conditions.values())]
    row = query_rows(contract.id, table, f"select {', '.join(counts)} from rows").to_pylist()[0]  # noqa: S608
    return {rule: int(row[f"r{number}"]) for number, rule in enumerate(conditions)}


def _repeated(contract: Contract, table: DeltaTable, rule: Rule) -> Finding:
    """Rows beside the first of each key; a key with a null in it is none."""
    names = [quoted(name) for name in rule.argument]
    present = " and ".join(f"{name} is not null" for name in names)
    groups = f"select count(*) - 1 as more from rows where {present} group by {', '.join(names)}"  # noqa: S608
    try:
        found = query_rows(contract.id, table, f"select coalesce(sum(more), 0) as n from ({groups})")  # noqa: S608
    except StorageError:
        return Finding(not_run="it could not be counted")
    return Finding(value=int(found.column("n")[0].as_py()))


def _examples(contract: Contract, table: DeltaTable, condition: str) -> tuple[str, ...]:
    """A few keys of the rows that break a rule. None where the key is personal."""
    if not contract.shown_key:
        return ()
    names = ", ".join(quoted(name) for name in contract.shown_key)
    query = f"select {names} from rows where not ({condition}) order by {names} limit {EXAMPLE_LIMIT}"  # noqa: S608
    rows: list[dict[str, Any]] = query_rows(contract.id, table, query).to_pylist()
    return tuple(dict.fromkeys(", ".join(f"{name} {value}" for name, value in row.items()) for row in rows))

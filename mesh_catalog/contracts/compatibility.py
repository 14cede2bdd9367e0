"""Compatibility of two versions of a contract: what each difference means for readers, and for rows that are there.

- breaking for readers: what they may rely on is gone or otherwise. It needs a new major version.
- breaking for rows: readers lose nothing, but rows that are in the table already may not keep the new promise. It
  concerns only tables that keep their rows; one that is replaced whole has none.
- additive: more than before, or only for new rows (a new column that may be null, a wider type, another rule).
- documentation: says the same in other words.

Pure: no Spark, no files, no clock.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, get_args

from mesh_catalog.contracts.contract import Column, Contract, Rights, Rule, Use
from mesh_catalog.contracts.semantic_version import Change

__all__ = ["Difference", "change_kind", "compare_contracts", "is_wider"]

_INTEGERS: Final = {"tinyint": 3, "smallint": 5, "int": 10, "bigint": 19}
"""Decimal digits that hold every value."""
_IN_DOUBLE: Final = ("tinyint", "smallint", "int", "float")
_IMPLIED: Final = ("required", "unique")
_BY_PURPOSE: Final = frozenset[Use](("build", "train", "score"))
"""The uses that declare a purpose."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One difference between two versions of a contract."""

    kind: Change
    column: str | None
    """None where it is the table's."""
    sentence: str
    concerns: Literal["readers", "rows"] = "readers"
    """Of a breaking one: whom it breaks."""
    needs_rewrite: bool = False
    """Whether the table's files must be written anew: a type is another one."""
    uses: frozenset[Use] = frozenset()
    """Of a right that is narrowed: the uses that it takes, also from what is made of the table."""


def compare_contracts(old: Contract, new: Contract) -> tuple[Difference, ...]:
    """Every difference, columns first, in the contracts' order; nothing for a contract and itself."""
    return (
        *_columns(old, new),
        *_keys(old, new),
        *_event_time(old, new),
        *_rules(old.rules, new.rules),
        *_rights(old.rights, new.rights),
        *_table(old, new),
    )


def change_kind(differences: Sequence[Difference], *, keeps_rows: bool) -> Change | None:
    """What differences come to together; None where there are none.

    Args:
        keeps_rows: Whether rows that are in the table stay in it; otherwise those that only rows break are additive.
    """
    if any(one.kind == "breaking" and (one.concerns == "readers" or keeps_rows) for one in differences):
        return "breaking"
    if any(one.kind != "documentation" for one in differences):
        return "additive"
    return "documentation" if differences else None


def is_wider(old: str, new: str) -> bool:
    """Whether every value of one Spark type is also one of the other, another type."""
    if old == new:
        return False
    if old in _INTEGERS and new in _INTEGERS:
        return _INTEGERS[old] < _INTEGERS[new]
    if new == "double":
        return old in _IN_DOUBLE
    wide = _decimal(new)
    narrow = (_INTEGERS[old], 0) if old in _INTEGERS else _decimal(old)
    return (
        wide is not None and narrow is not None and wide[1] >= narrow[1] and wide[0] - wide[1] >= narrow[0] - narrow[1]
    )


def _decimal(spark_type: str) -> tuple[int, int] | None:
    match = re.fullmatch(r"decimal\((\d+),(\d+)\)", spark_type)
    return (int(match[1]), int(match[2])) if match else None


def _columns(old: Contract, new: Contract) -> Iterator[Difference]:
    before, after = {column.name: column for column in old.columns}, {column.name: column for column in new.columns}
    added = [column for column in new.columns if column.name not in before]
    for column in old.columns:
        if column.name in after:
            yield from _column(column, after[column.name])
            yield from _unique(column, after[column.name], alone=new.primary_key == (column.name,))
            continue
        alike = next((other.name for other in added if other.spark_type == column.spark_type), None)
        renamed = f" (renamed to '{alike}'? a rename is a removal for readers)" if alike else ""
        yield Difference(kind="breaking", column=column.name, sentence=f"column '{column.name}' is removed{renamed}")
    for column in added:
        if column.required:
            sentence = f"column '{column.name}' is new and required, but rows that are there have no value in it"
            yield Difference(kind="breaking", column=column.name, sentence=sentence, concerns="rows")
        else:
            yield Difference(kind="additive", column=column.name, sentence=f"column '{column.name}' is new")


def _column(old: Column, new: Column) -> Iterator[Difference]:
    name = old.name
    if old.spark_type != new.spark_type:
        wider = is_wider(old.spark_type, new.spark_type)
        yield Difference(
            kind="additive" if wider else "breaking",
            column=name,
            sentence=f"column '{name}' is {new.spark_type} instead of {old.spark_type}{', which is wider' * wider}",
            needs_rewrite=True,
        )
    if old.required and not new.required:
        yield Difference(
            kind="breaking", column=name, sentence=f"column '{name}' may be null, which readers were told it is not"
        )
    if new.required and not old.required:
        sentence = f"column '{name}' is required, but rows that are there may have no value in it"
        yield Difference(kind="breaking", column=name, sentence=sentence, concerns="rows")
    if old.classification != new.classification:
        said = f"{new.classification or 'nothing'} instead of {old.classification or 'nothing'}"
        yield Difference(kind="additive", column=name, sentence=f"column '{name}' is classified {said}")
    if (old.description, old.tags, old.logical_type) != (new.description, new.tags, new.logical_type):
        yield Difference(kind="documentation", column=name, sentence=f"column '{name}' is described otherwise")


def _unique(old: Column, new: Column, *, alone: bool) -> Iterator[Difference]:
    """A column that is the whole primary key is unique without the word."""
    if old.unique and not new.unique and not alone:
        sentence = f"column '{old.name}' may hold a value twice, which readers were told it does not"
        yield Difference(kind="breaking", column=old.name, sentence=sentence)
    elif old.unique != new.unique:
        said = "is unique from now on" if new.unique else "is unique as the primary key"
        yield Difference(kind="additive", column=old.name, sentence=f"column '{old.name}' {said}")


def _keys(old: Contract, new: Contract) -> Iterator[Difference]:
    if old.primary_key == new.primary_key:
        return
    if not old.primary_key:
        sentence = f"the primary key ({', '.join(new.primary_key)}) is new, but rows that are there may share one"
        yield Difference(kind="breaking", column=None, sentence=sentence, concerns="rows")
        return
    said = f"is {', '.join(new.primary_key)}, not {', '.join(old.primary_key)}" if new.primary_key else "is gone"
    yield Difference(kind="breaking", column=None, sentence=f"the primary key {said}")


def _event_time(old: Contract, new: Contract) -> Iterator[Difference]:
    if old.event_time == new.event_time:
        return
    if old.event_time is None:
        yield Difference(kind="additive", column=new.event_time, sentence=f"the event time is {new.event_time}")
        return
    said = f"is {new.event_time}, not {old.event_time}" if new.event_time else "is gone"
    yield Difference(kind="breaking", column=old.event_time, sentence=f"the event time {said}")


def _rules(old: Sequence[Rule], new: Sequence[Rule]) -> Iterator[Difference]:
    """Rules hold for batches to come, so another rule breaks no reader; what columns imply is said of the columns."""
    before = {rule.id: rule for rule in old if rule.kind not in _IMPLIED}
    after = {rule.id: rule for rule in new if rule.kind not in _IMPLIED}
    for key, rule in before.items():
        other = after.get(key)
        if other is None:
            yield Difference(kind="additive", column=rule.column, sentence=f"the rule '{rule.text}' is gone")
        elif replace(other, text="") != replace(rule, text=""):
            sentence = f"the rule '{rule.text}' ({rule.severity}) is '{other.text}' ({other.severity})"
            yield Difference(kind="additive", column=rule.column, sentence=sentence)
    for key, rule in after.items():
        if key not in before:
            yield Difference(kind="additive", column=rule.column, sentence=f"the rule '{rule.text}' is new")


def _rights(old: Rights, new: Rights) -> Iterator[Difference]:
    """What may be done no more breaks whoever does it; a contract that says nothing allows all."""
    lists = (("use", old.allowed_uses, new.allowed_uses), ("purpose", old.allowed_purposes, new.allowed_purposes))
    for what, before, after in lists:
        if before is None and after is not None:
            sentence = f"only these {what}s are allowed from now on: {', '.join(after) or 'none'}"
            uses = _BY_PURPOSE if what == "purpose" else frozenset(get_args(Use)) - {*after}
            yield Difference(kind="breaking", column=None, sentence=sentence, uses=uses)
            continue
        for one in (one for one in before or () if after is not None and one not in after):
            sentence = f"the {what} '{one}' is allowed no more"
            uses = _BY_PURPOSE if what == "purpose" else frozenset((one,))
            yield Difference(kind="breaking", column=None, sentence=sentence, uses=uses)
        if before is not None and (after is None or set(after) - set(before)):
            yield Difference(kind="additive", column=None, sentence=f"more {what}s are allowed")
    if old.licence != new.licence:
        said = f"the licence is {new.licence or 'not said'} instead of {old.licence or 'not said'}"
        yield Difference(kind="additive" if old.licence is None else "breaking", column=None, sentence=said)
    if old.consent != new.consent:
        asked = new.consent is not None and old.consent is None
        said = "rows whose people did not consent leave" if asked else "whose consent is needed is said otherwise"
        yield Difference(kind="breaking" if asked else "additive", column=None, sentence=said)
    reasons = [(one.purposes, one.consent_not_needed, one.deidentified) for one in (old, new)]
    if reasons[0] != reasons[1]:
        yield Difference(kind="documentation", column=None, sentence="what the rows are for is described otherwise")


def _table(old: Contract, new: Contract) -> Iterator[Difference]:
    if old.write_mode != new.write_mode:
        sentence = f"batches are written by {new.write_mode}, not {old.write_mode}"
        yield Difference(kind="additive", column=None, sentence=sentence)
    words = [(c.description, c.tags, c.status, c.service_levels) for c in (old, new)]
    if words[0] != words[1]:
        yield Difference(kind="documentation", column=None, sentence="the table is described otherwise")

"""Whether a rule would have caught it: the rule run on a version of before, without a JVM."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mesh_catalog.contracts.contract import ROW_RULES
from mesh_catalog.errors import InputError, NotFoundError, StorageError

if TYPE_CHECKING:
    from mesh_catalog.access.mesh import Mesh
    from mesh_catalog.contracts.contract import Contract, Rule

__all__ = ["RuleRun", "run_rule"]


@dataclass(frozen=True, kw_only=True)
class RuleRun:
    broken: int | None
    """Rows that break it; None where it could not be run, and `reason` says why."""
    reason: str = ""


def run_rule(mesh: Mesh, contract: Contract, rule: Rule, version: int) -> RuleRun:
    """Count the rows of a version that break a rule about single rows or uniqueness.

    Raises:
        NotFoundError: No such version.
    """
    from mesh_catalog.access.gate import request_read
    from mesh_catalog.catalog.inventory import read_version_columns
    from mesh_catalog.lake.arrow import query_batches  # late: delta-rs and Arrow come with it
    from mesh_catalog.lake.sql_dialect import to_datafusion
    from mesh_catalog.lake.sql_text import parse_query, resolve_columns

    if rule.threshold is not None or (rule.kind not in ROW_RULES and rule.kind != "unique"):
        return RuleRun(broken=None, reason="it is judged while publishing only")
    columns = list(rule.argument) if rule.kind == "unique" else [rule.column or ""]
    types = {column.name: column.spark_type for column in read_version_columns(mesh.catalog, contract.id, version)}
    if types and (missing := [name for name in columns if name not in types]):
        return RuleRun(broken=None, reason=f"v{version} has no column '{missing[0][:40]}'")
    ticket = request_read(mesh, contract.id, purpose="monitor", version=version, columns=columns)
    try:
        query = parse_query(_query(contract, rule, columns))
        view = query.inputs[0].view
        translated = to_datafusion(resolve_columns(query, {view: {name: types[name] for name in columns}}).tree)
        table = query_batches({view: ticket}, translated, lower_case=True).read_all()
    except (InputError, StorageError) as error:  # the engine cannot say it, or upkeep took the files
        return RuleRun(broken=None, reason=str(error))
    return RuleRun(broken=int(table.column(0)[0].as_py()))


def _query(contract: Contract, rule: Rule, columns: list[str]) -> str:
    from mesh_catalog.contracts.spark_names import spark_name
    from mesh_catalog.lake.checks import row_condition

    names = ", ".join(map(spark_name, columns))
    if rule.kind == "unique":
        there = " and ".join(f"{spark_name(name)} is not null" for name in columns)
        groups = f"select count(*) as times from {contract.id} where {there} group by {names} having count(*) > 1"  # noqa: S608 - quoted names
        return f"select coalesce(sum(times), 0) as broken from ({groups}) as doubles"  # noqa: S608
    column = contract.column(rule.column or "")
    if column is None:
        raise NotFoundError(f"{contract.id}: has no column '{rule.column}'.")
    return f"select count(*) as broken from {contract.id} where not ({row_condition(rule, column)})"  # noqa: S608

"""What a workspace changes of the contracts at another commit, whom that breaks, and whether the versions say so."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import cache

from mesh_catalog.contracts.compatibility import Difference, change_kind, compare_contracts
from mesh_catalog.contracts.consumers import Consumer, Reader, readers_of_changes, readers_of_columns
from mesh_catalog.contracts.contract import Contract
from mesh_catalog.contracts.semantic_version import Change, is_enough, next_version, version_step
from mesh_catalog.workspace.consumers import workspace_consumers
from mesh_catalog.workspace.revision import Revision
from mesh_catalog.workspace.workspace import Workspace

__all__ = ["ContractChange", "contract_changes"]

_Consumers = Callable[[], Sequence[Consumer]]


@dataclass(frozen=True, kw_only=True)
class ContractChange:
    """One product's contract, from the other commit to the workspace."""

    product: str
    owner: str | None
    change: Change
    old: str
    new: str | None
    """The versions; None where the product is gone."""
    wanted: str | None
    """The least version that the change needs; None where the version is high enough, or has no numbers."""
    differences: tuple[Difference, ...]
    readers: tuple[Reader, ...]
    """Of what is broken, as the workspace reads it now, through everything that is made of it."""
    reasons: tuple[str, ...]
    """Why it is refused; empty where it is not."""
    notes: tuple[str, ...] = ()


def contract_changes(
    workspace: Workspace,
    revision: Revision,
    *,
    others: Sequence[Consumer] = (),
    agreed: Collection[str] = (),
) -> tuple[ContractChange, ...]:
    """Every contract that changed, by product; new products change nothing for anybody.

    Args:
        others: Consumers that the workspace does not declare, for example from the catalog.
        agreed: Products whose readers agreed to a breaking change.
    """

    @cache
    def consumers() -> tuple[Consumer, ...]:
        """Found only where something breaks: every transform is looked into."""
        here = workspace_consumers(workspace, revision.contracts)
        declared = {(one.kind, one.name) for one in here}
        return (*here, *(one for one in others if (one.kind, one.name) not in declared))

    found = []
    for name, old in sorted(revision.contracts.items()):
        product = workspace.products.get(name)
        if product is None:
            if not (workspace.root / "domains" / name.replace(".", "/") / "contract.yaml").exists():
                found.append(_removed(old, consumers, agreed))
            continue  # else it cannot be read, which `mesh check` says
        change = _changed(old, product.contract, product.owner, consumers, agreed)
        if change is not None:
            found.append(change)
    return tuple(found)


def _changed(
    old: Contract, new: Contract, owner: str | None, consumers: _Consumers, agreed: Collection[str]
) -> ContractChange | None:
    keeps_rows = new.write_mode != "overwrite"
    differences = compare_contracts(old, new)
    change = change_kind(differences, keeps_rows=keeps_rows)
    if change is None:
        return None
    lost = [one for one in differences if one.kind == "breaking" and one.concerns == "readers"]
    readers = readers_of_changes(consumers(), new.id, lost) if lost else ()
    enough = is_enough(old.version, new.version, change)
    wanted = None if enough else next_version(old.version, change)
    stuck = [one.sentence for one in differences if one.needs_rewrite and keeps_rows]
    notes = [f"publish will refuse it: {sentence}, and the table keeps its rows" for sentence in stuck]
    if not enough and change != "breaking":
        notes.append(f"the version is {new.version}; {_article(change)} change is {wanted or 'another version'}")
    return ContractChange(
        product=new.id,
        owner=owner,
        change=change,
        old=old.version,
        new=new.version,
        wanted=wanted,
        differences=differences,
        readers=readers,
        reasons=tuple(_reasons(old, new, change, readers, enough=enough, agreed=new.id in agreed)),
        notes=tuple(notes),
    )


def _reasons(
    old: Contract, new: Contract, change: Change, readers: Sequence[Reader], *, enough: bool, agreed: bool
) -> list[str]:
    found = []
    if version_step(old.version, new.version) == "back":
        found.append(f"the version goes back from {old.version} to {new.version}")
    elif change == "breaking" and not enough:
        wanted = next_version(old.version, change) or "another one"
        found.append(f"a breaking change needs a new major version: {wanted}, not {new.version}")
    if readers and not agreed:
        found.append(_broken(readers))
    return found


def _removed(old: Contract, consumers: _Consumers, agreed: Collection[str]) -> ContractChange:
    readers = readers_of_columns(consumers(), old.id, [column.name for column in old.columns], whole=True)
    return ContractChange(
        product=old.id,
        owner=None,
        change="breaking",
        old=old.version,
        new=None,
        wanted=None,
        differences=(Difference(kind="breaking", column=None, sentence="the product is removed"),),
        readers=readers,
        reasons=(_broken(readers),) if readers and old.id not in agreed else (),
    )


def _broken(readers: Sequence[Reader]) -> str:
    number = "1 reader" if len(readers) == 1 else f"{len(readers)} readers"
    return f"it breaks {number}, which must change with it or agree"


def _article(change: Change) -> str:
    return f"{'an' if change == 'additive' else 'a'} {change}"

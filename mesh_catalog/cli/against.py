"""What `mesh check --against` finds, and how it says so: to a person, to a pull request."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from mesh_catalog.contracts.consumers import Consumer, Reader
    from mesh_catalog.settings import Settings
    from mesh_catalog.workspace import Workspace
    from mesh_catalog.workspace.contract_changes import ContractChange

__all__ = ["Comparison", "as_markdown", "compare_workspace", "print_comparison"]

_SQLITE = "sqlite:///"


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A workspace's contracts beside those of a commit."""

    ref: str
    commit: str
    refused: bool
    changes: tuple[ContractChange, ...]
    notes: tuple[str, ...]
    """What could not be compared, or not wholly."""


def compare_workspace(settings: Settings, workspace: Workspace, ref: str, agreed: Sequence[str]) -> Comparison:
    """Compare contracts with those at a commit; consumers that only the catalog knows are asked for where there is one.

    Raises:
        NotFoundError: git knows no such commit, or `agreed` names a product that neither side has.
        InputError: There is no git, or no repository.
    """
    from mesh_catalog.errors import NotFoundError, nearest
    from mesh_catalog.workspace.contract_changes import contract_changes
    from mesh_catalog.workspace.revision import read_revision

    revision = read_revision(settings.workspace, ref)
    known = {*revision.contracts, *workspace.products}
    for name in agreed:
        if name not in known:
            raise NotFoundError(f"there is no product '{name[:80]}'.{nearest(name, known)}")
    notes = [f"not compared: {reason}" for reason in revision.unread.values()]
    changes = contract_changes(workspace, revision, agreed=agreed)
    breaking = [change.product for change in changes if change.change == "breaking"]
    if breaking:
        others, missing = _catalog_consumers(settings, breaking)
        notes += missing
        if others:
            changes = contract_changes(workspace, revision, others=others, agreed=agreed)
    return Comparison(
        ref=ref,
        commit=revision.commit,
        refused=any(change.reasons for change in changes),
        changes=changes,
        notes=tuple(notes),
    )


def _catalog_consumers(settings: Settings, products: Sequence[str]) -> tuple[list[Consumer], list[str]]:
    """Consumers by the lineage of a catalog, if there is one; and notes on what it could not tell."""
    from pathlib import Path

    from mesh_catalog.catalog.readers import consumers_of  # late: SQLAlchemy comes with it
    from mesh_catalog.catalog.store import open_catalog
    from mesh_catalog.errors import MeshError, NotFoundError, StorageError

    url = settings.catalog_url
    if url.startswith(_SQLITE) and not Path(url.removeprefix(_SQLITE)).exists():
        return [], []
    try:
        catalog = open_catalog(url)
    except StorageError as error:
        return [], [f"readers that only the catalog knows are missing here: {error}"]
    found: dict[tuple[str, str], Consumer] = {}
    notes = []
    try:
        for product in products:
            try:
                found |= {(one.kind, one.name): one for one in consumers_of(catalog, product)}
            except NotFoundError:
                continue  # it was never published
            except MeshError as error:
                notes.append(f"readers that only the catalog knows are missing here: {error}")
    finally:
        catalog.close()
    return list(found.values()), notes


def print_comparison(comparison: Comparison) -> None:
    """For a person, on standard output."""
    click.echo(f"against {comparison.ref} ({comparison.commit[:8]}): {_counted(comparison)}")
    for change in comparison.changes:
        click.echo(f"{change.product}   {_versions(change)}   {change.change}{_verdict(change)}")
        for one in change.differences:
            click.echo(f"  {one.kind:<13} {one.sentence}")
        for reader in change.readers:
            click.echo(f"  breaks        {reader}")
        for reason in change.reasons:
            click.echo(f"  refused       {reason}")
        for note in change.notes:
            click.echo(f"  note          {note}")
    for note in comparison.notes:
        click.echo(f"note: {note}", err=True)
    agree = [change.product for change in comparison.changes if change.reasons and change.readers]
    if agree:
        click.echo(
            "next: change the readers too, or agree with their owners, then:"
            f" mesh check --against {comparison.ref} --allow-breaking {agree[0]}",
            err=True,
        )


def as_markdown(comparison: Comparison, problems: Sequence[str]) -> str:
    """For the comment of a pull request."""
    return "\n".join(_markdown(comparison, problems))


def _markdown(comparison: Comparison, problems: Sequence[str]) -> Iterator[str]:
    yield f"### Contracts against `{comparison.ref}`: {_counted(comparison)}"
    if problems:
        yield "\n**The workspace does not check:**\n"
        yield from (f"- {_cell(problem)}" for problem in problems)
    if comparison.changes:
        yield "\n| product | version | change | verdict |\n|---|---|---|---|"
    for change in comparison.changes:
        verdict = "; ".join(change.reasons)
        yield (
            f"| `{change.product}` | {_versions(change)} | {change.change} |"
            f" {f'**refused**: {_cell(verdict)}' if verdict else 'ok'} |"
        )
    for change in comparison.changes:
        yield f"\n#### `{change.product}`\n"
        yield from (f"- {one.kind}: {_cell(one.sentence)}" for one in change.differences)
        yield from (f"- note: {_cell(note)}" for note in change.notes)
        if change.readers:
            yield "\n| breaks | owner | reads | through | because of |\n|---|---|---|---|---|"
            yield from (_row(reader) for reader in change.readers)
    if comparison.notes:
        yield ""
        yield from (f"- note: {_cell(note)}" for note in comparison.notes)


def _row(reader: Reader) -> str:
    columns = ", ".join(f"`{name}`" for name in reader.columns) or "not known: any column"
    through = " → ".join(f"`{name}`" for name in reader.via) or "directly"
    lost = ", ".join(f"`{name}`" for name in reader.lost) or "the table"
    return f"| {reader.kind} `{reader.name}` | {_cell(reader.owner or 'nobody')} | {columns} | {through} | {lost} |"


def _cell(text: str) -> str:
    """Text of a contract in a Markdown cell: no line break, no bar, no HTML, and nobody is called by @."""
    plain = " ".join(text.split())
    for sign, written in (("&", "&amp;"), ("<", "&lt;"), ("|", "\\|"), ("@", "@\u200b")):
        plain = plain.replace(sign, written)
    return plain


def _versions(change: ContractChange) -> str:
    return f"{change.old} → {change.new or 'gone'}"


def _verdict(change: ContractChange) -> str:
    return "   REFUSED" if change.reasons else ""


def _counted(comparison: Comparison) -> str:
    if not comparison.changes:
        return "no contract changed"
    refused = sum(bool(change.reasons) for change in comparison.changes)
    changed = f"{len(comparison.changes)} changed"
    return f"{changed}, {refused} refused" if refused else f"{changed}, none refused"

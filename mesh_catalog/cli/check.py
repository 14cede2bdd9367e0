"""mesh check: every mistake of a workspace, with its file and line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mesh_catalog.cli.against import Comparison, as_markdown, compare_workspace, print_comparison

if TYPE_CHECKING:
    from mesh_catalog.errors import DocumentError
    from mesh_catalog.workspace import Workspace
    from mesh_catalog.workspace.policies import PolicyFinding

__all__ = ["command"]


@click.command("check")
@click.option("--against", metavar="REF", help="Compare contracts with those at a commit that git knows: main, a tag.")
@click.option(
    "--allow-breaking",
    "agreed",
    multiple=True,
    metavar="PRODUCT",
    help="With --against: the readers of this product agreed. Repeatable.",
)
@click.option("--markdown", is_flag=True, help="With --against: print it for a pull request's comment.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(against: str | None, agreed: tuple[str, ...], markdown: bool, as_json: bool) -> None:
    """Validate the workspace: contracts, transforms, sources, models, and what they say of each other.

    A contract is also compared with the one that its product was last published with; and everything with the
    organisation's policies (conf/policies.yaml), and with the rights and the personal data in what it is made of. With
    --against, every contract is compared with another commit's: which changes break whom, column by column through
    everything that is made of it, and whether the versions say so.

    Exits with 2 where anything is wrong, with 3 where --against refuses a change. Starts no JVM and reads no data.

    \b
    Example:
      mesh check --against main --markdown
    """
    from mesh_catalog.catalog.store import utc_now
    from mesh_catalog.cli.evolution import check_published
    from mesh_catalog.cli.policies import check_policies, check_rights, check_tags
    from mesh_catalog.errors import InputError
    from mesh_catalog.models.policy_words import parameter_errors
    from mesh_catalog.settings import load_settings
    from mesh_catalog.workspace import survey_workspace
    from mesh_catalog.workspace.life_cycles import life_cycle_notes

    if against is None and (agreed or markdown):
        raise InputError("--allow-breaking and --markdown belong to --against REF. Add it.")
    settings = load_settings()
    root = settings.workspace
    found, problems = survey_workspace(root)
    comparison = compare_workspace(settings, found, against, agreed) if against is not None else None
    workspace = None if problems else found
    notes: list[str] = []
    findings: list[PolicyFinding] = []
    if workspace is not None:
        broken, notes = check_published(settings, workspace)
        findings, breaches, advice = check_policies(workspace)
        wrong = [error for model in workspace.models.values() for error in parameter_errors(model)]
        problems = [*wrong, *broken, *breaches, *check_rights(workspace), *check_tags(workspace)]
        notes += advice
        notes += life_cycle_notes(workspace, utc_now().date()) if not problems else []
        notes += [f"{name}: '{text}' is declared, but not run: {reason}" for name, text, reason in _not_run(workspace)]
    if as_json:
        _emit(root, problems, workspace, notes, findings, comparison)
    elif comparison is not None and markdown:
        click.echo(as_markdown(comparison, [_shown(root, problem) for problem in problems]))
    else:
        _print(root, problems, workspace, notes)
        if comparison is not None:
            print_comparison(comparison)
    if comparison is not None and comparison.refused:
        raise SystemExit(3)
    if problems:
        raise SystemExit(2)


def _shown(root: Path, problem: DocumentError) -> str:
    """The sentence with the path as seen from the workspace."""
    return str(problem).removeprefix(f"{root}/")


def _unowned(workspace: Workspace) -> list[str]:
    domains = {product.domain.name for product in workspace.products.values() if not product.owner}
    return sorted(domains)


def _not_run(workspace: Workspace) -> list[tuple[str, str, str]]:
    """Product, text and reason of every rule that no publish will run."""
    return [
        (product.name, rule.text, str(rule.argument))
        for product in workspace.products.values()
        for rule in product.contract.rules
        if rule.kind == "not_run"
    ]


def _print(root: Path, problems: list[DocumentError], workspace: Workspace | None, notes: list[str]) -> None:
    for problem in problems:
        click.echo(_shown(root, problem))
    if problems or workspace is None:
        _print_notes(notes)
        return
    counts = [
        ("product", len(workspace.products)),
        ("model", len(workspace.models)),
        ("dashboard", len(workspace.dashboards)),
        ("KPI", len(workspace.kpis)),
        ("term", len(workspace.terms)),
    ]
    told = [f"{n} {what}{'' if n == 1 else 's'}" for what, n in counts if n or what in ("product", "model")]
    click.echo(f"{', '.join(told)}: all good")
    _print_notes(notes)
    for domain in _unowned(workspace):
        click.echo(
            f"next: name an owner in domains/{domain}/domain.yaml; its products are not published without", err=True
        )


def _print_notes(notes: list[str]) -> None:
    for note in notes:
        click.echo(f"note: {note}", err=True)


def _emit(
    root: Path,
    problems: list[DocumentError],
    workspace: Workspace | None,
    notes: list[str],
    findings: list[PolicyFinding],
    comparison: Comparison | None,
) -> None:
    from mesh_catalog.cli.output import emit_json, to_plain

    emit_json(
        {
            "ok": not problems and not (comparison and comparison.refused),
            "problems": [
                {
                    "path": problem.path.removeprefix(f"{root}/"),
                    "line": problem.line,
                    "message": str(problem).partition(": ")[2],
                }
                for problem in problems
            ],
            "products": sorted(workspace.products) if workspace else [],
            "models": sorted(workspace.models) if workspace else [],
            "dashboards": sorted(workspace.dashboards) if workspace else [],
            "kpis": sorted(workspace.kpis) if workspace else [],
            "terms": sorted(workspace.terms) if workspace else [],
            "without_owner": _unowned(workspace) if workspace else [],
            "notes": notes,
            **({"against": comparison} if comparison else {}),
            "policies": [to_plain(one) | {"path": str(one.path).removeprefix(f"{root}/")} for one in findings],
        }
    )

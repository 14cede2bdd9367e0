"""mesh check: every mistake of a workspace, with its file and line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from mesh_catalog.errors import DocumentError
    from mesh_catalog.workspace import Workspace

__all__ = ["command"]


@click.command("check")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(as_json: bool) -> None:
    """Validate the workspace: contracts, transforms, sources, models, and what they say of each other.

    A contract is also compared with the one that its product was last published with.

    Exits with 2 where anything is wrong. Starts no JVM and reads no data.

    \b
    Example:
      mesh check
    """
    from mesh_catalog.catalog.store import utc_now
    from mesh_catalog.cli.evolution import check_published
    from mesh_catalog.settings import load_settings
    from mesh_catalog.workspace import check_workspace, load_workspace
    from mesh_catalog.workspace.life_cycles import life_cycle_notes

    settings = load_settings()
    root = settings.workspace
    problems = check_workspace(root)
    workspace = None if problems else load_workspace(root)
    notes: list[str] = []
    if workspace is not None:
        broken, notes = check_published(settings, workspace)
        problems = [*_check_parameters(workspace), *broken]
        notes += life_cycle_notes(workspace, utc_now().date()) if not problems else []
        notes += [f"{name}: '{text}' is declared, but not run: {reason}" for name, text, reason in _not_run(workspace)]
    if as_json:
        _emit(root, problems, workspace, notes)
    else:
        _print(root, problems, workspace, notes)
    if problems:
        raise SystemExit(2)


def _check_parameters(workspace: Workspace) -> list[DocumentError]:
    """Parameters of the models' algorithms, which the trainers know."""
    from mesh_catalog.documents import read_document
    from mesh_catalog.errors import InputError

    found = []
    for model in workspace.models.values():
        from mesh_catalog.models.algorithms import check_parameters  # late: only where there is a model

        try:
            check_parameters(model.algorithm, model.parameters)
        except InputError as error:
            found.append(read_document(model.path).error(str(error), "algorithm"))
    return found


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
    for note in notes:
        click.echo(f"note: {note}", err=True)
    for domain in _unowned(workspace):
        click.echo(
            f"next: name an owner in domains/{domain}/domain.yaml; its products are not published without", err=True
        )


def _emit(root: Path, problems: list[DocumentError], workspace: Workspace | None, notes: list[str]) -> None:
    from mesh_catalog.cli.output import emit_json

    emit_json(
        {
            "ok": not problems,
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
        }
    )

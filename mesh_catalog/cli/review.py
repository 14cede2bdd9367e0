"""mesh review: where the loop stopped and asks a person."""

from __future__ import annotations

from typing import Any

import click

__all__ = ["command"]


@click.group("review")
def command() -> None:
    """What the loop leaves to a person, since its last trainings brought no better model.

    \b
    Example:
      mesh review close 3f2a9c10 --reason "the label was wrong since May; corrected"
    """


@command.command("list")
@click.argument("model", required=False)
@click.option("--all", "with_closed", is_flag=True, help="The closed ones too.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def list_them(model: str | None, with_closed: bool, as_json: bool) -> None:
    """Reviews of one model, or of all, newest first, with what was tried."""
    from mesh_catalog.access.mesh import open_mesh
    from mesh_catalog.catalog.inventory import read_model
    from mesh_catalog.catalog.reviews import list_reviews
    from mesh_catalog.cli.output import emit_json

    with open_mesh(with_workspace=False) as mesh:
        if model is not None:
            read_model(mesh.catalog, model)
        found = list_reviews(mesh.catalog, model, only_open=not with_closed)
    if as_json:
        emit_json(found)
        return
    if not found:
        click.echo("no review is open" if not with_closed else "no review was ever opened")
    for review in found:
        closed = f"closed by {review.closed_by}: {review.resolution}" if review.closed_at else "open"
        click.echo(f"{review.id[:8]}   {review.model}   {review.opened_at:%Y-%m-%d %H:%M}   {closed}")
        click.echo(f"  {review.reason}")
        for line in _tried(review.evidence):
            click.echo(f"  {line}")
    if any(review.closed_at is None for review in found):
        click.echo("next: mesh review close ID --reason …", err=True)


def _tried(evidence: Any) -> list[str]:
    """What each training was found to be."""
    trainings = evidence.get("trainings") or [evidence]
    return [str(training["reasons"][-1]) for training in trainings if training.get("reasons")]


@command.command("close")
@click.argument("review")
@click.option("--reason", required=True, help="What was found or done; kept.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def close(review: str, reason: str, as_json: bool) -> None:
    """Close a review: the loop goes on. For the model's owner and the members of its domain."""
    from mesh_catalog.access.mesh import open_mesh
    from mesh_catalog.catalog.reviews import close_review, read_review
    from mesh_catalog.cli.output import emit_json
    from mesh_catalog.retraining.approval import require_decider

    with open_mesh(with_workspace=False) as mesh:
        known = read_review(mesh.catalog, review)
        require_decider(mesh, known.model, what="close a review")
        closed = close_review(mesh.catalog, known.id, resolution=reason, principal=mesh.principal)
    if as_json:
        emit_json(closed)
    else:
        click.echo(f"{closed.id[:8]}   closed; the loop of {closed.model} goes on")
        click.echo(f"next: mesh retrain {closed.model}", err=True)

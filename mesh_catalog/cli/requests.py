"""mesh requests: the log of requests for data, and deciding them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from mesh_catalog.access.requests import DataRequest, RequestState

__all__ = ["command"]


@click.command("requests")
@click.argument("product", required=False)
@click.option("--open", "open_only", is_flag=True, help="Only those that nobody has decided.")
@click.option("--approve", metavar="ID", help="Approve a request; for the product's owner and the domain's members.")
@click.option("--deny", metavar="ID", help="Deny a request; for the same.")
@click.option("--withdraw", metavar="ID", help="Withdraw a request; for whoever asked.")
@click.option("--reason", metavar="TEXT", help="Why; every decision needs one.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="At most so many.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(
    product: str | None,
    open_only: bool,
    approve: str | None,
    deny: str | None,
    withdraw: str | None,
    reason: str | None,
    limit: int,
    as_json: bool,
) -> None:
    """Show who asked for which data, what for, and what was decided; or decide a request.

    An approval is a decision on record; it opens nothing by itself.

    \b
    Example:
      mesh requests --approve 4be1c2a90f37 --reason "Aggregates only, until June"
    """
    from mesh_catalog.access.mesh import open_mesh
    from mesh_catalog.access.requests import decide_request, read_requests
    from mesh_catalog.cli.output import emit_json

    choices: list[tuple[RequestState, str | None]] = [("approved", approve), ("denied", deny), ("withdrawn", withdraw)]
    chosen = [(state, request_id) for state, request_id in choices if request_id]
    if len(chosen) > 1 or (chosen and (product or open_only)):
        raise click.UsageError("--approve, --deny and --withdraw: give one of them, and nothing to list.")
    if chosen and not reason:
        raise click.UsageError("a decision needs --reason.")
    with open_mesh(with_workspace=False) as mesh:
        if chosen:
            found = [decide_request(mesh, str(chosen[0][1]), chosen[0][0], reason=str(reason))]
        else:
            found = read_requests(mesh.catalog, product, state="open" if open_only else None, limit=limit)
    if as_json:
        emit_json(found[0] if chosen else found)
        return
    _print(found, decided=bool(chosen))


def _print(found: list[DataRequest], *, decided: bool) -> None:
    from mesh_catalog.cli.output import print_table

    if not found:
        click.echo("nobody has asked for data.", err=True)
        return
    rows = [
        (one.id, f"{one.asked_at:%Y-%m-%d %H:%M}", one.principal, one.product, one.owner, one.purpose, _state(one))
        for one in found
    ]
    print_table(rows, ("id", "asked (UTC)", "who", "product", "owner", "purpose", "state"))
    waiting = next((one for one in found if one.state == "open"), None)
    if waiting is not None and not decided:
        click.echo(f'next: mesh requests --approve {waiting.id} --reason "…", or --deny', err=True)


def _state(request: DataRequest) -> str:
    if request.decided_by is None:
        return request.state
    return f"{request.state} by {request.decided_by}: {request.reason}"

"""mesh incident: alerts that nobody answered, and what will catch such a thing from now on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from mesh_catalog.catalog.incidents import IncidentRecord

__all__ = ["command"]


@click.group("incident")
def command() -> None:
    """Show incidents, and close them with a new check or test that would have caught it.

    An alert that nobody acknowledged in time opens one.

    \b
    Example:
      mesh incident close 9f01c2 --check payments.transactions:tx_amount.maximum
    """


@command.command("list")
@click.argument("subject", required=False)
@click.option("--all", "everything", is_flag=True, help="Also closed ones.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def list_incidents(subject: str | None, everything: bool, as_json: bool) -> None:
    """List incidents that are open: of SUBJECT, a product or a model, or of all.

    \b
    Example:
      mesh incident list --all
    """
    from mesh_catalog.access.mesh import open_mesh
    from mesh_catalog.catalog.incidents import read_incidents
    from mesh_catalog.cli.output import emit_json, print_table

    with open_mesh(with_workspace=False) as mesh:
        found = read_incidents(mesh.catalog, subject, unclosed=not everything)
    if as_json:
        emit_json([_document(one) for one in found])
        return
    if not found:
        click.echo("no incident is open." if not everything else "there was no incident.", err=True)
        return
    rows = [(one.id, one.opened_at, one.subject, one.title, _state(one)) for one in found]
    print_table(rows, ("id", "opened (UTC)", "subject", "what", "state"))
    unclosed = next((one.id for one in found if one.closed_at is None), None)
    if unclosed is not None:
        click.echo(
            f"next: write a check that would have caught it;  mesh incident close {unclosed} --check …", err=True
        )


@command.command("show")
@click.argument("incident_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def show(incident_id: str, as_json: bool) -> None:
    """Show an incident: its alert, and which products a check may be of.

    \b
    Example:
      mesh incident show 9f01c2
    """
    from mesh_catalog.access.mesh import open_mesh
    from mesh_catalog.catalog.alerts import read_alert
    from mesh_catalog.catalog.incidents import read_incident
    from mesh_catalog.cli.output import emit_json, format_time, print_facts

    with open_mesh(with_workspace=False) as mesh:
        incident = read_incident(mesh.catalog, incident_id)
        alert = read_alert(mesh.catalog, incident.alert_id)
    if as_json:
        emit_json(_document(incident) | {"text": alert.text})
        return
    click.echo(f"{incident.title}   {_state(incident)}")
    for line in alert.text.splitlines():
        click.echo(f"  {line}")
    then = [f"{name} v{incident.versions[name]}" for name in sorted(incident.versions)]
    print_facts(
        [
            ("alert", alert.id),
            ("opened", f"{format_time(incident.opened_at)} UTC"),
            ("data then", ", ".join(then)),
            ("proof", incident.proof),
        ]
    )


@command.command("close")
@click.argument("incident_id", metavar="ID")
@click.option("--check", metavar="PRODUCT:RULE", help="A rule that its contract did not have when it was opened.")
@click.option("--version", type=click.IntRange(min=0), help="The rule must fail on it; else on the newest of then.")
@click.option("--test", metavar="PATH::NAME", help="A test of the workspace that was not there when it was opened.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def close(incident_id: str, check: str | None, version: int | None, test: str | None, as_json: bool) -> None:
    """Close an incident with what would have caught it.

    The rule is run on the rows of then, without Spark: where it holds on them, the incident stays open. A rule that
    cannot be run so, as one of type sql, is taken at its word, and the incident says that.

    \b
    Example:
      mesh incident close 9f01c2 --check payments.transactions:tx_amount.maximum
    """
    from mesh_catalog.alerts.incidents import close_with_check, close_with_test
    from mesh_catalog.cli.output import emit_json
    from mesh_catalog.cli.partly import open_readable_mesh

    if (check is None) == (test is None):
        raise click.UsageError("an incident closes with --check or with --test; give one of them.")
    if test is not None and version is not None:
        raise click.UsageError("--version belongs to --check.")
    with open_readable_mesh() as mesh:
        if check is not None:
            done = close_with_check(mesh, incident_id, check, version=version)
        else:
            done = close_with_test(mesh, incident_id, str(test))
    if as_json:
        emit_json(_document(done))
        return
    click.echo(f"{done.id}   closed with {done.closed_with}: {done.proof}")


def _document(incident: IncidentRecord) -> dict[str, object]:
    from mesh_catalog.cli.output import to_plain

    document: dict[str, object] = to_plain(incident)
    return {key: value for key, value in document.items() if key != "tests"}


def _state(incident: IncidentRecord) -> str:
    return "open" if incident.closed_at is None else f"closed with {incident.closed_with}"

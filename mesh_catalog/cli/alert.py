"""mesh alert: what is wrong and not over, who was told, and who has it in hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from mesh_catalog.alerts.escalation import Escalated
    from mesh_catalog.catalog.alerts import AlertRecord
    from mesh_catalog.catalog.outbox import Delivery

__all__ = ["command"]


@click.group("alert")
def command() -> None:
    """Show alerts, acknowledge them, and tell the next one where nobody did.

    Who is told stands under alerts: in the domain's domain.yaml.

    \b
    Example:
      mesh alert ack 4be1c2a9 --note "a new terminal vendor; we look into it"
    """


@command.command("list")
@click.argument("subject", required=False)
@click.option("--all", "everything", is_flag=True, help="Also what is over.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="At most so many.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def list_alerts(subject: str | None, everything: bool, limit: int, as_json: bool) -> None:
    """List what is wrong and not over: of SUBJECT, a product or a model, or of all.

    \b
    Example:
      mesh alert list payments.fraud --all
    """
    from mesh_catalog.access.mesh import open_mesh
    from mesh_catalog.catalog.alerts import read_alerts
    from mesh_catalog.catalog.outbox import read_deliveries
    from mesh_catalog.cli.output import emit_json, print_table

    with open_mesh(with_workspace=False) as mesh:
        found = read_alerts(mesh.catalog, subject, unresolved=not everything, limit=limit)
        deliveries = read_deliveries(mesh.catalog, [alert.id for alert in found])
    if as_json:
        emit_json([_document(alert, deliveries) for alert in found])
        return
    if not found:
        click.echo("nothing is wrong that was told of.", err=True)
        return
    rows = [
        (alert.id, alert.last_at, alert.subject, alert.kind, alert.count, _state(alert), _told(alert, deliveries))
        for alert in found
    ]
    print_table(rows, ("id", "last (UTC)", "subject", "kind", "times", "state", "told"))
    if any(alert.state == "open" for alert in found):
        click.echo(f"next: mesh alert ack {next(a.id for a in found if a.state == 'open')}", err=True)


@command.command("show")
@click.argument("alert_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def show(alert_id: str, as_json: bool) -> None:
    """Show an alert, and each message about it: to whom, when, and why it was not delivered.

    \b
    Example:
      mesh alert show 4be1c2a9
    """
    from mesh_catalog.access.mesh import open_mesh
    from mesh_catalog.catalog.alerts import read_alert
    from mesh_catalog.catalog.outbox import read_deliveries
    from mesh_catalog.cli.output import emit_json, format_time, print_facts, print_table

    with open_mesh(with_workspace=False) as mesh:
        alert = read_alert(mesh.catalog, alert_id)
        deliveries = read_deliveries(mesh.catalog, [alert.id])
    if as_json:
        emit_json(_document(alert, deliveries))
        return
    click.echo(f"{alert.title}   {_state(alert)}")
    for line in alert.text.splitlines():
        click.echo(f"  {line}")
    times = "once" if alert.count == 1 else f"{alert.count} times"
    seen = f"{times}, {format_time(alert.first_at)} to {format_time(alert.last_at)} UTC"
    print_facts(
        [
            ("what", f"{alert.kind} of {alert.subject}, {alert.severity}"),
            ("seen", seen),
            ("verdict", alert.verdict_id),
            ("note", alert.note),
            ("escalates", f"{format_time(alert.due_at)} UTC" if alert.due_at and alert.state == "open" else None),
        ]
    )
    if deliveries:
        rows = [(one.id, one.domain, one.channel, one.reason, _delivered(one)) for one in deliveries]
        print_table(rows, ("message", "domain", "to", "why", "state"))
    else:
        click.echo("nobody was told: domain.yaml names no channel for it under alerts:")


@command.command("ack")
@click.argument("alert_id", metavar="ID")
@click.option("--note", metavar="TEXT", help="What you do about it.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def acknowledge(alert_id: str, note: str | None, as_json: bool) -> None:
    """Say that you have it in hand: nobody else is told, unless it goes on for as long as `repeat` says.

    \b
    Example:
      mesh alert ack 4be1c2a9 --note "a new terminal vendor; we look into it"
    """
    from mesh_catalog.access.mesh import open_mesh
    from mesh_catalog.catalog.alerts import acknowledge_alert
    from mesh_catalog.catalog.store import utc_now
    from mesh_catalog.cli.output import emit_json

    with open_mesh(with_workspace=False) as mesh:
        alert = acknowledge_alert(mesh.catalog, alert_id, by=mesh.principal, note=note, now=utc_now())
    if as_json:
        emit_json(alert)
    else:
        click.echo(f"{alert.id}   {alert.title}   {_state(alert)}")


@command.command("escalate")
@click.option("--watch", metavar="SECONDS", type=click.IntRange(min=1), help="Go on, so often, until interrupted.")
@click.option("--dry-run", is_flag=True, help="Say what is due and what waits, and do nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document, or one line a pass with --watch.")
def escalate_alerts(watch: int | None, dry_run: bool, as_json: bool) -> None:
    """Tell the next one where nobody acknowledged in time, and send again what could not be delivered.

    Run it every few minutes: by cron, any scheduler, or --watch. Two at once do each thing once. A domain whose
    domain.yaml cannot be read waits, and keeps no other waiting; the exit code is 2 then.

    \b
    Example:
      mesh alert escalate --watch 60
    """
    from mesh_catalog.alerts.escalation import escalate
    from mesh_catalog.cli.output import emit_json
    from mesh_catalog.cli.partly import open_readable_mesh
    from mesh_catalog.retraining.watch import until_stopped
    from mesh_catalog.settings import load_settings

    if watch is not None and dry_run:
        raise click.UsageError("--watch and --dry-run: give one of them.")
    if dry_run:
        _plan(as_json)
        return
    settings, told = load_settings(), set[str]()

    def once(_stop: object = None) -> None:
        with open_readable_mesh(settings, whole=watch is None, told=told) as mesh:
            done = escalate(mesh)
            if as_json:
                emit_json(done, line=watch is not None)
            elif watch is None or done.alerts or done.sent.sent or done.sent.failed:
                _print_pass(done)

    if watch is None:
        once()
    else:
        until_stopped(once, seconds=watch)


def _plan(as_json: bool) -> None:
    from mesh_catalog.access.mesh import open_mesh
    from mesh_catalog.catalog.alerts import due_alerts
    from mesh_catalog.catalog.outbox import waiting_count
    from mesh_catalog.catalog.store import utc_now
    from mesh_catalog.cli.output import emit_json

    with open_mesh(with_workspace=False) as mesh:
        due = due_alerts(mesh.catalog, utc_now())
        waiting, failed = waiting_count(mesh.catalog)
    if as_json:
        emit_json({"due": due, "waiting": waiting, "failed": failed})
        return
    for alert in due:
        click.echo(f"{alert.id}   {alert.title}   due since {alert.due_at:%Y-%m-%d %H:%M} UTC")
    click.echo(f"{len(due)} to escalate, {waiting} messages wait, {failed} of them failed before")


def _print_pass(done: Escalated) -> None:
    for alert in done.alerts:
        click.echo(f"{alert.id}   {alert.title}   escalated")
    for alert in done.held:
        click.echo(f"{alert.id}   {alert.title}   waits until the domain.yaml of {alert.domain} can be read")
    click.echo(f"escalated {len(done.alerts)}, sent {done.sent.sent}, not delivered {done.sent.failed}")
    if done.alerts:
        click.echo("next: mesh incident list", err=True)


def _document(alert: AlertRecord, deliveries: list[Delivery]) -> dict[str, object]:
    from mesh_catalog.cli.output import to_plain

    document: dict[str, object] = to_plain(alert)
    return document | {"deliveries": [to_plain(one) for one in deliveries if one.alert_id == alert.id]}


def _state(alert: AlertRecord) -> str:
    if alert.state == "acknowledged":
        return f"acknowledged by {alert.acknowledged_by}"
    return "open, escalated" if alert.state == "open" and alert.step else alert.state


def _told(alert: AlertRecord, deliveries: list[Delivery]) -> str:
    mine = [one for one in deliveries if one.alert_id == alert.id]
    if not mine:
        return "nobody"
    names = dict.fromkeys(one.channel if one.domain == alert.domain else f"{one.domain}/{one.channel}" for one in mine)
    failed = sum(one.state == "waiting" for one in mine)
    return ", ".join(names) + (f" ({failed} not delivered)" if failed else "")


def _delivered(one: Delivery) -> str:
    if one.state == "sent":
        return f"sent {one.sent_at:%Y-%m-%d %H:%M}"
    if one.error is None:
        return "waits"
    times = "once" if one.attempts == 1 else f"{one.attempts} times"
    return f"failed {times}: {one.error}; tried again {one.next_at:%H:%M}"

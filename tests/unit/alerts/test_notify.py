from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mesh_catalog.access.mesh import Mesh
from mesh_catalog.alerts.escalation import escalate
from mesh_catalog.alerts.notify import Concerned, Notice, notify, resolve
from mesh_catalog.alerts.sending import send_waiting
from mesh_catalog.catalog.alerts import acknowledge_alert, read_alert, read_alerts
from mesh_catalog.catalog.incidents import read_incidents
from mesh_catalog.catalog.outbox import read_deliveries
from mesh_catalog.catalog.store import utc_now
from mesh_catalog.cli.main import run_command
from mesh_catalog.errors import DocumentError, NotFoundError, RefusedError
from tests.unit.alerts.conftest import ALERTS, SECRET
from tests.unit.alerts.receivers import Webhook, mail_server, webhook
from tests.unit.catalog.samples import DOMAIN

ROOT = Path(__file__).parents[3]
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
DRIFT = Notice(
    subject="payments.fraud",
    kind="data_drift",
    title="payments.fraud: drift in 3 of 11 columns",
    text="tx_amount 0.143 (Wasserstein, limit 0.1)",
    verdict_id="v1",
)


def again(verdict: str) -> Notice:
    return Notice(**{**DRIFT.__dict__, "verdict_id": verdict})


def test_owner_and_on_call_are_told_once_and_repeats_are_counted(mesh: Mesh, hook: Webhook) -> None:
    raised = notify(mesh, DRIFT, now=NOON)
    assert raised.what == "first" and len(hook.got) == 2
    alert_id = raised.alert.id
    for message, delivery in zip(hook.got, read_deliveries(mesh.catalog, [alert_id]), strict=True):
        assert message["title"] == "[failed] payments.fraud: drift in 3 of 11 columns"
        assert "tx_amount 0.143" in message["message"] and f"mesh alert ack {alert_id}" in message["message"]
        assert delivery.state == "sent"
    ids = {message["message"].rsplit("message ", 1)[1].strip() for message in hook.got}
    assert ids == {delivery.id for delivery in read_deliveries(mesh.catalog, [alert_id])}
    assert notify(mesh, DRIFT, now=NOON + HOUR).what == "known"
    assert notify(mesh, again("v2"), now=NOON + HOUR).what == "counted"
    assert len(hook.got) == 2
    still = notify(mesh, again("v3"), now=NOON + timedelta(days=1))
    assert (still.what, still.alert.id, still.alert.count, len(hook.got)) == ("again", alert_id, 3, 4)
    assert hook.got[-1]["title"].startswith("[failed, still]") and "seen 3 times" in hook.got[-1]["message"]


def test_a_warning_goes_only_to_who_wants_warnings_until_it_fails(mesh: Mesh, hook: Webhook) -> None:
    warning = Notice(**{**DRIFT.__dict__, "severity": "warn", "verdict_id": "v0"})
    assert notify(mesh, warning, now=NOON).alert.due_at is None
    assert [message["type"] for message in hook.got] == ["warning"]
    worse = notify(mesh, DRIFT, now=NOON + HOUR)
    assert (worse.what, len(hook.got)) == ("again", 3) and worse.alert.due_at == NOON + 2 * HOUR


def test_what_is_over_is_closed_and_comes_as_a_new_alert(mesh: Mesh, hook: Webhook) -> None:
    first = notify(mesh, DRIFT, now=NOON).alert
    over = resolve(mesh, "payments.fraud", "data_drift", now=NOON + HOUR)
    assert over is not None and (over.id, over.state) == (first.id, "resolved")
    assert resolve(mesh, "payments.fraud", "data_drift") is None
    assert not escalate(mesh, now=NOON + 9 * HOUR).alerts
    with pytest.raises(RefusedError, match="is over since"):
        acknowledge_alert(mesh.catalog, first.id, by="ana", note=None, now=NOON)
    assert notify(mesh, again("v2"), now=NOON + 2 * HOUR).what == "first" and len(hook.got) == 4


def test_who_does_not_acknowledge_is_followed_by_the_next_and_an_incident_is_opened(mesh: Mesh, hook: Webhook) -> None:
    alert = notify(mesh, DRIFT, now=NOON).alert
    assert not escalate(mesh, now=NOON + HOUR - timedelta(seconds=1)).alerts
    steps = [escalate(mesh, now=NOON + n * HOUR) for n in (1, 2, 3, 30)]
    assert [len(step.alerts) for step in steps] == [1, 1, 0, 0]
    told = [(one.reason, one.channel) for one in read_deliveries(mesh.catalog, [alert.id])]
    assert told[2:] == [("escalation", "head of payments"), ("escalation", "director")]
    assert "nobody answered" in hook.got[-1]["title"] and len(hook.got) == 4
    (incident,) = read_incidents(mesh.catalog, "payments.fraud")
    assert incident.alert_id == alert.id and set(incident.contracts) == {"payments.transactions"}


def test_who_acknowledges_stops_the_chain_until_it_goes_on_too_long(mesh: Mesh, hook: Webhook) -> None:
    alert = notify(mesh, DRIFT, now=NOON).alert
    taken = acknowledge_alert(mesh.catalog, alert.id[:6], by="ana", note="a new vendor", now=NOON + HOUR / 2)
    assert (taken.state, taken.acknowledged_by, taken.note) == ("acknowledged", "ana", "a new vendor")
    assert acknowledge_alert(mesh.catalog, alert.id, by="ben", note=None, now=NOON + HOUR) == taken
    assert not escalate(mesh, now=NOON + 9 * HOUR).alerts and not read_incidents(mesh.catalog)
    assert notify(mesh, again("v2"), now=NOON + timedelta(days=1)).what == "counted"
    later = notify(mesh, again("v3"), now=NOON + timedelta(days=1) + HOUR / 2)
    assert (later.what, later.alert.state, later.alert.acknowledged_by) == ("again", "open", None)


def test_a_receiver_that_is_down_is_told_later_and_fails_nobody(mesh: Mesh, hook: Webhook) -> None:
    hook.status = 503
    alert = notify(mesh, DRIFT, now=NOON).alert
    waiting = read_deliveries(mesh.catalog, [alert.id])
    assert {(one.state, one.attempts, one.error) for one in waiting} == {
        ("waiting", 1, "the receiver is away, or refused it")
    }
    assert send_waiting(mesh, now=NOON + timedelta(seconds=59)).failed == 0
    assert send_waiting(mesh, now=NOON + timedelta(seconds=61)).failed == 2
    assert send_waiting(mesh, now=NOON + timedelta(seconds=122)).failed == 0, "the second pause is two minutes"
    hook.status = 200
    sent = escalate(mesh, now=NOON + HOUR / 2).sent
    assert (sent.sent, sent.failed, len(hook.got)) == (2, 0, 2)
    assert {one.attempts for one in read_deliveries(mesh.catalog, [alert.id])} == {3}


def test_a_watched_escalation_prints_a_line_a_pass_and_ends_at_a_signal(
    mesh: Mesh, hook: Webhook, capsys: pytest.CaptureFixture[str]
) -> None:
    alert = notify(mesh, DRIFT, now=utc_now() - 2 * HOUR).alert

    def stop_when_told() -> None:
        while len(hook.got) < 3:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=stop_when_told, daemon=True).start()
    assert run_command(["alert", "escalate", "--watch", "60", "--json"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    done = json.loads(line)
    assert [one["id"] for one in done["alerts"]] == [alert.id] and done["sent"] == {"sent": 1, "failed": 0}


def test_two_processes_that_tell_at_once_send_once(mesh: Mesh, hook: Webhook) -> None:
    script = """
from mesh_catalog.access.mesh import open_mesh
from mesh_catalog.alerts.notify import notify
from tests.unit.alerts.test_notify import again
with open_mesh() as mesh:
    print("ready", flush=True)
    input()
    for n in range(8):
        notify(mesh, again(str(n)))
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    running = [
        subprocess.Popen(
            [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True
        )
        for _ in range(2)
    ]
    for process in running:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
    for process in running:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    assert [process.wait(timeout=60) for process in running] == [0, 0]
    (alert,) = read_alerts(mesh.catalog)
    assert 8 <= alert.count <= 16 and len(hook.got) == 2


def test_a_sender_killed_in_between_is_followed_by_another_under_the_same_id(mesh: Mesh, tmp_path: Path) -> None:
    """Killed while the receiver has the message and has not answered: it comes again, once, with its id."""
    listening = tmp_path / "hung"
    script = f"""
import http.server, os, sys, threading
from pathlib import Path
from mesh_catalog.access.mesh import open_mesh
from mesh_catalog.alerts.notify import notify
from tests.unit.alerts.test_notify import DRIFT, NOON
class Hung(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        Path({str(listening)!r}).write_bytes(self.rfile.read(int(self.headers["Content-Length"])))
        threading.Event().wait()
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hung)
threading.Thread(target=server.serve_forever, daemon=True).start()
os.environ["TEAM_ALERT_URL"] = f"json://127.0.0.1:{{server.server_address[1]}}/"
with open_mesh() as mesh:
    notify(mesh, DRIFT, now=NOON)
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    sender = subprocess.Popen([sys.executable, "-c", script], env=environment)
    for _ in range(3000):
        if listening.exists() and listening.read_bytes():
            break
        time.sleep(0.02)
    os.kill(sender.pid, signal.SIGKILL)
    sender.wait()
    (alert,) = read_alerts(mesh.catalog)
    send_waiting(mesh, now=NOON + timedelta(minutes=1))
    states = {one.channel: one.state for one in read_deliveries(mesh.catalog, [alert.id])}
    assert states == {"owner": "waiting", "onCall": "sent"}, "what the killed one was sending is still claimed"
    assert send_waiting(mesh, now=NOON + timedelta(minutes=3)).sent == 1
    deliveries = read_deliveries(mesh.catalog, [alert.id])
    assert [one.state for one in deliveries] == ["sent", "sent"]
    hung = next(one for one in deliveries if one.channel == "owner")
    assert hung.attempts == 2 and hung.id in listening.read_text()


def test_mail_arrives_at_a_mail_server(opened: Callable[..., Mesh], monkeypatch: pytest.MonkeyPatch) -> None:
    mesh = opened("alerts:\n  tell: [{to: owner, url_env: TEAM_MAIL_URL}]\n")
    with mail_server() as server:
        monkeypatch.setenv(
            "TEAM_MAIL_URL",
            f"mailto://127.0.0.1:{server.port}?from=mesh@example.org&to=team@example.org&mode=insecure&format=text",
        )
        alert = notify(mesh, DRIFT).alert
        assert [one.error for one in read_deliveries(mesh.catalog, [alert.id])] == [None]
    ((to, text),) = server.mails
    assert to == ["team@example.org"] and "Subject: [failed] payments.fraud: drift" in text


def test_consumers_in_other_domains_are_told_why(
    opened: Callable[..., Mesh], workspace_dir: Path, hook: Webhook
) -> None:
    crm = workspace_dir / "domains/crm"
    crm.mkdir()
    (crm / "domain.yaml").write_text("name: crm\nowner: crm@example.org\n" + ALERTS)
    mesh = opened("")
    why = "crm.churn (owner crm@example.org) learned from payments.fraud.score"
    concerned = (Concerned(domain="crm", why=why), Concerned(domain="payments", why="itself"))
    alert = notify(mesh, Notice(**{**DRIFT.__dict__, "concerned": concerned}), now=NOON).alert
    told = Counter(one.domain for one in read_deliveries(mesh.catalog, [alert.id]))
    assert told == {"crm": 2} and why in hook.got[0]["message"] and "itself" not in hook.got[0]["message"]
    assert alert.due_at is None, "its own domain names nobody to escalate to"


def test_secrets_are_nowhere(
    mesh: Mesh, hook: Webhook, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("apprise", "urllib3.connectionpool", "urllib3.util.retry", "mesh_catalog"):
        caplog.set_level(logging.DEBUG, logger=name)
    hook.status = 500
    notify(mesh, DRIFT, now=NOON)
    closed = hook.port
    hook.shutdown()
    hook.server_close()
    send_waiting(mesh, now=NOON + HOUR)
    for url in (f"no-such-service://{SECRET}", f"json://127.0.0.1:{closed}/{SECRET}", f"mailto://{SECRET}"):
        os.environ["TEAM_ALERT_URL"] = url
        send_waiting(mesh, now=NOON + 5 * HOUR)
        assert run_command(["alert", "list"]) == 0
        assert run_command(["alert", "show", read_alerts(mesh.catalog)[0].id, "--json"]) == 0
    escalate(mesh, now=NOON + 9 * HOUR)
    said = capsys.readouterr()
    assert hook.paths and SECRET in hook.paths[0], "the secret was used"
    assert "the receiver is away" in said.out and "could" not in caplog.text
    assert SECRET not in said.out + said.err + caplog.text
    files = [path for path in mesh.settings.workspace.rglob("*") if path.is_file()]
    assert any(path.name == "catalog.db" for path in files)
    assert not [path for path in files if SECRET.encode() in path.read_bytes()]
    logging.getLogger("urllib3.connectionpool").warning("somebody else's line")
    assert "somebody else's line" in caplog.text


def test_a_url_in_a_file_outside_the_workspace(opened: Callable[..., Mesh], tmp_path: Path, hook: Webhook) -> None:
    secret = tmp_path / "team.url"
    mesh = opened(f"alerts:\n  tell: [{{to: owner, url_file: {secret}}}]\n")
    alert = notify(mesh, DRIFT, now=NOON).alert
    (waiting,) = read_deliveries(mesh.catalog, [alert.id])
    assert waiting.error == f"{secret} is not set or cannot be read"
    secret.write_text(hook.url(SECRET) + "\n")
    assert send_waiting(mesh, now=NOON + HOUR).sent == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("alerts: {}", "'tell' names nobody"),
        ("alerts: []", "must be a mapping"),
        ("alerts: {tell: [{to: owner, url: 'json://h/T0KEN'}]}", "a URL is a secret"),
        ("alerts: {tell: [{to: owner, url_env: 'json://h/T0KEN'}]}", "the name of an environment variable"),
        ("alerts: {tell: [{to: owner}]}", "needs url_env or url_file"),
        ("alerts: {tell: [{url_env: A}]}", "'to' is missing"),
        ("alerts: {tell: [{to: owner, url_file: secret.url}]}", "absolute path"),
        ("alerts: {tell: [{to: owner, url_env: A}], escalate: [{to: owner, url_env: B}]}", "stands twice"),
        ("alerts: {tell: [{to: owner, url_env: A}], acknowledge: soon}", "acknowledge"),
        ("alerts: {tell: [{to: owner, url_env: A, warnings: 3}]}", "true or false"),
        ("alerts: {tell: owner}", "must be a list"),
    ],
)
def test_a_wrong_section_is_told_with_its_line_and_without_the_url(
    opened: Callable[..., Mesh], text: str, message: str
) -> None:
    with pytest.raises(DocumentError, match=message) as caught:
        opened(text)
    assert caught.value.line is not None and caught.value.line > DOMAIN.count("\n") and "T0KEN" not in str(caught.value)


def test_a_url_file_in_the_workspace_is_refused(opened: Callable[..., Mesh], workspace_dir: Path) -> None:
    with pytest.raises(DocumentError, match="lies in the workspace"):
        opened(f"alerts: {{tell: [{{to: owner, url_file: {workspace_dir}/conf/url}}]}}")


def test_an_alert_is_found_by_the_beginning_of_its_id(mesh: Mesh) -> None:
    alert = notify(mesh, DRIFT, now=NOON).alert
    assert read_alert(mesh.catalog, alert.id[:4]) == alert
    for wrong in ("", "%", "zz", alert.id + "0"):
        with pytest.raises(NotFoundError, match="alert"):
            read_alert(mesh.catalog, wrong)


def test_the_hook_can_come_back_on_its_port(mesh: Mesh, hook: Webhook) -> None:
    port = hook.port
    hook.shutdown()
    hook.server_close()
    assert notify(mesh, DRIFT, now=NOON).what == "first"
    with webhook(port) as back:
        assert escalate(mesh, now=NOON + timedelta(minutes=2)).sent.sent == 2
        assert len(back.got) == 2

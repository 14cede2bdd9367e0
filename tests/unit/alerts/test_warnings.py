"""A verdict that warns is no alert, but where somebody asks for warnings."""

from __future__ import annotations

from collections.abc import Callable

from mesh_catalog.access.mesh import Mesh
from mesh_catalog.alerts.verdicts import tell_verdicts
from mesh_catalog.catalog.alerts import read_alerts
from tests.unit.alerts.conftest import ALERTS
from tests.unit.alerts.receivers import Webhook
from tests.unit.alerts.samples import model_verdict, record

QUIET = ALERTS.replace(", warnings: true", "")


def test_a_warning_is_an_alert_only_where_a_channel_asks_for_warnings(
    opened: Callable[..., Mesh], hook: Webhook
) -> None:
    warning = model_verdict(1, outcome="warn")
    for alerts in (QUIET, ""):
        mesh = opened(alerts)
        record(mesh.catalog, warning)
        assert tell_verdicts(mesh, [warning]).alerts == ()
        assert read_alerts(mesh.catalog) == []
    assert hook.got == []
    asking = opened(ALERTS)
    assert [one.severity for one in tell_verdicts(asking, [warning]).alerts] == ["warn"]
    assert [message["type"] for message in hook.got] == ["warning"]


def test_a_warning_after_a_failure_leaves_the_alert_as_it_is_and_a_pass_closes_it(opened: Callable[..., Mesh]) -> None:
    mesh = opened(QUIET)
    failed, warned, passed = (model_verdict(day, outcome=one) for day, one in enumerate(("fail", "warn", "pass"), 1))
    record(mesh.catalog, failed)
    (alert,) = tell_verdicts(mesh, [failed]).alerts
    record(mesh.catalog, warned)
    assert tell_verdicts(mesh, [warned]).alerts == () and read_alerts(mesh.catalog) == [alert]
    record(mesh.catalog, passed)
    tell_verdicts(mesh, [passed])
    assert read_alerts(mesh.catalog) == []
    assert tell_verdicts(mesh, [failed]).alerts == ()  # a newer window has been judged


def test_a_slice_that_fails_is_an_alert_where_all_rows_together_only_warn(opened: Callable[..., Mesh]) -> None:
    mesh = opened(QUIET)
    whole = model_verdict(1, outcome="warn")
    parts = [model_verdict(1, outcome=one, slice=f"channel = {one}") for one in ("fail", "warn")]
    record(mesh.catalog, whole, *parts)
    assert [one.title for one in tell_verdicts(mesh, [whole, *parts]).alerts] == [
        "payments.fraud: data drift of channel = fail"
    ]
    worse = model_verdict(2, outcome="fail")
    part = model_verdict(2, outcome="fail", slice="channel = web")
    record(mesh.catalog, worse, part)
    assert [one.title for one in tell_verdicts(mesh, [worse, part]).alerts] == ["payments.fraud: data drift"]

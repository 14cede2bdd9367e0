from __future__ import annotations

import json
from pathlib import Path

import pytest

from mesh_catalog.access.mesh import Mesh
from mesh_catalog.catalog.decisions import advance_retraining, begin_retraining, finish_retraining
from mesh_catalog.catalog.timeline import read_timeline
from mesh_catalog.catalog.verdicts import Measure
from mesh_catalog.cli.main import run_command
from mesh_catalog.errors import NotFoundError
from mesh_catalog.retraining.compare import Comparison
from mesh_catalog.web.pages import timeline_page
from tests.unit.alerts.samples import drift_verdict, model_verdict, performance_verdict, record


def test_rows_are_columns_and_cells_are_windows(mesh: Mesh) -> None:
    record(mesh.catalog, drift_verdict(2, outcome="pass", score=0.05), drift_verdict(1), drift_verdict(4, score=0.3))
    record(mesh.catalog, drift_verdict(4, slice="channel = web"))
    found = read_timeline(mesh.catalog, "payments.transactions")
    assert [window.label for window in found.windows] == ["2026-06-02", "2026-06-03", "2026-06-05"]
    assert [row.name for row in found.rows] == ["data drift", "tx_amount", "device_mail", "tx_fraud"]
    assert [[cell and (cell.outcome, cell.score) for cell in row.cells] for row in found.rows[:2]] == [
        [("fail", 0.5), ("pass", 0.5), ("fail", 0.5)],
        [("fail", 0.143), ("pass", 0.05), ("fail", 0.3)],
    ]
    sliced = read_timeline(mesh.catalog, "payments.transactions", slices=True, limit=1)
    assert [row.name for row in sliced.rows if row.whole] == ["data drift", "data drift, channel = web"]
    with pytest.raises(NotFoundError):
        read_timeline(mesh.catalog, "payments.nothing")


def test_monitors_that_skip_a_window_leave_a_gap_and_a_new_method_keeps_its_row(mesh: Mesh) -> None:
    other = Measure(column="tx_amount", method="K-S p_value", score=0.5, threshold=0.05, outcome="pass")
    record(
        mesh.catalog, model_verdict(1), model_verdict(2, outcome="pass", measures=(other,)), performance_verdict(3, 0.7)
    )
    found = read_timeline(mesh.catalog, "payments.fraud")
    shape = {row.name: [cell is not None for cell in row.cells] for row in found.rows}
    assert shape["data drift"] == [True, True, False] and shape["performance"] == [False, False, True]
    assert shape["tx_amount"] == [True, True, False] and shape["average_precision"] == [False, False, True]


def test_the_command_draws_it_and_writes_the_page(
    mesh: Mesh, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run_command(["timeline", "payments.fraud"]) == 0
    assert "next: mesh monitor payments.fraud" in capsys.readouterr().err
    record(
        mesh.catalog,
        *(drift_verdict(day, score=day / 10) for day in (1, 2, 3)),
        drift_verdict(4, outcome="pass", score=0),
    )
    page = tmp_path / "t.html"
    assert run_command(["timeline", "payments.transactions", "--columns", "1", "--html", str(page)]) == 0
    said = capsys.readouterr()
    lines = said.out.splitlines()
    assert lines[0] == "payments.transactions   4 windows, 2026-06-02 to 2026-06-05"
    assert lines[3].split()[:3] == ["tx_amount", "███·", "▃▆█▁"] and "and 2 rows more" in said.err
    assert page.read_text().count('class="fail"') == 6
    assert run_command(["timeline", "payments.transactions", "--json", "--windows", "2"]) == 0
    assert len(json.loads(capsys.readouterr().out)["windows"]) == 2
    assert run_command(["timeline", "payments.nothing"]) == 4
    assert run_command(["timeline", "payments.fraud", "--html", "t.pdf"]) == 2


def test_the_page_escapes_what_it_shows_and_loads_nothing(mesh: Mesh) -> None:
    evil = '"><script>alert(1)</script>'
    record(mesh.catalog, drift_verdict(1, slice=evil, reason=evil, report_html=f"/r/{evil}"))
    page = timeline_page(read_timeline(mesh.catalog, "payments.transactions", slices=True), local=True)
    assert "<script" not in page and "&lt;script&gt;" in page
    assert "http://" not in page and "https://" not in page and 'src="' not in page
    assert 'href="file:///r/' in page


def test_trainings_show_how_sure_the_gate_was(mesh: Mesh) -> None:
    """Also one that waits for a person; a training that compared nothing is left out."""
    for outcome, low, high in (("reject", -0.1, 0.02), (None, 0.1, 0.3)):
        begun = begin_retraining(mesh.catalog, "payments.fraud", {"reasons": ["drift"]}).id
        seen = Comparison(
            metric="average_precision", rows=1200, champion_version=1, challenger_version=2, champion=0.1, unmet=(),
            challenger=0.3, difference=(low + high) / 2, low=low, high=high, better_share=1.0, needed_share=0.9,
        )  # fmt: skip
        state = {"comparison": seen.to_state(), "waits": ["<b>ask</b>"]}
        advance_retraining(mesh.catalog, begun, "waiting_approval", state)
        if outcome is not None:
            finish_retraining(mesh.catalog, begun, outcome, ["not surely better"])
            finish_retraining(mesh.catalog, begin_retraining(mesh.catalog, "payments.fraud", {}).id, "failed", ["x"])
    found = read_timeline(mesh.catalog, "payments.fraud")
    told = [(one.stands, one.low, one.reason) for one in found.trainings]
    assert told == [("waiting_approval", 0.1, "<b>ask</b>"), ("reject", -0.1, "not surely better")]
    page = timeline_page(found)
    assert "+0.200 [0.100, 0.300]" in page and "waiting approval" in page and "<b>ask" not in page
    waiting, rejected = page.split("<tbody>")[1].split("</tr>")[:4:2]
    assert 'x1="53.0"' in waiting and 'cx="147.0"' in waiting, "zero is a quarter of the way from -0.1 to 0.3"
    assert 'x1="53.0"' in rejected and 'cx="34.2"' in rejected, "both rows have one axis"
    assert read_timeline(mesh.catalog, "payments.transactions").trainings == ()

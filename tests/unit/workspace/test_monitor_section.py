"""`monitor:` as it is written: what it may say, and a sentence with its line for everything else."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from mesh_catalog.documents import read_document
from mesh_catalog.errors import DocumentError
from mesh_catalog.specs import FacetSpec, MonitorSpec, SliceSpec
from mesh_catalog.workspace.monitor_section import MODEL_KEYS, read_monitor, read_monitor_file
from mesh_catalog.workspace.section import Section

WHOLE = """
window: 7d
drift_share: 0.25
slices: [channel, {column: amount, edges: [0, 100]}]
performance: {at_least: {roc_auc: 0.8}, loses: 0.2, labels: {share: 0.9, rows: 10}}
bias: {facets: [region, {column: sex, groups: [female]}], limits: {DI: 0.7}}
attribution: {ndcg: 0.95}
operations: {latency: 10min, freshness: 2d, volume: {least: 0.2, most: 3}}
"""


def read(tmp_path: Path, text: str) -> MonitorSpec:
    path = tmp_path / "model.yaml"
    path.write_text(text)
    return read_monitor(Section(read_document(path), MODEL_KEYS))


def test_everything_may_be_said_and_everything_left_out(tmp_path: Path) -> None:
    found = read(tmp_path, WHOLE)
    assert found.slices == (SliceSpec(column="channel"), SliceSpec(column="amount", edges=(0.0, 100.0)))
    assert (found.performance.labels_share, found.performance.labels_rows, found.performance.loses) == (0.9, 10, 0.2)
    assert found.bias.facets == (FacetSpec(column="region"), FacetSpec(column="sex", groups=("female",)))
    assert found.attribution is not None and (found.attribution.ndcg, found.attribution.rows) == (0.95, 20_000)
    assert found.operations.latency == timedelta(minutes=10) and found.operations.volume_most == 3
    assert read(tmp_path, "{}") == MonitorSpec()
    tested = read(tmp_path, "performance: {by: losses, loses: 0.2, significance: 0.02, windows: 6}").performance
    assert (tested.by, tested.loses, tested.significance, tested.windows) == ("losses", 0.2, 0.02, 6)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("window: 0d", "1: window must be longer than nothing"),
        ("slice: [a]", "1: 'slice' is not known here. Did you mean 'slices'"),
        ("slices: channel", "1: 'slices' must be a list of columns"),
        ("slices:\n  - {column: amount, edges: [2, 1]}", "2: edges must be a list of at most 50 ascending numbers"),
        ("slices:\n  - a\n  - a", "a column stands twice"),
        ("performance: {at_least: {auc: 0.5}}", "1: 'auc' is not known here"),
        ("performance: {labels: {share: 2}}", "share is 2, but must be from 0 to 1"),
        ("bias: {limits: {DPPL: 0.1}}", "'facets' must be a list of columns"),
        ("bias: {facets: [sex], limits: {dppl: 0.1}}", "'dppl' is not known here"),
        ("performance: {by: loss}", "by 'loss' is not known. Allowed: metric, losses"),
        ("performance: {significance: 0.02}", "'significance' is of a test of losses. Add by: losses"),
        ("performance: {by: losses, windows: 0}", "windows is 0, but must be from 1"),
        ("estimate: {by: losses}", "'by' is not known here"),
        ("attribution: {ndcg: two}", "'ndcg' must be a number"),
        ("operations: {latency: soon}", "latency"),
        ("drift: {method: magic}", "method 'magic' is not known"),
    ],
)
def test_a_mistake_is_a_sentence_with_its_line(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(DocumentError) as caught:
        read(tmp_path, text)
    assert sentence in str(caught.value)


def test_a_products_file_knows_no_parts_of_a_model(tmp_path: Path) -> None:
    assert read_monitor_file(tmp_path, tmp_path) is None
    (tmp_path / "monitor.yaml").write_text("window: 2d\n")
    assert read_monitor_file(tmp_path, tmp_path) == MonitorSpec(window=timedelta(days=2))
    (tmp_path / "monitor.yaml").write_text("window: 2d\nbias: {facets: [sex]}\n")
    with pytest.raises(DocumentError, match=r"2: 'bias' is not known here"):
        read_monitor_file(tmp_path, tmp_path)

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from mesh_catalog.access.mesh import Mesh
from mesh_catalog.errors import SettingsError
from mesh_catalog.web.app import make_app
from mesh_catalog.web.serving import read_token
from tests.openlineage import columns, dataset, flows, run_event
from tests.unit.catalog.samples import amount_edge, publish

A, B, LOAD = "warehouse#a", "warehouse#b", "etl#load"
GRAPH = {(A, LOAD), (LOAD, B)}
EVENT = run_event("COMPLETE", 0, inputs=[dataset("a")], outputs=[dataset("b")])


def client(mesh: Mesh, **options: Any) -> TestClient:
    return TestClient(make_app(mesh, **options), base_url="http://127.0.0.1", raise_server_exceptions=False)


def drawn(mesh: Mesh) -> set[tuple[str, str]]:
    return {edge for edge in flows(mesh.catalog) if "#" in "".join(edge)}


def test_one_event_and_an_array_of_them_give_the_graph(mesh: Mesh) -> None:
    with client(mesh) as http:
        assert http.post("/api/v1/lineage", json=EVENT).status_code == 201
        assert drawn(mesh) == GRAPH
        more = run_event("COMPLETE", 1, job="more", inputs=[dataset("b")])
        for path in ("/api/v1/lineage", "/api/v1/lineage/batch"):
            answer = http.post(path, json=[EVENT, more])
            assert (answer.status_code, answer.json()["summary"]["successful"]) == (200, 2)
    assert drawn(mesh) == GRAPH | {(B, "etl#more")}


def test_a_bad_event_gets_one_sentence_and_nothing_is_kept(mesh: Mesh) -> None:
    with client(mesh) as http:
        for body in (EVENT | {"eventTime": "never"}, [EVENT, {}], [EVENT, 1], "text"):
            answer = http.post("/api/v1/lineage", json=body)
            assert answer.status_code == 400 and answer.json()["error"].startswith("event ")
        answer = http.post("/api/v1/lineage", content=b"{", headers={"content-type": "application/json"})
        assert (answer.status_code, answer.json()["error"].split(".")[0]) == (400, "The body is not JSON in UTF-8")
        deep = b'{"a":' * 100_000
        assert http.post("/api/v1/lineage", content=deep, headers={"content-type": "application/json"}).is_client_error
    assert drawn(mesh) == set()


def test_a_body_is_bounded_also_when_it_is_compressed(mesh: Mesh) -> None:
    headers = {"content-type": "application/json", "content-encoding": "gzip"}
    with client(mesh, body_bytes=10_000) as http:
        small = gzip.compress(json.dumps(EVENT).encode())
        assert http.post("/api/v1/lineage", content=small, headers=headers).status_code == 201
        bomb = gzip.compress(b" " * 50_000_000)
        assert http.post("/api/v1/lineage", content=bomb, headers=headers).status_code == 413
        assert http.post("/api/v1/lineage", content=b"no gzip", headers=headers).status_code == 400
        assert http.post("/api/v1/lineage", json=[EVENT] * 50).status_code == 413
        assert http.post("/api/v1/lineage", json=[{}] * 1001).status_code == 413


def test_without_a_token_only_programs_of_this_machine_are_served(mesh: Mesh) -> None:
    with client(mesh) as http:
        assert http.post("/api/v1/lineage", json=EVENT, headers={"host": "evil.example.org"}).status_code == 403
        assert http.get("/api/v1/products/payments.daily", headers={"host": "evil.example.org"}).status_code == 403
        for kind in ("text/plain", "text/plain; json", "text/plain;application/json"):  # a page may send these anywhere
            answer = http.post("/api/v1/lineage", content=json.dumps(EVENT), headers={"content-type": kind})
            assert answer.status_code == 415
        utf8 = {"content-type": "application/json; charset=utf-8"}
        assert http.post("/api/v1/lineage", content=b"[]", headers=utf8).status_code == 200
    assert drawn(mesh) == set()


def test_with_a_token_every_request_needs_it(mesh: Mesh) -> None:
    with client(mesh, token="a-long-enough-token") as http:  # pragma: allowlist secret
        for given in ({}, {"authorization": "Bearer wrong"}, {"authorization": "a-long-enough-token"}):
            answer = http.post("/api/v1/lineage", json=EVENT, headers=given)
            assert answer.status_code == 401 and "a-long" not in answer.text
            assert http.get("/api/v1/products/payments.daily", headers=given).status_code == 401
        right = {"authorization": "Bearer a-long-enough-token", "host": "mesh.example.org"}
        assert http.post("/api/v1/lineage", json=EVENT, headers=right).status_code == 201


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.5", "mesh.example.org"])
def test_others_are_not_listened_to_without_a_token(host: str) -> None:
    with pytest.raises(SettingsError, match="MESH_WEB_TOKEN is not set"):
        read_token(host, {})
    with pytest.raises(SettingsError, match="at least 16"):
        read_token(host, {"MESH_WEB_TOKEN": "short"})
    assert read_token(host, {"MESH_WEB_TOKEN": "0123456789abcdef"}) == "0123456789abcdef"
    assert read_token("127.0.0.1", {}) is None and read_token("localhost", {}) is None


def test_products_and_lineage_are_read(mesh: Mesh) -> None:
    publish(mesh.catalog, "payments.transactions", 0)
    publish(mesh.catalog, "payments.daily", 0, inputs={"payments.transactions": 0}, column_edges=[amount_edge()])
    with client(mesh) as http:
        product = http.get("/api/v1/products/payments.daily").json()
        assert (product["product"]["owner"], product["version"]["version"]) == ("payments-team", 0)
        assert [column["name"] for column in product["columns"]] == ["day", "amount_eur"]
        missing = http.get("/api/v1/products/payments.dayly")
        assert missing.status_code == 404 and "Did you mean 'payments.daily'" in missing.json()["error"]
        graph = http.get("/api/v1/lineage", params={"node": "payments.daily", "direction": "upstream"}).json()
        assert {node["name"] for node in graph["nodes"]} >= {"payments.daily", "payments.transactions"}
        column = http.get("/api/v1/lineage", params={"node": "payments.transactions.tx_amount"}).json()
        assert column["columns"][0]["table"] == "payments.daily"
        assert column["models"][0]["model"] == "payments.fraud"
        for wrong in (
            {},
            {"node": "x", "direction": "up"},
            {"node": "x", "depth": "-1"},
            {"node": "x", "columns": "?"},
        ):
            assert http.get("/api/v1/lineage", params=wrong).status_code == 400
        assert http.get("/api/v1/lineage", params={"node": "n#o"}).status_code == 404
        nowhere = http.get("/api/v1/nowhere")
        assert nowhere.status_code == 404 and "no such route" in nowhere.json()["error"]


def test_an_incomplete_answer_is_a_conflict_unless_it_is_allowed(mesh: Mesh) -> None:
    with client(mesh) as http:
        http.post("/api/v1/lineage", json=EVENT)
        asked = {"node": B, "direction": "upstream", "columns": "true"}
        answer = http.get("/api/v1/lineage", params=asked)
        assert answer.status_code == 409 and "columns of warehouse#b" in answer.json()["error"]
        allowed = http.get("/api/v1/lineage", params=asked | {"allow_incomplete": "true"}).json()
        assert allowed["complete"] is False and len(allowed["nodes"]) == 3
        told = run_event("COMPLETE", 1, outputs=[dataset("b", columnLineage=columns(x=("a", "x")))])
        http.post("/api/v1/lineage", json=told)
        assert http.get("/api/v1/lineage", params=asked).json()["complete"] is True


def test_no_route_answers_where_a_workspace_lies(mesh: Mesh, tmp_path: Path) -> None:
    with client(mesh) as http:
        texts = [http.get(path).text for path in ("/api/v1/products/payments.daily", "/api/v1/products/x")]
    assert not any(str(tmp_path) in text for text in texts)

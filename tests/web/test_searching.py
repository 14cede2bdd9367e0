from __future__ import annotations

from starlette.testclient import TestClient

from mesh_catalog.access.mesh import Mesh
from mesh_catalog.web.app import make_app
from tests.openlineage import dataset, run_event


def test_a_dataset_that_only_events_told_of_is_found_over_http(mesh: Mesh) -> None:
    with TestClient(make_app(mesh), base_url="http://127.0.0.1") as http:
        event = run_event("COMPLETE", 0, outputs=[dataset("창고.주문_집계")])
        assert http.post("/api/v1/lineage", json=event).status_code == 201
        for asked in ({"q": "주문"}, {"q": "주믄", "kind": "dataset"}):
            (hit,) = http.get("/api/v1/search", params=asked).json()["hits"]
            assert (hit["kind"], hit["domain"]) == ("dataset", None) and hit["name"].endswith("#창고.주문_집계")
        node = http.get("/api/v1/lineage", params={"node": hit["name"], "direction": "upstream"})
        assert len(node.json()["nodes"]) == 2


def test_search_is_served_with_facets_and_wrong_questions_get_a_sentence(mesh: Mesh) -> None:
    with TestClient(make_app(mesh), base_url="http://127.0.0.1") as http:
        found = http.get("/api/v1/search", params={"q": "transctions"}).json()
        assert found["hits"][0]["name"] == "payments.transactions"
        assert found["facets"]["domain"] == {"payments": len(found["hits"])}
        answer = http.get("/api/v1/search", params={"kind": ["model", "dashboard"]}).json()
        assert {hit["kind"] for hit in answer["hits"]} == {"model"}
        assert http.get("/api/v1/search", params={"q": "x", "domain": "nowhere"}).json()["hits"] == []
        for wrong in ({"limit": "0"}, {"limit": "many"}, {"colour": "red"}, {"q": "x" * 501}):
            refused = http.get("/api/v1/search", params=wrong)
            assert refused.status_code == 400 and refused.json()["error"].endswith(".")

from __future__ import annotations

from starlette.testclient import TestClient

from mesh_catalog.access.mesh import Mesh
from mesh_catalog.web.app import make_app


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

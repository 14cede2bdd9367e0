"""Search: the first page that people see, and GET /api/v1/search; by words, narrowed by facets, with the counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from mesh_catalog.access.mesh import Mesh
from mesh_catalog.access.popularity import most_read, read_popularity
from mesh_catalog.catalog.domains import list_domains
from mesh_catalog.catalog.inventory import read_ending
from mesh_catalog.catalog.search import FACETS, Found, find
from mesh_catalog.errors import InputError
from mesh_catalog.web.answers import as_json, number, page
from mesh_catalog.web.pages import render

__all__ = ["ROUTES"]

_LIMIT = 200
_WORDS = 500
_VALUES = 10
"""So many values of a facet are shown; the chosen ones always."""
_DOMAINS = 200
_MOST_READ = 10


@dataclass(frozen=True, kw_only=True)
class _Value:
    """A facet's value as a link that adds it to the search, or takes it away."""

    text: str
    count: int
    chosen: bool
    address: str


async def get_search(request: Request) -> Response:
    """`q` the words, `limit`, and any facet, also several times: `?q=orders&domain=sales&domain=crm`."""
    unknown = sorted(set(request.query_params) - {"q", "limit", *FACETS})
    if unknown:
        raise InputError(f"{unknown[0][:40]}: no such parameter. There are q, limit, {', '.join(FACETS)}.")
    return await as_json(_found, request)


async def search(request: Request) -> Response:
    """The page of a search; without words and facets, where one may begin. Parameters that others add do not matter."""
    return page(await run_in_threadpool(_search, request))


ROUTES = [
    Route("/", search, methods=["GET"]),
    Route("/search", search, methods=["GET"]),
    Route("/api/v1/search", get_search, methods=["GET"]),
]


def _found(request: Request) -> Found:
    mesh: Mesh = request.app.state.mesh
    return find(mesh.catalog, _words(request), limit=_limit(request), where=_chosen(request), counts=True)


def _search(request: Request) -> str:
    mesh: Mesh = request.app.state.mesh
    words, chosen, limit = _words(request), _chosen(request), _limit(request)
    if not (words.strip() or chosen):
        domains = list_domains(mesh.catalog)
        return render(
            "start.html",
            domains=domains[:_DOMAINS],
            more_domains=max(len(domains) - _DOMAINS, 0),
            most_read=most_read(mesh.catalog, _MOST_READ),
        )
    found = _found(request)
    products = [hit.name for hit in found.hits if hit.kind == "product"]
    count = sum(found.facets.get("kind", {}).values())
    return render(
        "search.html",
        query=words,
        chosen=chosen,
        found=found,
        count=count,
        popularity=read_popularity(mesh.catalog, products),
        ending=read_ending(mesh.catalog, products),
        facets=_facets(words, chosen, found.facets),
        without_facets=f"/search?{urlencode({'q': words})}",
        more=_address(words, chosen, limit=_LIMIT) if count > len(found.hits) and limit < _LIMIT else None,
    )


def _facets(
    words: str, chosen: Mapping[str, list[str]], counts: Mapping[str, Mapping[str, int]]
) -> dict[str, tuple[list[_Value], int]]:
    """Of each facet its values, those that were chosen first, and how many more there are."""
    told = {}
    for facet in FACETS:
        picked, counted = chosen.get(facet, []), counts.get(facet, {})
        values = list(dict.fromkeys([*picked, *counted]))
        shown = values[: max(_VALUES, len(picked))]
        if shown:
            links = [_value(words, chosen, facet, value, counted.get(value, 0)) for value in shown]
            told[facet] = links, len(values) - len(shown)
    return told


def _value(words: str, chosen: Mapping[str, list[str]], facet: str, value: str, count: int) -> _Value:
    picked = chosen.get(facet, [])
    rest = [one for one in picked if one != value] if value in picked else [*picked, value]
    return _Value(
        text=value, count=count, chosen=value in picked, address=_address(words, {**chosen, facet: rest}, limit=None)
    )


def _address(words: str, chosen: Mapping[str, list[str]], *, limit: int | None) -> str:
    pairs = [("q", words), *((facet, value) for facet, values in chosen.items() for value in values)]
    return f"/search?{urlencode([*pairs, *([('limit', str(limit))] if limit else [])])}"


def _words(request: Request) -> str:
    text = request.query_params.get("q", "")
    if len(text) > _WORDS:
        raise InputError(f"q is longer than {_WORDS} letters. Take fewer words.")
    return text


def _limit(request: Request) -> int:
    return number(request.query_params.get("limit"), 20, name="limit", most=_LIMIT)


def _chosen(request: Request) -> dict[str, list[str]]:
    asked = request.query_params
    return {facet: values for facet in FACETS if (values := list(dict.fromkeys(filter(None, asked.getlist(facet)))))}

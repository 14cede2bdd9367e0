"""Lineage over HTTP: a page with its picture and everything that it reaches, and the graph as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from markupsafe import Markup
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from mesh_catalog.access.mesh import Mesh
from mesh_catalog.catalog.gaps import IncompleteLineageError
from mesh_catalog.catalog.impact import column_impact, split_column
from mesh_catalog.catalog.lineage import Direction, LineageGraph, Node, lineage, reached
from mesh_catalog.catalog.store import Catalog
from mesh_catalog.errors import InputError
from mesh_catalog.web.addresses import address_of_node
from mesh_catalog.web.answers import as_json, number, page
from mesh_catalog.web.lineage_picture import draw
from mesh_catalog.web.pages import render

__all__ = ["ROUTES", "Near", "read_near"]

_FLAGS = {"true": True, "1": True, "false": False, "0": False}
_WAYS: tuple[Direction, ...] = ("upstream", "downstream")
_DEPTH = 1000
_DRAWN_DEPTH = 10
_ABOVE_EACH_OTHER = 10
_LISTED = 500


@dataclass(frozen=True, kw_only=True)
class Near:
    """What stands around something in the graph, drawn and as nodes."""

    svg: Markup
    depth: int
    left_out: int
    """Nodes within the depth that are only counted in the picture."""
    leads_on: bool
    """Whether there is more beyond the depth."""
    upstream: tuple[Node, ...]
    """One step away."""
    downstream: tuple[Node, ...]
    missing: tuple[str, ...]
    """What is known to be missing, each as a phrase after "It leads to"."""


def read_near(catalog: Catalog, name: str, *, depth: int) -> Near:
    """The lineage around something, so many steps each way, also where it has gaps.

    Raises:
        NotFoundError: There is nothing of this name.
    """
    graphs = [lineage(catalog, name, direction=way, depth=depth, allow_incomplete=True) for way in _WAYS]
    picture = draw(graphs, most=_ABOVE_EACH_OTHER, link_to=address_of_node)
    return Near(
        svg=Markup(picture.svg),
        depth=depth,
        left_out=picture.left_out,
        leads_on=any(graph.beyond for graph in graphs),
        upstream=_next_to_root(graphs[0]),
        downstream=_next_to_root(graphs[1]),
        missing=tuple(dict.fromkeys(gap.text for graph in graphs for gap in graph.unknown)),
    )


def _next_to_root(graph: LineageGraph) -> tuple[Node, ...]:
    upstream = graph.direction == "upstream"
    ends = [(one.target, one.source) if upstream else (one.source, one.target) for one in graph.links]
    keys = {far for near, far in ends if near == graph.root != far}
    return tuple(node for node in graph.nodes if node.key in keys)


async def get_lineage(request: Request) -> Response:
    """The lineage of `node`, or the impact of a column; 409 where it is incomplete and that was not allowed."""
    asked = request.query_params
    node = _asked_node(request)
    direction = asked.get("direction", "downstream")
    if direction not in _WAYS:
        raise InputError("direction is neither upstream nor downstream.")
    way: Direction = "upstream" if direction == "upstream" else "downstream"
    depth = number(asked.get("depth"), 0, name="depth", most=_DEPTH) or None
    columns, allow_incomplete = _flag(request, "columns"), _flag(request, "allow_incomplete")
    return await as_json(_lineage, request.app.state.mesh, node, way, depth, columns, allow_incomplete)


async def lineage_page(request: Request) -> Response:
    """The page of `node`: a picture `depth` steps each way, and all that it came from and led to; of a column its
    impact."""
    return page(await run_in_threadpool(_page, request))


ROUTES = [
    Route("/lineage", lineage_page, methods=["GET"]),
    Route("/api/v1/lineage", get_lineage, methods=["GET"]),
]


def _lineage(
    mesh: Mesh, node: str, direction: Direction, depth: int | None, columns: bool, allow_incomplete: bool
) -> Any:
    column = split_column(mesh.catalog, node)
    if column is not None:
        return column_impact(mesh.catalog, *column, direction=direction, allow_incomplete=allow_incomplete)
    return lineage(
        mesh.catalog,
        node,
        direction=direction,
        columns=columns,
        depth=depth,
        allow_incomplete=allow_incomplete,
    )


def _page(request: Request) -> str:
    mesh: Mesh = request.app.state.mesh
    node = _asked_node(request)
    column = split_column(mesh.catalog, node)
    if column is not None:
        found = [column_impact(mesh.catalog, *column, direction=way, allow_incomplete=True) for way in _WAYS]
        return render("column.html", table=column[0], column=column[1], impacts=found)
    depth = number(request.query_params.get("depth"), 3, name="depth", most=_DRAWN_DEPTH)
    near = read_near(mesh.catalog, node, depth=depth)
    ends: dict[str, tuple[Node, ...]] = {}
    try:
        ends = {way: reached(mesh.catalog, node, direction=way) for way in _WAYS}
        refused = None
    except IncompleteLineageError as error:
        refused = str(error)
    deeper = min(depth * 2, _DRAWN_DEPTH) if near.leads_on and depth < _DRAWN_DEPTH else None
    return render("lineage.html", node=node, near=near, ends=ends, refused=refused, listed=_LISTED, deeper=deeper)


def _asked_node(request: Request) -> str:
    node = request.query_params.get("node")
    if not node:
        raise InputError("node is missing. Ask for ?node=domain.product, or a dataset or a job as namespace#name.")
    return node


def _flag(request: Request, name: str) -> bool:
    text = request.query_params.get(name, "false")
    if text not in _FLAGS:
        raise InputError(f"{name} is neither true nor false.")
    return _FLAGS[text]

"""What the catalog knows, as JSON: a product, and the lineage of anything."""

from __future__ import annotations

from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from mesh_catalog.access.mesh import Mesh
from mesh_catalog.catalog.canonical import plain
from mesh_catalog.catalog.impact import column_impact, split_column
from mesh_catalog.catalog.inventory import read_columns, read_product
from mesh_catalog.catalog.lineage import Direction, lineage
from mesh_catalog.catalog.versions import latest_version
from mesh_catalog.errors import InputError

__all__ = ["get_lineage", "get_product"]

_FLAGS = {"true": True, "1": True, "false": False, "0": False}
_DEPTH = 1000


async def get_product(request: Request) -> Response:
    """A product: what its contract says, who owns it, its newest version."""
    return await _answer(_product, request.app.state.mesh, request.path_params["name"])


def _product(mesh: Mesh, name: str) -> dict[str, Any]:
    return {
        "product": read_product(mesh.catalog, name),
        "columns": read_columns(mesh.catalog, name),
        "version": latest_version(mesh.catalog, name),
    }


async def get_lineage(request: Request) -> Response:
    """The lineage of `node`, or the impact of a column; 409 where it is incomplete and that was not allowed."""
    asked = request.query_params
    node = asked.get("node")
    if not node:
        raise InputError("node is missing. Ask for ?node=domain.product, or a dataset or a job as namespace#name.")
    direction = asked.get("direction", "downstream")
    if direction not in ("upstream", "downstream"):
        raise InputError("direction is neither upstream nor downstream.")
    depth = asked.get("depth")
    if depth is not None and not (depth.isascii() and depth.isdigit() and 0 < int(depth) <= _DEPTH):
        raise InputError(f"depth is no number from 1 to {_DEPTH}.")
    return await _answer(
        _lineage,
        request.app.state.mesh,
        node,
        "upstream" if direction == "upstream" else "downstream",
        int(depth) if depth else None,
        _flag(request, "columns"),
        _flag(request, "allow_incomplete"),
    )


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


def _flag(request: Request, name: str) -> bool:
    text = request.query_params.get(name, "false")
    if text not in _FLAGS:
        raise InputError(f"{name} is neither true nor false.")
    return _FLAGS[text]


async def _answer(use: Any, *arguments: Any) -> Response:
    return JSONResponse(plain(await run_in_threadpool(use, *arguments)))

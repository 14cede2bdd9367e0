"""The HTTP service: routes, who may call them, and errors as one sentence of JSON.

    POST /api/v1/lineage         one OpenLineage event, or an array of them: all or none
    POST /api/v1/lineage/batch   an array of events
    GET  /api/v1/lineage         node=…, direction=…, depth=…, columns=…
    GET  /api/v1/products/{name}
    GET  /api/v1/search          q=…, limit=…, domain=…, owner=…, tag=…
    GET  /api/v1/alerts, /api/v1/incidents, /api/v1/timeline/{name}; the same as pages without /api/v1
    GET  /metrics                in Prometheus' text format

Where a token is set, every request needs it. Without one only this machine's programs are answered, and no page that a
browser has open: such a page's requests carry another Host, or a type that is not JSON's. No route returns rows.
"""

from __future__ import annotations

import hmac
import ipaddress
import logging
from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mesh_catalog.access.mesh import Mesh
from mesh_catalog.catalog.gaps import IncompleteLineageError
from mesh_catalog.errors import ConflictError, InputError, MeshError, NotFoundError, RefusedError, StorageError
from mesh_catalog.web.intake import BODY_BYTES, take_events
from mesh_catalog.web.reading import get_lineage, get_product
from mesh_catalog.web.searching import get_search
from mesh_catalog.web.watching import ROUTES

__all__ = ["is_loopback", "make_app"]

_log = logging.getLogger(__name__)
_STATUS: tuple[tuple[type[MeshError], int], ...] = (
    (InputError, 400),
    (NotFoundError, 404),
    (IncompleteLineageError, 409),
    (RefusedError, 403),
    (ConflictError, 503),
    (StorageError, 500),
)


def make_app(mesh: Mesh, *, token: str | None = None, body_bytes: int = BODY_BYTES) -> Starlette:
    """The service over an open mesh.

    Args:
        token: What a request must send as `Authorization: Bearer …`; None lets everybody in who can connect.
        body_bytes: The longest body that is read, also after decompression.
    """
    app = Starlette(
        routes=[
            Route("/api/v1/lineage", take_events, methods=["POST"]),
            Route("/api/v1/lineage/batch", take_events, methods=["POST"], name="batch"),
            Route("/api/v1/lineage", get_lineage, methods=["GET"]),
            Route("/api/v1/products/{name}", get_product, methods=["GET"]),
            Route("/api/v1/search", get_search, methods=["GET"]),
            *ROUTES,
        ],
        middleware=[Middleware(BaseHTTPMiddleware, dispatch=_guard(token))],
        exception_handlers={MeshError: _on_error, Exception: _on_crash, 404: _on_no_route, 405: _on_no_route},
    )
    app.state.mesh = mesh
    app.state.body_bytes = body_bytes
    return app


def is_loopback(host: str) -> bool:
    """Whether a name or an address is this machine's own."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _guard(token: str | None) -> Callable[[Request, Callable[[Request], Awaitable[Response]]], Awaitable[Response]]:
    wanted = f"Bearer {token}".encode() if token is not None else None

    async def check(request: Request, proceed: Callable[[Request], Awaitable[Response]]) -> Response:
        given = request.headers.get("authorization", "").encode("latin-1")
        if wanted is not None and not hmac.compare_digest(given, wanted):
            return _told("The bearer token is missing or wrong. Send it as Authorization: Bearer TOKEN.", 401)
        if wanted is None and not is_loopback(request.url.hostname or ""):
            return _told("Only this machine is served, by its name localhost or its address.", 403)
        if request.method == "POST" and "json" not in request.headers.get("content-type", ""):
            return _told("The body's type is not JSON. Send it with Content-Type: application/json.", 415)
        return await proceed(request)

    return check


def _told(message: str, status: int) -> JSONResponse:
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else None
    return JSONResponse({"error": message}, status_code=status, headers=headers)


async def _on_error(_request: Request, error: Exception) -> Response:
    status = next((code for kind, code in _STATUS if isinstance(error, kind)), 500)
    return _told(str(error), getattr(error, "status", status))


async def _on_no_route(request: Request, error: Exception) -> Response:
    status = int(getattr(error, "status_code", 404))
    return _told(f"{request.method} {request.url.path[:200]}: there is no such route.", status)


async def _on_crash(_request: Request, error: Exception) -> Response:
    _log.error("a request failed", exc_info=error)
    return _told("Something of ours went wrong; the service's log says what.", 500)

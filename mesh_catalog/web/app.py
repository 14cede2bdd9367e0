"""The HTTP service: routes, who may call them, and errors as one sentence of JSON.

    POST /api/v1/lineage         one OpenLineage event, or an array of them: all or none
    POST /api/v1/lineage/batch   an array of events
    GET  /api/v1/lineage         node=…, direction=…, depth=…, columns=…
    GET  /api/v1/search          q=…, limit=…, domain=…, owner=…, tag=…
    GET  /api/v1/products/{name}, …/tags; /api/v1/domains, /kpis, /terms, each also …/{name}; /api/v1/requests
    GET  /api/v1/alerts, /api/v1/incidents, /api/v1/timeline/{name}
    GET  /metrics                in Prometheus' text format
    GET  /                       the same as pages, without /api/v1

Where a token is set, every request needs it: as a bearer token, or, to read, as the password that a browser asks for.
Without one only this machine's programs are answered, and no page that a browser has open: such a page's requests carry
another Host, or a type that is not JSON's. No route returns rows.
"""

from __future__ import annotations

import base64
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
from mesh_catalog.web import browsing, kpis, reading, searching, tracing, watching
from mesh_catalog.web.answers import page
from mesh_catalog.web.intake import BODY_BYTES, take_events
from mesh_catalog.web.pages import render

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
            *searching.ROUTES,
            *browsing.ROUTES,
            *kpis.ROUTES,
            *tracing.ROUTES,
            *reading.ROUTES,
            *watching.ROUTES,
        ],
        middleware=[Middleware(BaseHTTPMiddleware, dispatch=_guard(token))],
        exception_handlers={MeshError: _on_error, Exception: _on_crash, 404: _on_no_route, 405: _on_no_route},
    )
    app.state.mesh = mesh
    app.state.body_bytes = body_bytes
    app.state.kpi_values = {}
    return app


def is_loopback(host: str) -> bool:
    """Whether a name or an address is this machine's own."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _guard(token: str | None) -> Callable[[Request, Callable[[Request], Awaitable[Response]]], Awaitable[Response]]:
    async def check(request: Request, proceed: Callable[[Request], Awaitable[Response]]) -> Response:
        if token is not None and not _knows(request, token.encode()):
            return _told(request, "The token is missing or wrong. Send it as Authorization: Bearer TOKEN.", 401)
        if token is None and not is_loopback(request.url.hostname or ""):
            return _told(request, "Only this machine is served, by its name localhost or its address.", 403)
        if request.method == "POST" and not _is_json(request):
            return _told(request, "The body's type is not JSON. Send it with Content-Type: application/json.", 415)
        return await proceed(request)

    return check


def _knows(request: Request, token: bytes) -> bool:
    """Whether a request has the token. As a password it is enough to read: a browser sends that whoever asks it to."""
    scheme, _, given = request.headers.get("authorization", "").encode("latin-1").partition(b" ")
    if scheme.lower() == b"basic" and request.method in ("GET", "HEAD"):
        try:
            _, _, given = base64.b64decode(given, validate=True).partition(b":")
        except ValueError:
            return False
        return hmac.compare_digest(given, token)
    return scheme.lower() == b"bearer" and hmac.compare_digest(given, token)


def _is_json(request: Request) -> bool:
    """A page of a browser may send other types anywhere, parameters behind them included."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))


def _told(request: Request, message: str, status: int) -> Response:
    """One sentence: as JSON to a program, as a page to a person."""
    is_page = not request.url.path.startswith("/api/") and request.url.path != "/metrics"
    answer = page(render("error.html", message=message, status=status), status) if is_page else None
    answer = answer or JSONResponse({"error": message}, status_code=status)
    if status == 401:
        answer.headers["WWW-Authenticate"] = 'Basic realm="mesh-catalog", charset="UTF-8"' if is_page else "Bearer"
    return answer


async def _on_error(request: Request, error: Exception) -> Response:
    status = next((code for kind, code in _STATUS if isinstance(error, kind)), 500)
    return _told(request, str(error), getattr(error, "status", status))


async def _on_no_route(request: Request, error: Exception) -> Response:
    status = int(getattr(error, "status_code", 404))
    return _told(request, f"{request.method} {request.url.path[:200]}: there is no such route.", status)


async def _on_crash(request: Request, error: Exception) -> Response:
    _log.error("a request failed", exc_info=error)
    return _told(request, "Something of ours went wrong; the service's log says what.", 500)

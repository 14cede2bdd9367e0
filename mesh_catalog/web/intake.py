"""Taking OpenLineage events in over HTTP: bounded, read whole, then kept in one go or not at all."""

from __future__ import annotations

import json
import zlib
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from mesh_catalog.access.mesh import Mesh
from mesh_catalog.access.outside import resolver
from mesh_catalog.catalog.openlineage.ingest import Ingested, ingest, parse_events
from mesh_catalog.errors import InputError

__all__ = ["BODY_BYTES", "take_events"]

BODY_BYTES = 16 * 1024 * 1024
_EVENTS = 1000
"""Of one body; they are kept in one transaction."""


class BodyTooLargeError(InputError):
    status = 413


async def take_events(request: Request) -> Response:
    """POST of one event or an array of events; answers 201, for an array 200 with its count."""
    text = await _body(request, request.app.state.body_bytes)
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise InputError("The body is not JSON in UTF-8. Send one OpenLineage event, or an array of them.") from None
    several = isinstance(document, list)
    if several and len(document) > _EVENTS:
        raise BodyTooLargeError(f"The body has {len(document):,} events. Send at most {_EVENTS:,} at once.")
    done = await run_in_threadpool(_take, request.app.state.mesh, document if several else [document])
    if not several:
        return Response(status_code=201)
    summary = {"received": done.events, "successful": done.events, "failed": 0, "retriable": 0, "non_retriable": 0}
    return JSONResponse({"status": "success", "summary": summary, "failed_events": []})


def _take(mesh: Mesh, documents: list[Any]) -> Ingested:
    return ingest(mesh.catalog, parse_events(documents), resolve=resolver(mesh))


async def _body(request: Request, limit: int) -> bytes:
    """The body, decompressed where it is gzip.

    Raises:
        BodyTooLargeError: It is longer than `limit` bytes; the rest is not read.
    """
    encoding = request.headers.get("content-encoding", "identity").lower()
    if encoding not in ("identity", "gzip"):
        raise InputError("The body's Content-Encoding is neither gzip nor none. Send it as gzip or as it is.")
    unpack = zlib.decompressobj(wbits=31) if encoding == "gzip" else None
    parts, size = [], 0
    async for chunk in request.stream():
        try:
            part = unpack.decompress(chunk, limit - size + 1) if unpack else chunk
        except zlib.error:
            raise InputError("The body is not gzip, as its Content-Encoding says.") from None
        size += len(part)
        if size > limit or (unpack and unpack.unconsumed_tail):
            raise BodyTooLargeError(f"The body is longer than {limit:,} bytes. Send fewer events at once.")
        parts.append(part)
    return b"".join(parts)

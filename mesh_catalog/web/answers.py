"""The two kinds of answers: a page, and JSON."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, JSONResponse, Response

from mesh_catalog.catalog.canonical import plain
from mesh_catalog.errors import InputError

__all__ = ["as_json", "number", "page"]


def page(text: str, status: int = 200) -> Response:
    """An HTML document that may load nothing, run nothing, and stand in no frame."""
    headers = {
        "Content-Security-Policy": (
            "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        ),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
    }
    return HTMLResponse(text, status_code=status, headers=headers)


async def as_json(use: Callable[..., Any], *arguments: Any) -> Response:
    """What a function of the catalog returns, which is called beside the loop."""
    return JSONResponse(plain(await run_in_threadpool(use, *arguments)))


def number(text: str | None, default: int, *, name: str, most: int) -> int:
    """A whole number of a query string from 1 to `most`.

    Raises:
        InputError: It is none.
    """
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and 0 < int(text) <= most):
        raise InputError(f"{name} is no number from 1 to {most:,}.")
    return int(text)

"""An inbox on loopback: where the alerts of `make demo` go, as to a team's webhook."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

__all__ = ["Inbox", "open_inbox"]


class Inbox(ThreadingHTTPServer):
    """Keeps the titles of the messages that apprise's `json://` posts."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Taker)
        self.titles: list[str] = []

    @property
    def url(self) -> str:
        return f"json://127.0.0.1:{self.server_address[1]}/"


class _Taker(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, Inbox)
        self.server.titles.append(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["title"])
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_said: Any) -> None:
        """The demo says what came."""


@contextmanager
def open_inbox() -> Iterator[Inbox]:
    with Inbox() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()

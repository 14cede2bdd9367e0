"""Running the service: who may connect, and its one process."""

from __future__ import annotations

import os
from collections.abc import Mapping

from mesh_catalog.access.mesh import Mesh
from mesh_catalog.errors import SettingsError
from mesh_catalog.web.app import is_loopback, make_app

__all__ = ["TOKEN", "read_token", "serve"]

TOKEN = "MESH_WEB_TOKEN"
_SHORTEST = 16


def read_token(host: str, environment: Mapping[str, str] | None = None) -> str | None:
    """The token that requests must send.

    Raises:
        SettingsError: Without one, or with one that can be guessed, the service would listen beyond this machine.
    """
    token = (os.environ if environment is None else environment).get(TOKEN) or None
    if token is not None and (len(token) < _SHORTEST or not token.isascii() or not token.isprintable()):
        raise SettingsError(f"{TOKEN}: is no text of at least {_SHORTEST} plain characters. Take a longer one.")
    if token is None and not is_loopback(host):
        raise SettingsError(
            f"serve: {host} can be reached by others, and {TOKEN} is not set, so anybody could write lineage. "
            "Set it, or listen on 127.0.0.1."
        )
    return token


def serve(mesh: Mesh, *, host: str, port: int) -> None:
    """Listen until a signal ends it.

    Raises:
        SettingsError: The host would need a token, or cannot be listened on.
    """
    import uvicorn

    token = read_token(host)
    config = uvicorn.Config(
        make_app(mesh, token=token), host=host, port=port, log_level="warning", access_log=False, server_header=False
    )
    try:
        uvicorn.Server(config).run()
    except SystemExit as error:  # uvicorn's way to say that it could not bind
        if error.code:
            raise SettingsError(f"serve: {host}:{port} cannot be listened on. Take another --port.") from None

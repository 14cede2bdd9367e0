"""mesh serve: the catalog's pages, the same as JSON, and OpenLineage events in."""

from __future__ import annotations

import click

__all__ = ["command"]


@click.command("serve")
@click.option("--host", default="127.0.0.1", show_default=True, help="Others than loopback need MESH_WEB_TOKEN.")
@click.option("--port", type=click.IntRange(1, 65535), default=5800, show_default=True)
def command(host: str, port: int) -> None:
    """Serve the catalog, until it is interrupted: pages to find data in a browser, the same as JSON under /api/v1, and
    POST of OpenLineage events.

    OpenLineage clients find it by OPENLINEAGE_URL. Where MESH_WEB_TOKEN is set, requests must send it as a bearer
    token (OPENLINEAGE_API_KEY of the clients); a browser asks for it as the password.

    \b
    Example:
      mesh serve --port 5800
    """
    from mesh_catalog.access.mesh import open_mesh
    from mesh_catalog.web.serving import read_token, serve

    read_token(host)
    with open_mesh(with_workspace=False) as mesh:
        shown = f"[{host}]" if ":" in host else host
        told = f"listens on http://{shown}:{port}   in a browser, or events: POST /api/v1/lineage   end: Ctrl-C"
        click.echo(told, err=True)
        serve(mesh, host=host, port=port)

"""mesh publish --together: all or none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from mesh_catalog.access.mesh import Mesh
    from mesh_catalog.specs import ProductSpec

__all__ = ["publish_all_or_none"]


def publish_all_or_none(mesh: Mesh, products: Sequence[ProductSpec], *, as_json: bool) -> None:
    """Publish products together and print what was published."""
    from mesh_catalog.catalog.assets import sync_workspace
    from mesh_catalog.cli.output import emit_json, progress
    from mesh_catalog.cli.products import print_result, tell_result
    from mesh_catalog.errors import MeshError, listed
    from mesh_catalog.lake.publish import publish_together, require_publishable
    from mesh_catalog.lake.session import open_session

    sync_workspace(mesh.catalog, mesh.workspace)
    for product in products:
        require_publishable(product)
    with progress("starts Spark"):
        spark = open_session(mesh.settings, app_name="mesh publish")
    try:
        with progress(f"publishes {listed(product.name for product in products)} together"):
            told = [tell_result(result) for result in publish_together(spark, mesh, products)]
    except MeshError:
        click.echo(f"none of {listed(product.name for product in products)} was published", err=True)
        raise
    if as_json:
        emit_json(told)
        return
    for one in told:
        print_result(one)
    if not told:
        click.echo("nothing new has arrived")

"""mesh publish --together: all or none."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from mesh_catalog.access.mesh import Mesh
    from mesh_catalog.specs import ProductSpec

__all__ = ["publish_all_or_none"]


def publish_all_or_none(mesh: Mesh, products: Sequence[ProductSpec], *, allow_breaking: bool, as_json: bool) -> None:
    """Publish products together and print what was published."""
    from mesh_catalog.access.rights import require_publishable
    from mesh_catalog.catalog.assets import sync_workspace
    from mesh_catalog.cli.output import emit_json, progress
    from mesh_catalog.cli.products import print_result, tell_result
    from mesh_catalog.errors import MeshError, listed
    from mesh_catalog.lake.publish import publish_together
    from mesh_catalog.lake.session import open_session
    from mesh_catalog.orchestration.leases import HeldLeases

    sync_workspace(mesh.catalog, mesh.workspace)
    for product in products:
        require_publishable(mesh, product)
    names = listed(product.name for product in products)
    with HeldLeases(mesh.catalog) as leases:
        leases.take_all((product.name for product in products), tell=partial(click.echo, err=True))
        with progress("starts Spark"):
            spark = open_session(mesh.settings, app_name="mesh publish")
        try:
            with progress(f"publishes {names} together"):
                found = publish_together(spark, mesh, products, allow_breaking=allow_breaking)
        except MeshError:
            click.echo(f"none of {names} was published", err=True)
            raise
    told = [tell_result(result) for result in found]
    if as_json:
        emit_json(told)
        return
    for one in told:
        print_result(one)
    if not told:
        click.echo("nothing new has arrived")

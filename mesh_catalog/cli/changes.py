"""mesh publish --whole, --new-checkpoint: a product that reads changes, begun anew."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mesh_catalog.access.mesh import Mesh
    from mesh_catalog.specs import ProductSpec

__all__ = ["begin_anew"]


def begin_anew(mesh: Mesh, order: Sequence[ProductSpec], *, whole: bool, allow_breaking: bool, as_json: bool) -> None:
    """Publish products that read changes without the checkpoint that they had; the first that fails ends it.

    Args:
        whole: Read the whole input, and not only what came after what the table holds.
    """
    from mesh_catalog.access.rights import require_publishable
    from mesh_catalog.catalog.assets import sync_workspace
    from mesh_catalog.cli.output import emit_json, progress
    from mesh_catalog.errors import InputError
    from mesh_catalog.lake.publish import publish_product
    from mesh_catalog.lake.session import open_session
    from mesh_catalog.orchestration.leases import HeldLeases

    for product in order:
        if product.contract.read_changes is None:
            option = "--whole" if whole else "--new-checkpoint"
            raise InputError(f"{product.name}: reads its inputs whole, so {option} means nothing. Leave it out.")
    sync_workspace(mesh.catalog, mesh.workspace)
    for product in order:
        require_publishable(mesh, product)
    told = []
    with HeldLeases(mesh.catalog) as leases:
        leases.take_all((product.name for product in order), tell=partial(click.echo, err=True))
        with progress("starts Spark"):
            spark = open_session(mesh.settings, app_name="mesh publish")
        for product in order:
            with progress(f"publishes {product.name}"):
                result = publish_product(
                    spark, mesh, product, whole=whole, fresh=not whole, allow_breaking=allow_breaking
                )
            told.append(
                {
                    "product": result.product,
                    "outcome": result.outcome,
                    "version": result.version,
                    "rows": result.rows,
                    "run_id": result.run_id,
                }
            )
            if not as_json:
                click.echo(f"{result.product}   v{result.version}   {result.outcome}   {result.rows:,} rows")
    if as_json:
        emit_json(told)

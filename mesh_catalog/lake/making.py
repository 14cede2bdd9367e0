"""The batch that a product's transform makes of its inputs: consent and personal data looked at on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mesh_catalog.access.locations import table_location
from mesh_catalog.catalog.inventory import read_version_columns
from mesh_catalog.lake.batch import Batch
from mesh_catalog.lake.consent import consenting_rows, has_removed, no_rows
from mesh_catalog.lake.inputs import Inputs, read_inputs
from mesh_catalog.lake.intervals import within
from mesh_catalog.lake.plan_lineage import mark_inputs
from mesh_catalog.lake.received import personal_inputs, require_declared
from mesh_catalog.lake.sql_columns import sql_column_edges
from mesh_catalog.lake.transform import run_transform

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from mesh_catalog.access.mesh import Mesh
    from mesh_catalog.lake.inputs import Changes
    from mesh_catalog.lake.table import TableState
    from mesh_catalog.lake.together import Group
    from mesh_catalog.specs import Interval, ProductSpec

__all__ = ["make_batch"]


def make_batch(
    spark: SparkSession,
    mesh: Mesh,
    product: ProductSpec,
    run_id: str,
    state: TableState,
    *,
    interval: Interval | None,
    changes: Changes | None,
    earlier_rows: int | None,
    group: Group | None = None,
) -> Batch | None:
    """The batch that the transform makes of its inputs; None where nothing new has come.

    Args:
        earlier_rows: Rows of the table, where those without consent were taken out of it; readers are given a version
            without them then, also where nothing new has come.
    """
    contract = product.contract
    inputs = read_inputs(spark, mesh, product, interval=interval, changes=changes, group=group)
    if inputs is None:
        if not has_removed(mesh, product.name, earlier_rows):
            return None
        inputs = Inputs(personal=True, versions={changes.product: changes.version} if changes else {})
        frame = no_rows(spark, contract)
    else:
        frame = _transformed(spark, mesh, product, inputs)
    if interval is not None:
        frame = within(frame, contract.event_time, interval, keep_null=True)
    if contract.consent_product is not None:
        found = consenting_rows(spark, mesh, product.name, frame, contract.rights.consent)
        frame = found.rows
        inputs.versions.update(found.inputs)
        inputs.chosen_by |= found.chosen_by
    return Batch(
        contract=contract,
        frame=frame,
        location=table_location(mesh.settings, product.name),
        run_id=run_id,
        owner=str(product.owner),
        state=state,
        personal_inputs=inputs.personal,
        inputs=inputs.versions,
        input_locations=inputs.locations,
        awaited=frozenset(inputs.awaited),
        chosen_by=inputs.chosen_by,
        source=inputs.source,
        declared_columns=lambda: sql_column_edges(
            product,
            {
                name: {column.name: column.spark_type for column in read_version_columns(mesh.catalog, name, version)}
                for name, version in inputs.versions.items()
            },
        ),
        interval=interval if contract.write_mode == "overwrite_interval" else None,
        earlier_rows=earlier_rows,
    )


def _transformed(spark: SparkSession, mesh: Mesh, product: ProductSpec, inputs: Inputs) -> DataFrame:
    """The transform's rows, once it is known that no personal data is in them that the contract does not declare."""
    personal = personal_inputs(mesh, {name: inputs.versions[name] for name in inputs.frames if name in inputs.versions})
    if not personal:
        return run_transform(spark, product, inputs.frames, quote=not inputs.personal)
    marked = mark_inputs(inputs.frames)
    frame = run_transform(spark, product, marked.frames, quote=not inputs.personal)
    require_declared(product, frame, personal, marked)
    return frame

"""The mesh's own runs as OpenLineage events, made from what the catalog keeps of them.

A run becomes a START and a COMPLETE or FAIL event. Tables are named by location, as Spark's listener names them, with
the product's name as a symlink. Facets: schema, version, symlinks, ownership, columnLineage, outputStatistics, parent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import NAMESPACE_URL, UUID, uuid5

from sqlalchemy import Connection, select

from mesh_catalog.catalog.store import Catalog
from mesh_catalog.catalog.tables import (
    column_edges,
    contract_columns,
    products,
    run_inputs,
    runs,
    versions,
)

__all__ = ["ParentRun", "dataset_id", "default_namespace", "run_events", "run_uuid"]

_PRODUCER = "https://pypi.org/project/mesh-catalog"
_SPEC = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
_FACETS = "https://openlineage.io/spec/facets"
_SCHEMAS = {
    "columnLineage": "1-2-0/ColumnLineageDatasetFacet.json#/$defs/ColumnLineageDatasetFacet",
    "errorMessage": "1-0-1/ErrorMessageRunFacet.json#/$defs/ErrorMessageRunFacet",
    "jobType": "2-0-3/JobTypeJobFacet.json#/$defs/JobTypeJobFacet",
    "outputStatistics": "1-0-2/OutputStatisticsOutputDatasetFacet.json#/$defs/OutputStatisticsOutputDatasetFacet",
    "ownership": "1-0-1/OwnershipDatasetFacet.json#/$defs/OwnershipDatasetFacet",
    "parent": "1-0-1/ParentRunFacet.json#/$defs/ParentRunFacet",
    "schema": "1-1-1/SchemaDatasetFacet.json#/$defs/SchemaDatasetFacet",
    "symlinks": "1-0-1/SymlinksDatasetFacet.json#/$defs/SymlinksDatasetFacet",
    "version": "1-0-1/DatasetVersionDatasetFacet.json#/$defs/DatasetVersionDatasetFacet",
}
_FAILED = ("refused", "failed")


@dataclass(frozen=True, kw_only=True)
class ParentRun:
    """The run of another system that started this one."""

    namespace: str
    job: str
    run_id: str


def run_uuid(run_id: str) -> str:
    """The UUID under which a run is told of; the same for the same run."""
    try:
        return str(UUID(run_id))
    except ValueError:
        return str(uuid5(NAMESPACE_URL, f"mesh-catalog:{run_id}"))


def dataset_id(location: str) -> tuple[str, str]:
    """OpenLineage's namespace and name of a table at a path or URI."""
    split = urlsplit(location)
    if not split.scheme or split.scheme == "file":
        return "file", (split.path or location).rstrip("/")
    scheme = "s3" if split.scheme in ("s3a", "s3n") else split.scheme
    path = split.path.rstrip("/")
    return f"{scheme}://{split.netloc}", path.lstrip("/") if scheme in ("s3", "gs") else path


def default_namespace(lake: str) -> str:
    """A namespace that no other mesh has: where its tables lie."""
    namespace, name = dataset_id(lake)
    return f"{namespace}:{name}" if namespace == "file" else f"{namespace}/{name.strip('/')}"


def run_events(
    catalog: Catalog,
    run_id: str,
    *,
    namespace: str,
    locate: Callable[[str], str],
    parent: ParentRun | None = None,
) -> list[dict[str, Any]]:
    """The events of a run that has ended; none of a run that has not, or is not known.

    Args:
        namespace: Of the mesh's jobs, and of its products' names.
        locate: Product → the location of its table.
    """
    with catalog.read() as connection:
        run = connection.execute(select(runs).where(runs.c.id == run_id)).mappings().one_or_none()
        if run is None or run["outcome"] is None:
            return []
        builder = _Builder(connection, namespace, locate)
        job = builder.job(run["product"], run["kind"])
        inputs = list(builder.inputs(run_id))
        outputs = list(builder.outputs(run_id)) if run["outcome"] == "published" else []
    facets: dict[str, Any] = {"mesh_run": {**_base("mesh_run"), "id": run_id, "kind": run["kind"]}}
    if parent is not None:
        of = {"namespace": parent.namespace, "name": parent.job}
        facets["parent"] = {**_base("parent"), "run": {"runId": parent.run_id}, "job": of}
    ended = dict(facets)
    failed = run["outcome"] in _FAILED
    if failed:
        told = {"message": run["message"] or run["outcome"], "programmingLanguage": "Python"}
        ended["errorMessage"] = {**_base("errorMessage"), **told}
    shared = {"producer": _PRODUCER, "schemaURL": _SPEC, "job": job}
    one = run_uuid(run_id)
    return [
        {
            **shared,
            "eventType": "START",
            "eventTime": _time(run["started_at"]),
            "run": {"runId": one, "facets": facets},
            "inputs": inputs,
            "outputs": [],
        },
        {
            **shared,
            "eventType": "FAIL" if failed else "COMPLETE",
            "eventTime": _time(run["finished_at"]),
            "run": {"runId": one, "facets": ended},
            "inputs": inputs,
            "outputs": outputs,
        },
    ]


class _Builder:
    """Datasets and jobs of one run's events."""

    def __init__(self, connection: Connection, namespace: str, locate: Callable[[str], str]) -> None:
        self.connection = connection
        self.namespace = namespace
        self.locate = locate

    def job(self, product: str, kind: str) -> dict[str, Any]:
        name = product if kind == "publish" else f"{product}.{kind}"
        told = {"processingType": "BATCH", "integration": "MESH_CATALOG", "jobType": kind.upper()}
        return {"namespace": self.namespace, "name": name, "facets": {"jobType": {**_base("jobType"), **told}}}

    def inputs(self, run_id: str) -> Iterator[dict[str, Any]]:
        i, v = run_inputs.c, versions.c
        query = (
            select(i.product, i.version, v.contract_digest)
            .outerjoin(versions, (v.product == i.product) & (v.version == i.version))
            .where(i.run_id == run_id)
            .order_by(i.product)
        )
        for product, version, digest in self.connection.execute(query):
            yield self._dataset(product, version, digest)

    def outputs(self, run_id: str) -> Iterator[dict[str, Any]]:
        v = versions.c
        for row in self.connection.execute(select(versions).where(v.run_id == run_id)).mappings():
            dataset = self._dataset(row["product"], row["version"], row["contract_digest"])
            fields = self._column_lineage(row["product"], row["version"])
            if fields:
                dataset["facets"]["columnLineage"] = {**_base("columnLineage"), "fields": fields}
            dataset["outputFacets"] = {"outputStatistics": {**_base("outputStatistics"), "rowCount": row["rows"]}}
            yield dataset

    def _dataset(self, product: str, version: int, digest: str | None) -> dict[str, Any]:
        namespace, name = dataset_id(self.locate(product))
        alias = {"namespace": self.namespace, "name": product, "type": "TABLE"}
        facets: dict[str, Any] = {
            "version": {**_base("version"), "datasetVersion": str(version)},
            "symlinks": {**_base("symlinks"), "identifiers": [alias]},
        }
        fields = self._fields(product, digest)
        if fields:
            facets["schema"] = {**_base("schema"), "fields": fields}
        owner = self.connection.execute(select(products.c.owner).where(products.c.name == product)).scalar()
        if owner:
            facets["ownership"] = {**_base("ownership"), "owners": [{"name": owner, "type": "OWNER"}]}
        return {"namespace": namespace, "name": name, "facets": facets}

    def _fields(self, product: str, digest: str | None) -> list[dict[str, str]]:
        c = contract_columns.c
        query = select(c.name, c.spark_type, c.description).where(c.product == product, c.digest == digest)
        return [
            {"name": name, "type": kind} | ({"description": text} if text else {})
            for name, kind, text in self.connection.execute(query.order_by(c.position))
        ]

    def _column_lineage(self, product: str, version: int) -> dict[str, Any]:
        c = column_edges.c
        query = select(c.to_column, c.from_product, c.from_column, c.kind).where(
            c.to_product == product, c.last_version == version, c.origin == "openlineage"
        )
        fields: dict[str, dict[tuple[str, str], list[str]]] = {}
        for to_column, source, from_column, kind in self.connection.execute(query.order_by(*query.selected_columns)):
            fields.setdefault(to_column, {}).setdefault((source, from_column), []).append(kind)
        return {
            column: {"inputFields": [self._input_field(*end, kinds) for end, kinds in sources.items()]}
            for column, sources in fields.items()
        }

    def _input_field(self, product: str, column: str, kinds: list[str]) -> Mapping[str, Any]:
        namespace, name = dataset_id(self.locate(product))
        steps = [{"type": "DIRECT" if kind in _DIRECT else "INDIRECT", "subtype": kind} for kind in kinds]
        return {"namespace": namespace, "name": name, "field": column, "transformations": steps}


_DIRECT = ("IDENTITY", "TRANSFORMATION", "AGGREGATION")


def _base(facet: str) -> dict[str, str]:
    known = _SCHEMAS.get(facet)
    url = f"{_FACETS}/{known}" if known else "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunFacet"
    return {"_producer": _PRODUCER, "_schemaURL": url}


def _time(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")

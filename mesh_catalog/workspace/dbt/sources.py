"""A source's table that no product holds yet, as a product over a landing folder that waits for its files."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from mesh_catalog.contracts.classification import suspect_name
from mesh_catalog.contracts.types import spark_type
from mesh_catalog.specs import is_name
from mesh_catalog.workspace.dbt.drafts import Draft
from mesh_catalog.workspace.dbt.project import Properties
from mesh_catalog.workspace.dbt.sql import UntranslatableSqlError, spark_type_from

__all__ = ["draft_source"]


def draft_source(
    key: tuple[str, str],
    entry: Properties,
    *,
    path: str,
    domain: str,
    taken: Collection[str],
    dialect: str | None,
    docs: Mapping[str, str],
) -> Draft:
    """A product for `source.table`.

    Args:
        path: Of the properties file, within the project.
        taken: Products that have their names already.

    Raises:
        UntranslatableSqlError: A column's type is not said, or the name is taken.
    """
    told = ".".join(key)
    name = re.sub(r"[^a-z0-9]+", "_", "_".join(key).lower()).strip("_")
    product = f"{domain}.{name}"
    if product in taken or not is_name(name):
        raise UntranslatableSqlError(f"would be the product {product}, which cannot be or is taken")
    columns = _columns(entry, dialect)
    if not columns:
        raise UntranslatableSqlError(
            "is no product of this workspace, and its columns have no data_type. Say which product it is:"
            f" --source {told}=domain.product"
        )
    suspicions = {name: suspect_name(name) for name in columns}
    selected = ", ".join(f"`{column}`" for column in columns)
    return Draft(
        product=product,
        told=told,
        path=path,
        kind="source",
        entry=entry.data,
        columns=columns,
        suspected={name: found.classification for name, found in suspicions.items() if found is not None},
        texts={
            "source.yaml": f"# from dbt: the source {told}\npath: landing/{domain}/{name}/*.parquet\nformat: parquet\n",
            "build.sql": f"-- from dbt: the source {told}\nselect {selected} from source\n",
        },
        docs=docs,
    )


def _columns(entry: Properties, dialect: str | None) -> dict[str, str] | None:
    """Spark type of each column; None where one is not said."""
    found: dict[str, str] = {}
    for column in entry.data.get("columns") or []:
        said = column.get("data_type")
        kind = spark_type_from(str(said), dialect=dialect) if said else None
        if kind is None:
            return None
        try:
            found[str(column["name"])] = spark_type(kind)
        except ValueError:
            return None
    return found

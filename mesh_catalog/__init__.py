"""mesh-catalog: governed, monitored and learned-from data products on Spark, Delta, MLflow and Evidently.

The names a domain team imports. Importing this loads no JVM, no mlflow and no pandas: what a name needs comes with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from pyspark.sql import DataFrame

    from mesh_catalog.access.finding import search
    from mesh_catalog.access.mesh import open_mesh
    from mesh_catalog.lake.kpi import kpi
    from mesh_catalog.lake.readers import read_arrow, read_batches, read_pandas, read_polars
    from mesh_catalog.lake.sql import sql
    from mesh_catalog.lake.transform import build

__all__ = [
    "__version__",
    "build",
    "kpi",
    "open_mesh",
    "read",
    "read_arrow",
    "read_batches",
    "read_pandas",
    "read_polars",
    "search",
    "sql",
]

__version__ = "0.1.0"


_LATE = {
    "build": "mesh_catalog.lake.transform",
    "kpi": "mesh_catalog.lake.kpi",
    "open_mesh": "mesh_catalog.access.mesh",
    "read_arrow": "mesh_catalog.lake.readers",
    "read_batches": "mesh_catalog.lake.readers",
    "read_pandas": "mesh_catalog.lake.readers",
    "read_polars": "mesh_catalog.lake.readers",
    "search": "mesh_catalog.access.finding",
    "sql": "mesh_catalog.lake.sql",
}
"""Name → the module that it is loaded from when it is asked for."""


def read(
    name: str,
    *,
    version: int | None = None,
    as_of: datetime | str | None = None,
    columns: Sequence[str] | None = None,
) -> DataFrame:
    """Read a data product of the workspace around the current folder, as a Spark DataFrame.

    Args:
        name: `domain.product`.
        version: The version to read; the newest published one where None.
        as_of: Instead of a version, a moment: the version that readers saw then. ISO text or a datetime, UTC where it
            names no zone; a day alone means its first moment.
        columns: The columns to read, in this order; all of them where None.

    Raises:
        NotFoundError: No such product, version or column, or no version at that moment.
        InputError: `as_of` is no moment of the past, or comes beside a version.
        StorageError: The table cannot be read, or a VACUUM took files of this version.
        AccessDeniedError: The principal may not read it.
        SettingsError: No workspace here.

    Cost: lazy, but for the start of a session where none runs. Writes one audit event.
    """
    from mesh_catalog.access.gate import request_read
    from mesh_catalog.access.mesh import open_mesh
    from mesh_catalog.lake.missing import require_files
    from mesh_catalog.lake.read import read_table
    from mesh_catalog.lake.session import open_session

    with open_mesh() as mesh:
        ticket = request_read(mesh, name, purpose="analysis", version=version, as_of=as_of, columns=columns)
        if version is not None or as_of is not None:
            require_files(ticket)
        return read_table(open_session(mesh.settings, app_name="mesh read"), ticket)


def __getattr__(name: str) -> Any:
    if name in _LATE:
        import importlib

        return getattr(importlib.import_module(_LATE[name]), name)
    raise AttributeError(f"module 'mesh_catalog' has no attribute '{name}'")

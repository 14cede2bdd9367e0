"""mesh-catalog: governed, monitored and learned-from data products on Spark, Delta, MLflow and Evidently.

The names a domain team imports. Importing this loads no JVM, no mlflow and no pandas: what a name needs comes with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyspark.sql import DataFrame

    from mesh_catalog.access.mesh import open_mesh
    from mesh_catalog.lake.transform import build

__all__ = ["__version__", "build", "open_mesh", "read"]

__version__ = "0.1.0"


def read(name: str, *, version: int | None = None, columns: Sequence[str] | None = None) -> DataFrame:
    """Read a data product of the workspace around the current folder, as a Spark DataFrame.

    Args:
        name: `domain.product`.
        version: The version to read; the newest published one where None.
        columns: The columns to read, in this order; all of them where None.

    Raises:
        NotFoundError: No such product, version or column.
        AccessDeniedError: The principal may not read it.
        SettingsError: No workspace here.

    Cost: lazy, but for the start of a session where none runs. Writes one audit event.
    """
    from mesh_catalog.access.gate import request_read
    from mesh_catalog.access.mesh import open_mesh
    from mesh_catalog.lake.read import read_table
    from mesh_catalog.lake.session import open_session

    with open_mesh() as mesh:
        ticket = request_read(mesh, name, purpose="analysis", version=version, columns=columns)
        return read_table(open_session(mesh.settings, app_name="mesh read"), ticket)


def __getattr__(name: str) -> Any:
    if name == "build":
        from mesh_catalog.lake.transform import build

        return build
    if name == "open_mesh":
        from mesh_catalog.access.mesh import open_mesh

        return open_mesh
    raise AttributeError(f"module 'mesh_catalog' has no attribute '{name}'")

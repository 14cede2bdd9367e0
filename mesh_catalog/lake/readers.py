"""Products as Arrow, pandas and Polars frames, without a JVM: `mesh_catalog.read_arrow` and its like.

The same door, versions and rows as `mesh_catalog.read`. Times are UTC. Only the columns that are named are read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, overload

from mesh_catalog.access.gate import request_read
from mesh_catalog.access.mesh import open_mesh
from mesh_catalog.errors import SettingsError
from mesh_catalog.lake import arrow

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import pandas as pd
    import polars as pl
    import pyarrow as pa

    from mesh_catalog.access.gate import Ticket

__all__ = ["read_arrow", "read_batches", "read_pandas", "read_polars"]


def read_batches(
    name: str,
    *,
    version: int | None = None,
    as_of: datetime | str | None = None,
    columns: Sequence[str] | None = None,
) -> pa.RecordBatchReader:
    """Read a product batch by batch, for what is larger than memory. Arguments and errors as `mesh_catalog.read`."""
    return arrow.read_batches(_ticket(name, version, as_of, columns))


def read_arrow(
    name: str,
    *,
    version: int | None = None,
    as_of: datetime | str | None = None,
    columns: Sequence[str] | None = None,
) -> pa.Table:
    """Read a product as a pyarrow Table. Arguments and errors as `mesh_catalog.read`."""
    return read_batches(name, version=version, as_of=as_of, columns=columns).read_all()


def read_pandas(
    name: str,
    *,
    version: int | None = None,
    as_of: datetime | str | None = None,
    columns: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Read a product as a pandas DataFrame. Arguments and errors as `mesh_catalog.read`.

    Decimals and dates stay what they are, as Python objects; an integer column with nulls becomes one of floats.
    """
    table = read_arrow(name, version=version, as_of=as_of, columns=columns)
    return table.to_pandas(split_blocks=True, self_destruct=True)


@overload
def read_polars(
    name: str,
    *,
    version: int | None = ...,
    as_of: datetime | str | None = ...,
    columns: Sequence[str] | None = ...,
    lazy: Literal[False] = ...,
) -> pl.DataFrame: ...


@overload
def read_polars(
    name: str,
    *,
    version: int | None = ...,
    as_of: datetime | str | None = ...,
    columns: Sequence[str] | None = ...,
    lazy: Literal[True],
) -> pl.LazyFrame: ...


def read_polars(
    name: str,
    *,
    version: int | None = None,
    as_of: datetime | str | None = None,
    columns: Sequence[str] | None = None,
    lazy: bool = False,
) -> pl.DataFrame | pl.LazyFrame:
    """Read a product as a Polars DataFrame. Arguments and errors as `mesh_catalog.read`.

    Args:
        lazy: Give a LazyFrame: Polars then reads what the query needs, filters pushed down, and raises its own errors.

    Raises:
        SettingsError: Polars is not installed.
    """
    _require_polars()
    import polars

    ticket = _ticket(name, version, as_of, columns)
    if lazy:
        return polars.scan_delta(arrow.open_table(ticket)).select(list(ticket.columns or ()))
    return polars.DataFrame(arrow.read_batches(ticket).read_all())


def _ticket(name: str, version: int | None, as_of: datetime | str | None, columns: Sequence[str] | None) -> Ticket:
    with open_mesh(with_workspace=False) as mesh:
        return request_read(mesh, name, purpose="analysis", version=version, as_of=as_of, columns=columns)


def _require_polars() -> None:
    from importlib.util import find_spec

    if find_spec("polars") is None:
        raise SettingsError(
            "read_polars: Polars is not installed. Install it: pip install 'mesh-catalog[polars]', "
            "or use read_arrow or read_pandas."
        )

"""Where the lake lies, as its three clients want it told: Spark, delta-rs, and pyarrow for the files beside a table.

What may stand in a file (endpoint, region) is `storage:` of conf/; `open_mesh` puts it into the AWS_* variables, where
the functions here and a domain's own clients of S3 find it. Credentials are only ever in the environment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from mesh_catalog.settings import StorageSettings, read_storage_environment

if TYPE_CHECKING:
    from deltalake import DeltaTable
    from pyarrow.fs import FileSystem

__all__ = ["filesystem_of", "is_s3", "open_delta", "path_within", "storage_conf", "storage_options"]


def filesystem_of(location: str) -> tuple[FileSystem, str]:
    """The file system that holds a path or URI, and the path within it.

    Raises:
        OSError: No file system for such a URI.
    """
    from pyarrow import ArrowInvalid, fs

    if "://" not in location:
        return fs.LocalFileSystem(), location
    if is_s3(location):
        return fs.S3FileSystem(**_arrow_options(read_storage_environment())), path_within(location)
    try:
        found, path = fs.FileSystem.from_uri(location)
    except ArrowInvalid as error:
        raise OSError(f"{urlsplit(location).scheme}://: there is no client for this storage here") from error
    return found, path


def path_within(location: str) -> str:
    """The path of a file as its file system knows it; asks no server."""
    if "://" not in location:
        return location
    split = urlsplit(location)
    return unquote(split.path) if split.scheme == "file" else f"{split.netloc}{split.path}"


def is_s3(location: str) -> bool:
    return urlsplit(location).scheme in ("s3", "s3a")


def _arrow_options(storage: StorageSettings) -> dict[str, Any]:
    options: dict[str, Any] = {"force_virtual_addressing": not storage.by_path}
    if storage.endpoint:
        split = urlsplit(storage.endpoint)
        options |= {"scheme": split.scheme, "endpoint_override": split.netloc}
    return options | ({"region": storage.region} if storage.region else {})


def storage_options(location: str) -> dict[str, str]:
    """What delta-rs must be told to open a table there, besides what it finds in the environment itself."""
    if not is_s3(location):
        return {}
    storage = read_storage_environment()
    options = {"aws_virtual_hosted_style_request": str(not storage.by_path).lower()}
    if storage.region:
        options["aws_region"] = storage.region
    if storage.endpoint:
        options |= {"aws_endpoint": storage.endpoint, "aws_allow_http": "true"}
    return options


def open_delta(location: str, *, version: int | None = None) -> DeltaTable:
    """A Delta table without a JVM, at a version or at its newest.

    Raises:
        DeltaError, OSError: There is none, or its log cannot be read.
    """
    from deltalake import DeltaTable

    return DeltaTable(location, version=version, storage_options=storage_options(location))


def storage_conf(storage: StorageSettings) -> dict[str, str]:
    """Spark's configuration of the same; Spark hands credentials of the environment to its executors itself."""
    values = {"path.style.access": str(storage.by_path).lower()}
    if storage.endpoint:
        values["endpoint"] = storage.endpoint
    if storage.region:
        values["endpoint.region"] = storage.region
    return {f"spark.hadoop.fs.s3a.{key}": value for key, value in values.items()}

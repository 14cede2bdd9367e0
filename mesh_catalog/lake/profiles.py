"""Profiles at rest: one file a version, in the product's folder of the lake, named by the run that wrote it.

That is beside its table, unless others write that; Delta leaves folders that begin with `_` alone. A file is written
before its version is committed, so a version never lacks its profile; the file of a run that was never committed is
harmless. Read without a JVM.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mesh_catalog.access.locations import own_folder
from mesh_catalog.catalog.runs import VersionRecord, read_versions
from mesh_catalog.errors import NotFoundError, StorageError
from mesh_catalog.lake.files import read_text, write_text
from mesh_catalog.lake.profile import Profile, merge_profiles

if TYPE_CHECKING:
    from mesh_catalog.access.mesh import Mesh

__all__ = ["load_profile", "load_window", "profile_path", "store_profile"]


def profile_path(run_id: str) -> str:
    """Where a run's profile lies, relative to the product's folder."""
    return f"_profiles/{run_id}.json"


def store_profile(folder: str, run_id: str, profile: Profile) -> str:
    """Write a profile into the product's folder; returns its path relative to that."""
    path = profile_path(run_id)
    write_text(f"{folder}/{path}", profile.to_json())
    return path


def load_profile(mesh: Mesh, product: str, version: int) -> Profile:
    """The profile of the rows that one version added (append), of the whole table (overwrite), or of the files that
    it wrote, with the rows that these copied (all other modes).

    Raises:
        NotFoundError: No such version, or it has no profile.
        StorageError: The file is gone or not what the catalog remembers.
    """
    return _load(mesh, _committed(mesh, product, version, version)[0])


def load_window(mesh: Mesh, product: str, first: int, last: int) -> Profile:
    """The merged profile of the rows that versions first..last added.

    Raises:
        NotFoundError: None of these versions is in the catalog.
        StorageError: A file is gone or not what the catalog remembers.
    """
    return merge_profiles(_load(mesh, record) for record in _committed(mesh, product, first, last))


def _committed(mesh: Mesh, product: str, first: int, last: int) -> Sequence[VersionRecord]:
    records = read_versions(mesh.catalog, product)
    found = [record for record in records if first <= record.version <= last]
    if not found:
        known = ", ".join(f"v{record.version}" for record in records[-5:]) or "none"
        raise NotFoundError(f"{product}: no version v{first}..v{last}. The newest: {known}.")
    return found


def _load(mesh: Mesh, record: VersionRecord) -> Profile:
    address = f"{record.product} v{record.version}"
    if record.profile_path is None:
        raise NotFoundError(
            f"{address}: has no profile. Take `profile: false` out of its contract, and publish it again; "
            "of a large table that others write publish a product that reads it."
        )
    folder = own_folder(mesh.settings, record.product)
    try:
        profile = Profile.from_json(read_text(f"{folder}/{record.profile_path}"))
    except (OSError, ValueError) as error:
        raise StorageError(f"{address}: its profile cannot be read. Publish it again.") from error
    if profile.digest != record.profile_digest:
        raise StorageError(f"{address}: its profile is not the one that was committed. Publish it again.")
    return profile

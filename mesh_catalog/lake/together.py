"""Several products published together: readers see all of the new versions, or none.

Each product is written in a thread of its own, and its gate, once its audit has passed, waits for the others' gates.
Where one is refused or fails, all the others veto. A product that reads another of the set reads what waits there.

Readers ask the catalog which version is the newest, and it is told of all versions in one transaction after the last
commit. A process that dies between two commits leaves versions nobody was told of: the next publish of one of them
tells of all, where all are there, and else undoes them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Condition
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from mesh_catalog.access.gate import request_read
from mesh_catalog.access.locations import table_location
from mesh_catalog.catalog.leases import acquire_lease, release_lease
from mesh_catalog.catalog.runs import finish_run
from mesh_catalog.errors import ConflictError, InputError, MeshError, StorageError, listed
from mesh_catalog.lake.manifest import Committed, Member, cut_off, record_commits
from mesh_catalog.lake.table import Commit, TableState, read_table_state
from mesh_catalog.lake.written import pending_frame

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from mesh_catalog.access.mesh import Mesh
    from mesh_catalog.contracts.contract import Contract
    from mesh_catalog.lake.gate import PendingCommit
    from mesh_catalog.specs import ProductSpec

__all__ = ["Group", "publish_group", "undo_cut_off"]

_COMMIT_SECONDS = 120
"""How long a set may take from its first commit until the catalog knows; then others may undo it."""


class StoppedError(MeshError):
    """A product of the set was left as it was because of another."""

    exit_code = 3


@dataclass(frozen=True, kw_only=True)
class _Waiting:
    """A table whose gate waits, with the rows that it is about to have."""

    pending: PendingCommit
    contract: Contract
    location: str

    @property
    def version(self) -> int:
        """What the commit will be, if nobody else commits first."""
        return 0 if self.pending.read_version is None else self.pending.read_version + 1


@dataclass(kw_only=True)
class Group:
    """The gates of one set, from the first that opens to the last."""

    mesh: Mesh
    members: tuple[Member, ...]
    id: str
    _changed: Condition = field(default_factory=Condition, init=False)
    _waiting: dict[str, _Waiting] = field(default_factory=dict, init=False)
    _unchanged: set[str] = field(default_factory=set, init=False)
    _error: MeshError | None = field(default=None, init=False)

    def settle(self, contract: Contract, location: str, pending: PendingCommit) -> tuple[Member, ...]:
        """Called by a gate whose audit passed; returns once all gates of the set have, and all may commit.

        Returns:
            The members that commit now; the others have nothing new.

        Raises:
            StoppedError: Another product of the set was not published.
        """
        with self._changed:
            self._waiting[contract.id] = _Waiting(pending=pending, contract=contract, location=location)
            self._changed.notify_all()
            self._wait(contract.id, lambda: len(self._waiting) + len(self._unchanged) == len(self.members))
            acquire_lease(self.mesh.catalog, _lease(self.id), holder=self.id, seconds=_COMMIT_SECONDS)
            return tuple(member for member in self.members if member.product in self._waiting)

    def leave_out(self, product: str) -> None:
        """Note that a product has nothing new; who reads it reads what is there."""
        with self._changed:
            self._unchanged.add(product)
            self._changed.notify_all()

    def stop(self, error: MeshError) -> None:
        """Let no gate of the set open: the first error counts."""
        with self._changed:
            self._error = self._error or error
            self._changed.notify_all()

    def waiting(self, spark: SparkSession, product: str, *, reader: str) -> tuple[DataFrame, int] | None:
        """The rows that a product of the set is about to have, and the version they will be; None of another product.

        Waits until its gate does.

        Raises:
            StoppedError: A product of the set was not published.
        """
        if product not in {member.product for member in self.members}:
            return None
        with self._changed:
            self._wait(reader, lambda: product in self._waiting or product in self._unchanged)
            found = self._waiting.get(product)
        if found is None:
            return None
        rows = pending_frame(spark, found.pending, found.location, found.contract.columns)
        return rows.select(*(column.name for column in found.contract.columns)), found.version

    def require_expected(self, committed: Mapping[str, Committed]) -> None:
        """Raise the set's error; or a conflict where somebody committed between a gate and its commit."""
        if self._error is not None:
            raise self._error
        for name, one in committed.items():
            if one.commit.version != self._waiting[name].version:
                raise ConflictError(f"{name}: somebody else committed to its table meanwhile. Publish again.")

    def _wait(self, product: str, ready: Callable[[], bool]) -> None:
        self._changed.wait_for(lambda: self._error is not None or ready())
        if self._error is not None:
            raise StoppedError(f"{product}: left as it was, because a product it is published with was not published.")


def _lease(group: str) -> str:
    return f"together:{group}"


def publish_group(
    spark: SparkSession,
    mesh: Mesh,
    products: Sequence[ProductSpec],
    publish: Callable[[SparkSession, ProductSpec, str, Group], Committed | None],
) -> list[Committed]:
    """Publish products together.

    Args:
        publish: Commits one product under its run's id, its gate waiting for `Group.settle`; None where nothing is new.

    Returns:
        What was committed and recorded; products that had nothing new are not in it.

    Raises:
        MeshError: Of the first product that was refused or failed. None was published.
    """
    from pyspark import InheritableThread

    _require_set(products)
    name = uuid4().hex
    members = tuple(Member(product.name, f"{name}-{number}") for number, product in enumerate(products))
    group = Group(mesh=mesh, members=members, id=name)
    committed: dict[str, Committed] = {}

    def run(product: ProductSpec, run_id: str) -> None:
        try:
            found = publish(spark, product, run_id, group)
            if found is None:
                group.leave_out(product.name)
            else:
                committed[product.name] = found
        except MeshError as error:
            group.stop(error)
        except BaseException as error:
            group.stop(StorageError(f"{product.name}: stopped by an internal error ({type(error).__name__})."))
            raise

    threads = [
        InheritableThread(target=run, args=(product, member.run_id), session=spark)
        for product, member in zip(products, group.members, strict=True)
    ]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    except BaseException:
        group.stop(StorageError(f"{products[0].name}: interrupted."))
        raise
    try:
        group.require_expected(committed)
        record_commits(mesh, list(committed.values()))
    except MeshError:
        for one in committed.values():
            _undo(spark, one.manifest.product, table_location(mesh.settings, one.manifest.product), one.commit)
            finish_run(mesh.catalog, one.manifest.run_id, outcome="failed", message="undone: not all were committed")
        raise
    finally:
        release_lease(mesh.catalog, _lease(group.id), holder=group.id)
    _note_reads(mesh, products, committed)
    return [committed[product.name] for product in products if product.name in committed]


def _require_set(products: Sequence[ProductSpec]) -> None:
    if len(products) < 2:
        raise InputError("--together: name two products or more.")
    for product in products:
        if product.contract.read_changes is not None:
            raise InputError(
                f"{product.name}: reads the changes of {product.contract.read_changes.product}, step by step, and "
                "cannot be published together with others. Leave it out."
            )


def _note_reads(mesh: Mesh, products: Sequence[ProductSpec], committed: Mapping[str, Committed]) -> None:
    """Leave the audit events of reads inside the set; before, there was no version to ask for."""
    for product in products:
        done = committed.get(product.name)
        for name in [name for name in committed if done is not None and name in done.manifest.inputs]:
            request_read(mesh, name, purpose="build", version=committed[name].commit.version)


def undo_cut_off(spark: SparkSession, mesh: Mesh, product: str, location: str, state: TableState) -> TableState:
    """Undo a commit of a set that was cut off before all of it was committed; returns the table's state.

    Raises:
        ConflictError: The set may still be under way.
        StorageError: Somebody committed on top of it.
    """
    for commit, members in cut_off(mesh, product, location, state):
        lease = _lease(members[0].run_id.partition("-")[0])
        holder = uuid4().hex
        if not acquire_lease(mesh.catalog, lease, holder=holder, seconds=_COMMIT_SECONDS):
            others = listed(member.product for member in members if member.product != product)
            raise ConflictError(
                f"{product}: is being published together with {others}. Publish it again when that is done; "
                f"if it was killed, in {_COMMIT_SECONDS // 60} minutes."
            )
        try:
            _undo(spark, product, location, commit)
        finally:
            release_lease(mesh.catalog, lease, holder=holder)
        state = read_table_state(product, location)
    return state


def _undo(spark: SparkSession, product: str, location: str, commit: Commit) -> None:
    """Commit the rows of the version before; of a first version, none."""
    import json

    from delta.tables import DeltaTable
    from pyspark.sql import SparkSession as Session

    if read_table_state(product, location).version != commit.version:
        raise StorageError(
            f"{product}: v{commit.version} was not to be seen, and somebody else has written on top of it. "
            f"Restore the version that is right by Spark: RESTORE TABLE delta.`{location}` TO VERSION AS OF …"
        )
    session: Any = Session(spark.sparkContext, spark._jsparkSession.cloneSession())
    session.conf.set("spark.databricks.delta.commitInfo.userMetadata", json.dumps({"mesh_undo": commit.run_id}))
    table = DeltaTable.forPath(session, location)
    if commit.version:
        table.restoreToVersion(commit.version - 1)
    else:
        table.delete()

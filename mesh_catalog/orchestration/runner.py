"""Publishing many products: inputs first, side by side where none reads the other, each alone under its lease.

One thread decides, in the order of what reads what; threads publish, with a Spark session each. What stops one product
stops those that read it and nothing else. An interrupted run cancels its Spark jobs and waits for its publishes to end:
each is committed or not, so a run that died is simply run again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Literal

from mesh_catalog.access.rights import input_products, require_publishable
from mesh_catalog.errors import MeshError
from mesh_catalog.orchestration.leases import HeldLeases
from mesh_catalog.orchestration.staleness import require_inputs

if TYPE_CHECKING:
    from threading import Thread

    from pyspark.sql import SparkSession

    from mesh_catalog.access.mesh import Mesh
    from mesh_catalog.lake.frames import PublishResult
    from mesh_catalog.specs import ProductSpec

__all__ = ["ProductRun", "RunState", "run_products"]

_log = logging.getLogger(__name__)
_LOOK_SECONDS = 1.0
"""How often a product is looked at that somebody else publishes."""

Why = Callable[["ProductSpec"], Sequence[str]]
RunState = Literal["waiting", "running", "published", "unchanged", "fresh", "stopped", "left out"]


@dataclass(frozen=True, kw_only=True)
class ProductRun:
    """How far one product is, or how it ended."""

    product: str
    state: RunState
    reason: str | None = None
    """Why it runs, waits or was left out."""
    result: PublishResult | None = None
    error: MeshError | None = None


def run_products(
    mesh: Mesh,
    order: Sequence[ProductSpec],
    *,
    open_spark: Callable[[], SparkSession],
    why: Why | None = None,
    jobs: int = 1,
    allow_breaking: bool = False,
    tell: Callable[[ProductRun], None],
) -> list[ProductRun]:
    """Publish products.

    Args:
        order: Inputs before those that read them.
        open_spark: Called once, in the calling thread, when the first product needs it.
        why: The reasons to publish a product, asked when its turn has come, and again once it has its lease; none: it
            is fresh and left as it is. All are published where this is None.
        jobs: How many are published at a time.
        allow_breaking: As `publish_product` takes it.
        tell: Given each product's states as they change; called in this thread only.

    Returns:
        How each ended, in the order in which they did. Errors of single products are in it.

    Raises:
        KeyboardInterrupt: Told of after the publishes that ran have ended.
    """
    with HeldLeases(mesh.catalog) as leases:
        return _Run(mesh, order, open_spark, why, jobs, allow_breaking, tell, leases).to_the_end()


class _Run:
    def __init__(
        self,
        mesh: Mesh,
        order: Sequence[ProductSpec],
        open_spark: Callable[[], SparkSession],
        why: Why | None,
        jobs: int,
        allow_breaking: bool,
        tell: Callable[[ProductRun], None],
        leases: HeldLeases,
    ) -> None:
        self._mesh = mesh
        self._open_spark = open_spark
        self._why: Why = why or (lambda _product: ("",))
        self._jobs = jobs
        self._allow_breaking = allow_breaking
        self._tell = tell
        self._leases = leases
        self._reads = {product.name: input_products(mesh.workspace, mesh.catalog, product) for product in order}
        self._waiting = {product.name: product for product in order}
        self._running: dict[str, Thread] = {}
        self._ended: SimpleQueue[tuple[str, PublishResult | BaseException]] = SimpleQueue()
        self._elsewhere: set[str] = set()
        """Products that another run publishes now."""
        self._stopped: set[str] = set()
        self._spark: SparkSession | None = None
        self._done: list[ProductRun] = []

    def to_the_end(self) -> list[ProductRun]:
        try:
            while True:
                self._begin_ready()
                if not self._waiting and not self._running:
                    return self._done
                try:
                    self._take(*self._ended.get(timeout=_LOOK_SECONDS if self._elsewhere else None))
                except Empty:
                    continue
        except BaseException:
            self._cancel()
            raise

    def _begin_ready(self) -> None:
        """Begin what can begin; one that ends at once may make others ready, which come after it in the order."""
        for product in list(self._waiting.values()):
            if len(self._running) >= self._jobs:
                return
            reads = self._reads[product.name]
            if any(name in self._waiting or name in self._running for name in reads):
                continue
            if stopped := [name for name in reads if name in self._stopped]:
                self._end(ProductRun(product=product.name, state="left out", reason=f"reads {', '.join(stopped)}"))
                continue
            try:
                reasons = self._reasons(product)
            except MeshError as error:
                self._end(ProductRun(product=product.name, state="stopped", error=error))
                continue
            if reasons is not None:
                self._begin(product, reasons)

    def _reasons(self, product: ProductSpec) -> Sequence[str] | None:
        """Why to publish it now, its lease taken; nothing where it is fresh; None while another run publishes it."""
        name = product.name
        require_publishable(self._mesh, product)
        if not self._why(product):
            return ()
        require_inputs(self._mesh, product)
        if not self._leases.take(name):
            if name not in self._elsewhere:
                self._elsewhere.add(name)
                self._tell(ProductRun(product=name, state="waiting", reason="another run publishes it"))
            return None
        return self._why(product)  # whoever held the lease may have published it

    def _begin(self, product: ProductSpec, reasons: Sequence[str]) -> None:
        name = product.name
        self._elsewhere.discard(name)
        if not reasons:
            self._end(ProductRun(product=name, state="fresh"))
            return
        if product.contract.location is not None:
            self._note(product)
            return
        spark = self._session()
        del self._waiting[name]
        self._running[name] = self._thread(spark, product)
        self._tell(ProductRun(product=name, state="running", reason="; ".join(reasons) or None))
        self._running[name].start()

    def _note(self, product: ProductSpec) -> None:
        """Of a table that others write only the newest version is noted; no Spark is needed."""
        from mesh_catalog.lake.publish import publish_adopted

        try:
            result = publish_adopted(self._mesh, product)
        except MeshError as error:
            self._end(ProductRun(product=product.name, state="stopped", error=error))
            return
        self._end(ProductRun(product=product.name, state=result.outcome, result=result))

    def _session(self) -> SparkSession:
        if self._spark is None:
            self._spark = self._open_spark()
        return self._spark

    def _thread(self, spark: SparkSession, product: ProductSpec) -> Thread:
        from pyspark import InheritableThread

        def publish() -> None:
            from mesh_catalog.lake.publish import publish_product
            from mesh_catalog.lake.session import own_session

            try:
                spark.sparkContext.setLocalProperty("spark.scheduler.pool", product.name)
                session = own_session(spark, self._mesh.settings)
                self._ended.put(
                    (product.name, publish_product(session, self._mesh, product, allow_breaking=self._allow_breaking))
                )
            except BaseException as error:  # noqa: BLE001 - the deciding thread raises what is no MeshError
                self._ended.put((product.name, error))

        thread: Thread = InheritableThread(publish, name=f"publish {product.name}", daemon=True)
        return thread

    def _take(self, name: str, ended: PublishResult | BaseException) -> None:
        self._running.pop(name).join()
        if isinstance(ended, MeshError):
            self._end(ProductRun(product=name, state="stopped", error=ended))
        elif isinstance(ended, BaseException):
            raise ended
        else:
            self._end(ProductRun(product=name, state=ended.outcome, result=ended))

    def _end(self, run: ProductRun) -> None:
        self._leases.give_back(run.product)
        self._waiting.pop(run.product, None)
        if run.state in ("stopped", "left out"):
            self._stopped.add(run.product)
        self._done.append(run)
        self._tell(run)

    def _cancel(self) -> None:
        """Let what runs end soon: its Spark jobs are cancelled again and again, for it may be between two of them."""
        context: Any = self._spark.sparkContext if self._spark else None
        while self._running:
            context.cancelAllJobs()
            try:
                name, ended = self._ended.get(timeout=0.5)
            except Empty:
                continue
            self._running.pop(name).join()
            if isinstance(ended, BaseException):
                _log.info("%s: stopped while it was published", name)
            else:
                self._end(ProductRun(product=name, state=ended.outcome, result=ended))

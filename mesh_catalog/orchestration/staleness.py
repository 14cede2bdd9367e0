"""Which products are stale, and why: told from the catalog, the workspace and listings of files, without Spark.

A product is stale where it was never published, an input has a newer version than the one it was made from, source
files have arrived or changed, its contract or its transform changed, or its last run did not end well.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mesh_catalog.access.rights import consent_products, input_products
from mesh_catalog.catalog.assets import contract_digest, definition_digest
from mesh_catalog.catalog.publish_states import PublishState, read_publish_states, read_run_files
from mesh_catalog.catalog.runs import consumed_files
from mesh_catalog.errors import NotFoundError
from mesh_catalog.lake.sources import SourceFile, listed_files
from mesh_catalog.workspace import SOURCE

if TYPE_CHECKING:
    from mesh_catalog.access.mesh import Mesh
    from mesh_catalog.specs import ProductSpec

__all__ = ["Staleness", "check_staleness", "require_inputs"]

_UNKNOWN = PublishState()
_ENDS = {"refused": "its last run was refused", "failed": "its last run failed", None: "its last run did not end"}


@dataclass(frozen=True, kw_only=True)
class Staleness:
    """Whether a product has to be published again."""

    reasons: tuple[str, ...] = ()
    """Why it has to; empty where it is fresh."""
    notes: tuple[str, ...] = ()
    """What changed and asks for no run, since only new input would be read: it holds from the next batch on."""

    @property
    def stale(self) -> bool:
        return bool(self.reasons)


def check_staleness(mesh: Mesh, product: ProductSpec, states: Mapping[str, PublishState] | None = None) -> Staleness:
    """Whether a product is stale.

    Args:
        states: Of `read_publish_states`, where many products are looked at; read anew where None.

    Raises:
        DocumentError: Its transform cannot be read.
    """
    known = read_publish_states(mesh.catalog) if states is None else states
    state = known.get(product.name, _UNKNOWN)
    ill = [_ENDS[state.last_outcome]] if state.tried and state.last_outcome in _ENDS else []
    if state.version is None:
        return Staleness(reasons=("never published", *ill))
    changes = tuple(_changed_definition(product, state))
    reasons = (*_newer_inputs(mesh, product, state, known), *_changed_files(mesh, product, state), *ill)
    if product.contract.location is not None:
        return Staleness(reasons=("others write it", *ill))
    if _keeps_rows(product):
        return Staleness(reasons=reasons, notes=changes)
    return Staleness(reasons=(*reasons, *changes))


def require_inputs(mesh: Mesh, product: ProductSpec) -> None:
    """Refuse to start a product that has nothing to read; no Spark is needed to say so.

    Raises:
        NotFoundError: An input was never published, or no source file has arrived.
    """
    states = read_publish_states(mesh.catalog)
    for name in input_products(mesh.workspace, mesh.catalog, product):
        if name == SOURCE:
            if _arrived(mesh, product) == []:
                path = product.source.path if product.source else ""
                raise NotFoundError(f"{product.name}: {path}: no file has arrived. Put one there, then run it again.")
        elif states.get(name, _UNKNOWN).version is None:
            maker = next((m.name for m in mesh.workspace.models.values() if name.startswith(f"{m.name}__")), None)
            verb = "train" if maker and name.endswith("__training") else "score" if maker else "publish"
            raise NotFoundError(
                f"{product.name}: reads {name}, which was never published. First: mesh {verb} {maker or name}"
            )


def _keeps_rows(product: ProductSpec) -> bool:
    """Whether a publish reads only what is new, so that rows made before stay as they are."""
    contract = product.contract
    return contract.write_mode == "append" or contract.read_changes is not None or _reads_new_files(product)


def _reads_new_files(product: ProductSpec) -> bool:
    return product.source is not None and product.contract.write_mode != "overwrite"


def _newer_inputs(
    mesh: Mesh, product: ProductSpec, state: PublishState, states: Mapping[str, PublishState]
) -> Iterator[str]:
    # Where new files make its batches, other inputs are only looked up; but a consent that is withdrawn counts.
    inputs = consent_products if _reads_new_files(product) else input_products
    for name in inputs(mesh.workspace, mesh.catalog, product):
        now, then = states.get(name, _UNKNOWN).version, state.inputs.get(name)
        if name != SOURCE and now is not None and now != then:
            yield f"{name} is v{now}" + ("" if then is None else f", it was made from v{then}")


def _changed_files(mesh: Mesh, product: ProductSpec, state: PublishState) -> Iterator[str]:
    if product.source is None:
        return
    arrived = _arrived(mesh, product)
    if arrived is None:
        yield f"only Spark can list {product.source.address}"
        return
    found = {file.identity for file in arrived}
    keeps = _reads_new_files(product)
    read = consumed_files(mesh.catalog, product.name) if keeps else read_run_files(mesh.catalog, str(state.run_id))
    if new := len(found - read):
        yield f"{new} new file" + ("s" if new > 1 else "")
    elif not keeps and (gone := len(read - found)):
        yield f"{gone} file{'s' if gone > 1 else ''} gone"


def _arrived(mesh: Mesh, product: ProductSpec) -> list[SourceFile] | None:
    return listed_files(mesh.settings.workspace, product.source) if product.source else []


def _changed_definition(product: ProductSpec, state: PublishState) -> Iterator[str]:
    if state.contract_digest != contract_digest(product.contract):
        yield "contract.yaml changed"
    if state.definition_digest is None:
        yield "what made it is not known"
    elif state.definition_digest != definition_digest(product):
        files = [product.build.name if product.build else None, "source.yaml" if product.source else None]
        yield f"{' or '.join(filter(None, files))} changed"

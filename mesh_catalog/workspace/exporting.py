"""Products of a workspace in the words of the open standards: contracts by ODCS, data products by ODPS."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from mesh_catalog.contracts.odcs_document import as_current, with_server
from mesh_catalog.contracts.odps import Port, data_product
from mesh_catalog.documents import Document
from mesh_catalog.errors import NotFoundError, nearest
from mesh_catalog.specs import ProductSpec
from mesh_catalog.workspace.transforms import SOURCE, product_reads
from mesh_catalog.workspace.workspace import Workspace

__all__ = ["domain_product", "single_product", "standard_contract"]

_FRAME_VERSION: Final = "1.0.0"
"""Of the contracts of datasets that models write."""


def standard_contract(product: ProductSpec, server: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A product's contract as ODCS 3.2, with the server where its table lies, if given."""
    contract = product.contract
    path = contract.path or product.folder / "contract.yaml"
    found = as_current(Document(path=path, data=dict(contract.document), lines={}))
    return with_server(found, server) if server else found


def single_product(workspace: Workspace, name: str) -> dict[str, Any]:
    """One product as a data product: one output port.

    Raises:
        NotFoundError: There is none of this name.
        DocumentError: Its transform cannot be read.
    """
    product = workspace.product(name)
    contract = product.contract
    reads = _reads(product)
    return data_product(
        name,
        version=contract.version,
        status=contract.status,
        outputs=[_port(product, workspace)],
        inputs=[Port(name=one, version=_version(workspace, one)) for one in reads],
        owner=product.owner,
        description=contract.description,
    )


def domain_product(workspace: Workspace, name: str) -> dict[str, Any]:
    """A domain as one data product: an output port a product, an input port for each product of others that it reads.

    Its version is the highest of its ports'.

    Raises:
        NotFoundError: There is no such domain, or it has no product.
        DocumentError: A transform cannot be read.
    """
    domain = workspace.domains.get(name)
    products = [product for product in workspace.products.values() if product.domain.name == name]
    if domain is None or not products:
        raise NotFoundError(f"there is no domain '{name[:80]}' with products.{nearest(name, workspace.domains)}")
    own = {product.name for product in products}
    reads = dict.fromkeys(one for product in products for one in _reads(product) if one not in own)
    return data_product(
        name,
        version=max((product.contract.version for product in products), key=_numbers),
        status="active",
        outputs=[_port(product, workspace) for product in products],
        inputs=[Port(name=one, version=_version(workspace, one)) for one in reads],
        owner=domain.owner,
        description=domain.description,
    )


def _port(product: ProductSpec, workspace: Workspace) -> Port:
    contract = product.contract
    return Port(
        name=product.name,
        version=contract.version,
        description=contract.description,
        tags=contract.tags,
        reads=tuple((name, _version(workspace, name)) for name in _reads(product)),
    )


def _reads(product: ProductSpec) -> list[str]:
    return [name for name in product_reads(product) if name != SOURCE]


def _version(workspace: Workspace, name: str) -> str:
    found = workspace.products.get(name)
    return found.contract.version if found else _FRAME_VERSION


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) if part.isdigit() else 0 for part in version.lstrip("v").split("."))

"""The contract that a product's newest version was published with, as it was then."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import select

from mesh_catalog.catalog.inventory import read_version_columns
from mesh_catalog.catalog.store import Catalog
from mesh_catalog.catalog.tables import contracts, versions
from mesh_catalog.catalog.versions import VersionRecord, latest_version
from mesh_catalog.contracts.contract import Contract
from mesh_catalog.contracts.odcs import read_contract
from mesh_catalog.contracts.rules import implied_rules
from mesh_catalog.documents import Document
from mesh_catalog.errors import DocumentError

__all__ = ["published_contract"]


def published_contract(catalog: Catalog, product: str, digest: str) -> tuple[Contract, VersionRecord] | None:
    """The newest version and its contract; None where there is no version, or `digest` is that contract's.

    Where its document cannot be read any more, its columns tell what it was.
    """
    latest = latest_version(catalog, product)
    if latest is None:
        return None
    chosen = select(versions.c.contract_digest).where(
        versions.c.product == product, versions.c.version == latest.version
    )
    with catalog.read() as connection:
        kept = connection.execute(chosen).scalar()
        if kept == digest:
            return None
        query = select(contracts.c.document).where(contracts.c.product == product, contracts.c.digest == kept)
        document = connection.execute(query).scalar()
    try:
        if document:
            return read_contract(Document(path=Path("contract.yaml"), data=document, lines={})), latest
    except DocumentError:
        pass
    columns = read_version_columns(catalog, product, latest.version)
    contract = Contract(
        id=product,
        version=latest.contract_version,
        status="active",
        columns=columns,
        rules=implied_rules(columns),
    )
    return contract, latest

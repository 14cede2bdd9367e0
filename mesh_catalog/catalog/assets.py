"""Registering what exists: domains and their owners, products and their contracts, models, dashboards, KPIs, terms.

What a workspace no longer has is marked retired, never deleted: its versions, runs and lineage stay. Registering the
same thing again writes nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, delete, select, update

from mesh_catalog.catalog.canonical import digest_of
from mesh_catalog.catalog.dictionary import kpi_fingerprint, term_fingerprint, write_kpi, write_term
from mesh_catalog.catalog.edges import SOURCE, NodeKind, plan_edges
from mesh_catalog.catalog.inventory import read_owner
from mesh_catalog.catalog.search_entries import dashboard_indexed, model_indexed, product_indexed
from mesh_catalog.catalog.search_index import AssetKind, Indexed, drop_words, index_assets, lock_index
from mesh_catalog.catalog.store import Catalog, among, retried, upsert, utc_now
from mesh_catalog.catalog.tables import (
    contract_columns,
    contracts,
    dashboards,
    domains,
    edges,
    kpis,
    models,
    owners,
    products,
    terms,
)
from mesh_catalog.errors import DocumentError

if TYPE_CHECKING:
    from mesh_catalog.contracts.contract import Contract
    from mesh_catalog.specs import DashboardSpec, DomainSpec, ModelSpec, ProductSpec
    from mesh_catalog.workspace import Workspace

_INDEXED: Mapping[str, AssetKind] = {
    "product": "product",
    "model": "model",
    "dashboard": "dashboard",
    "kpi": "kpi",
    "term": "term",
}
_TABLES: Mapping[str, Any] = {
    "domain": domains,
    "product": products,
    "model": models,
    "dashboard": dashboards,
    "kpi": kpis,
    "term": terms,
}
"""Kind → its table, those first that the others refer to."""
_INDEXED_AT_ONCE = 500

__all__ = [
    "Dataset",
    "SyncResult",
    "contract_digest",
    "definition_digest",
    "read_owner",
    "register_model",
    "register_product",
    "register_products",
    "sync_workspace",
]


@dataclass(frozen=True, kw_only=True)
class SyncResult:
    """What a sync changed: names of products, models, dashboards and domains."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    retired: tuple[str, ...]
    unread: tuple[DocumentError, ...] = ()
    """Transforms whose inputs cannot be told; their products stay as the catalog knows them."""


@dataclass(kw_only=True)
class _Changes:
    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    retired: list[str] = field(default_factory=list)

    def note(self, name: str, known: bool) -> None:
        (self.changed if known else self.added).append(name)


def contract_digest(contract: Contract) -> str:
    """SHA-256 over everything that a contract promises (its rights as written); where its file lies does not count."""
    return digest_of({key: value for key, value in contract.__dict__.items() if key not in ("path", "rights")})


def definition_digest(product: ProductSpec) -> str:
    """SHA-256 over how a product is made: the text of its transform, and its source."""
    build = hashlib.sha256(product.build.read_bytes()).hexdigest() if product.build else None
    return digest_of([build, product.source])


@retried
def sync_workspace(catalog: Catalog, workspace: Workspace, *, partly: bool = False) -> SyncResult:
    """Make the catalog know exactly the domains, products, models and dashboards of a workspace.

    Where documents of the workspace are left out, their domains stay as the catalog knows them, and nothing is retired.

    Args:
        partly: Leave out products whose transform cannot be read, too.

    Raises:
        DocumentError: A transform's inputs cannot be told.
    """
    known = _fingerprints(catalog)
    wanted = _wanted(workspace)
    stale = {key for key, print_ in wanted.items() if known.get(key) != print_}
    stale -= {key for key in stale if key[1].partition(".")[0] in workspace.unread_domains}
    gone = {key for key, print_ in known.items() if key not in wanted and print_ is not None and not workspace.unread}
    reads: dict[str, list[tuple[NodeKind, str]]] = {}
    unread: list[DocumentError] = []
    for name in [name for kind, name in stale if kind == "product"]:
        try:
            reads[name] = _reads(workspace.products[name])
        except DocumentError as error:
            if not partly:
                raise
            unread.append(error)
            stale.remove(("product", name))
    changes = _Changes()
    if stale or gone:
        with catalog.write() as connection:
            lock_index(connection)
            found: list[Indexed] = []
            for kind, name in sorted(stale, key=_by_kind):
                changes.note(name, (kind, name) in known)
                if kind == "domain":
                    _write_domain(connection, workspace.domains[name], wanted[kind, name])
                elif kind == "model":
                    found.append(_write_model(connection, workspace.models[name], wanted[kind, name]))
                elif kind == "dashboard":
                    found.append(_write_dashboard(connection, workspace.dashboards[name], wanted[kind, name]))
                elif kind == "kpi":
                    found.append(write_kpi(connection, workspace.kpis[name], wanted[kind, name]))
                elif kind == "term":
                    found.append(write_term(connection, workspace.terms[name], wanted[kind, name]))
                else:
                    found.append(
                        _write_product_spec(connection, workspace.products[name], wanted[kind, name], reads[name])
                    )
            for start in range(0, len(found), _INDEXED_AT_ONCE):
                index_assets(connection, found[start : start + _INDEXED_AT_ONCE])
            for kind, name in sorted(gone, key=_by_kind):
                _retire(connection, kind, name)
                changes.retired.append(name)
    return SyncResult(
        added=tuple(changes.added),
        changed=tuple(changes.changed),
        retired=tuple(changes.retired),
        unread=tuple(unread),
    )


def _by_kind(key: tuple[str, str]) -> tuple[int, str]:
    """Domains first, since the others refer to them."""
    return list(_TABLES).index(key[0]), key[1]


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A dataset that no folder of the workspace declares."""

    contract: Contract
    domain: str
    owner: str | None


def register_product(catalog: Catalog, contract: Contract, *, domain: str, owner: str | None) -> None:
    """Register a dataset that the framework writes itself, which no folder of the workspace declares."""
    register_products(catalog, [Dataset(contract=contract, domain=domain, owner=owner)])


@retried
def register_products(catalog: Catalog, datasets: Sequence[Dataset]) -> None:
    """Register datasets in one transaction; those that are known as they are cost a look. Some hundreds at once."""
    digests = {one.contract.id: contract_digest(one.contract) for one in datasets}
    prints = {
        one.contract.id: digest_of(["dataset", one.domain, one.owner, digests[one.contract.id]]) for one in datasets
    }
    with catalog.read() as connection:
        p = products.c
        query = select(p.name, p.fingerprint).where(among(connection, p.name, list(prints)), p.retired_at.is_(None))
        known = set(connection.execute(query).tuples())
    fresh = [one for one in datasets if (one.contract.id, prints[one.contract.id]) not in known]
    if not fresh:
        return
    with catalog.write() as connection:
        lock_index(connection)
        upsert(connection, owners, [{"name": name} for name in sorted({one.owner for one in fresh if one.owner})])
        homes = {one.domain: {"name": one.domain, "owner": one.owner, "fingerprint": ""} for one in fresh}
        upsert(connection, domains, list(homes.values()))
        written = [
            _product_row(
                one.contract,
                digests[one.contract.id],
                domain=one.domain,
                owner=one.owner,
                kind="dataset",
                source=None,
                fingerprint=prints[one.contract.id],
            )
            for one in fresh
        ]
        _write_products(connection, written, [one.contract for one in fresh])
        index_assets(
            connection, [product_indexed(row, one.contract.columns) for row, one in zip(written, fresh, strict=True)]
        )
        predicted = select(models.c.predictions_name, models.c.name).where(
            among(connection, models.c.predictions_name, [one.contract.id for one in fresh])
        )
        scorers: dict[str, list[tuple[NodeKind, str]]] = {}
        for predictions, model in connection.execute(predicted):
            scorers.setdefault(predictions, []).append(("model", model))
        for predictions, reads in scorers.items():
            plan_edges(connection, "product", predictions, reads)


@retried
def register_model(catalog: Catalog, model: ModelSpec) -> None:
    """Register one model and its domain, without a look at the rest of the workspace."""
    wanted = {("domain", model.domain.name): _domain_fingerprint(model.domain)}
    wanted["model", model.name] = _model_fingerprint(model)
    known = _fingerprints(catalog)
    if all(known.get(key) == fingerprint for key, fingerprint in wanted.items()):
        return
    with catalog.write() as connection:
        lock_index(connection)
        _write_domain(connection, model.domain, wanted["domain", model.domain.name])
        index_assets(connection, [_write_model(connection, model, wanted["model", model.name])])


def _fingerprints(catalog: Catalog) -> dict[tuple[str, str], str | None]:
    """What the catalog knows, by kind and name; None for what is retired. Datasets of the framework are left out."""
    found: dict[tuple[str, str], str | None] = {}
    with catalog.read() as connection:
        for kind, table in _TABLES.items():
            query = select(table.c.name, table.c.fingerprint, table.c.retired_at)
            if kind == "product":
                query = query.where(products.c.kind == "product")
            for name, fingerprint, retired_at in connection.execute(query):
                found[kind, name] = None if retired_at else fingerprint
    return found


def _wanted(workspace: Workspace) -> dict[tuple[str, str], str]:
    wanted = {("domain", name): _domain_fingerprint(domain) for name, domain in workspace.domains.items()}
    wanted |= {("product", name): _product_fingerprint(product) for name, product in workspace.products.items()}
    wanted |= {("model", name): _model_fingerprint(model) for name, model in workspace.models.items()}
    wanted |= {("dashboard", name): _dashboard_fingerprint(one) for name, one in workspace.dashboards.items()}
    wanted |= {("kpi", name): kpi_fingerprint(kpi) for name, kpi in workspace.kpis.items()}
    return wanted | {("term", name): term_fingerprint(term) for name, term in workspace.terms.items()}


def _domain_fingerprint(domain: DomainSpec) -> str:
    return digest_of([domain.name, domain.owner, domain.on_call, domain.description, domain.members])


def _product_fingerprint(product: ProductSpec) -> str:
    build = hashlib.sha256(product.build.read_bytes()).hexdigest() if product.build else None
    source = repr(product.source) if product.source else None
    return digest_of(["product", product.domain.name, product.owner, contract_digest(product.contract), build, source])


def _model_fingerprint(model: ModelSpec) -> str:
    values = {key: value for key, value in model.__dict__.items() if key not in ("domain", "folder", "path")}
    return digest_of([model.domain.name, model.domain.owner, values])


def _dashboard_fingerprint(dashboard: DashboardSpec) -> str:
    values = {key: value for key, value in dashboard.__dict__.items() if key not in ("domain", "path")}
    return digest_of([dashboard.domain.name, dashboard.owner, values])


def _reads(product: ProductSpec) -> list[tuple[NodeKind, str]]:
    from mesh_catalog.workspace import product_reads  # late: the SQL parser comes with it

    found: list[tuple[NodeKind, str]] = []
    for name in product_reads(product) if product.build else ():
        found.append(("source", product.name) if name == SOURCE else ("product", name))
    if product.source is not None and ("source", product.name) not in found:
        found.append(("source", product.name))
    return found


def _write_owner(connection: Connection, owner: str | None) -> None:
    if owner is not None:
        upsert(connection, owners, [{"name": owner}])


def _write_domain(connection: Connection, domain: DomainSpec, fingerprint: str) -> None:
    _write_owner(connection, domain.owner)
    row = {
        "name": domain.name,
        "owner": domain.owner,
        "on_call": domain.on_call,
        "description": domain.description,
        "members": domain.members,
        "fingerprint": fingerprint,
        "retired_at": None,
    }
    upsert(connection, domains, [row], change=[key for key in row if key != "name"])


def _write_product_spec(
    connection: Connection, product: ProductSpec, fingerprint: str, reads: Sequence[tuple[NodeKind, str]]
) -> Indexed:
    _write_owner(connection, product.owner)
    row = _product_row(
        product.contract,
        contract_digest(product.contract),
        domain=product.domain.name,
        owner=product.owner,
        kind="product",
        source=product.source.address if product.source else None,
        fingerprint=fingerprint,
    )
    _write_products(connection, [row], [product.contract])
    plan_edges(connection, "product", product.name, reads)
    return product_indexed(row, product.contract.columns)


def _product_row(
    contract: Contract,
    digest: str,
    *,
    domain: str,
    owner: str | None,
    kind: str,
    source: str | None,
    fingerprint: str,
) -> dict[str, Any]:
    return {
        "name": contract.id,
        "domain": domain,
        "owner": owner,
        "kind": kind,
        "description": contract.description,
        "status": contract.status,
        "tags": contract.tags,
        "write_mode": contract.write_mode,
        "event_time": contract.event_time,
        "source": source,
        "location": contract.location,
        "contract_version": contract.version,
        "contract_digest": digest,
        "fingerprint": fingerprint,
        "registered_at": utc_now(),
        "retired_at": None,
    }


def _write_products(connection: Connection, rows: Sequence[dict[str, Any]], promised: Sequence[Contract]) -> None:
    """Write products, each with its contract."""
    upsert(connection, products, rows, change=[key for key in rows[0] if key not in ("name", "registered_at")])
    made = [_contract_row(row, contract) for row, contract in zip(rows, promised, strict=True)]
    upsert(connection, contracts, made)
    columns = [one for row, contract in zip(rows, promised, strict=True) for one in _column_rows(row, contract)]
    upsert(connection, contract_columns, columns)


def _contract_row(row: Mapping[str, Any], contract: Contract) -> dict[str, Any]:
    return {
        "product": row["name"],
        "digest": row["contract_digest"],
        "version": contract.version,
        "rules": [_rule_json(asdict(rule)) for rule in contract.rules],
        "document": contract.document,
        "registered_at": row["registered_at"],
    }


def _column_rows(row: Mapping[str, Any], contract: Contract) -> list[dict[str, Any]]:
    return [
        {
            "product": row["name"],
            "digest": row["contract_digest"],
            "position": position,
            "name": column.name,
            "logical_type": column.logical_type,
            "spark_type": column.spark_type,
            "required": column.required,
            "is_unique": column.unique,
            "primary_key_position": column.primary_key_position,
            "classification": column.classification,
            "description": column.description,
            "tags": column.tags,
        }
        for position, column in enumerate(contract.columns)
    ]


def _rule_json(rule: Mapping[str, Any]) -> dict[str, Any]:
    return {key: rule[key] for key in ("id", "kind", "column", "severity", "text")}


def _write_model(connection: Connection, model: ModelSpec, fingerprint: str) -> Indexed:
    _write_owner(connection, model.domain.owner)
    row = {
        "name": model.name,
        "domain": model.domain.name,
        "owner": model.domain.owner,
        "goal": model.goal,
        "decides": model.decides,
        "kind": model.kind,
        "target": f"{model.target_product}.{model.target}",
        "algorithm": model.algorithm,
        "metric": model.metric,
        "inputs": model.input_products,
        "features": [f"{ref.product}.{ref.column}" if ref.column else ref.product for ref in model.features],
        "training_name": model.training_name,
        "predictions_name": model.predictions_name,
        "fingerprint": fingerprint,
        "registered_at": utc_now(),
        "retired_at": None,
    }
    upsert(connection, models, [row], change=[key for key in row if key not in ("name", "registered_at")])
    trained = select(edges.c.from_name).where(
        edges.c.to_kind == "model", edges.c.to_name == model.name, edges.c.from_kind == "model_version"
    )
    if connection.execute(trained.limit(1)).one_or_none() is None:
        plan_edges(connection, "model", model.name, [("product", name) for name in model.input_products])
    scored = select(products.c.name).where(products.c.name == model.predictions_name)
    if connection.execute(scored).one_or_none() is not None:
        plan_edges(connection, "product", model.predictions_name, [("model", model.name)])
    return model_indexed(row)


def _write_dashboard(connection: Connection, dashboard: DashboardSpec, fingerprint: str) -> Indexed:
    _write_owner(connection, dashboard.owner)
    row = {
        "name": dashboard.name,
        "domain": dashboard.domain.name,
        "owner": dashboard.owner,
        "title": dashboard.title,
        "kind": dashboard.kind,
        "url": dashboard.url,
        "description": dashboard.description,
        "reads": dashboard.reads,
        "fingerprint": fingerprint,
        "registered_at": utc_now(),
        "retired_at": None,
    }
    upsert(connection, dashboards, [row], change=[key for key in row if key not in ("name", "registered_at")])
    plan_edges(connection, "dashboard", dashboard.name, [("product", name) for name in dashboard.reads])
    return dashboard_indexed(row)


def _retire(connection: Connection, kind: str, name: str) -> None:
    table = _TABLES[kind]
    connection.execute(update(table).where(table.c.name == name).values(retired_at=utc_now()))
    if kind == "domain":
        return
    drop_words(connection, _INDEXED[kind], name)
    planned = edges.c.last_version.is_(None) & edges.c.last_at.is_(None) & (edges.c.from_kind != "model_version")
    connection.execute(delete(edges).where(edges.c.to_kind == kind, edges.c.to_name == name, planned))

"""The catalog's tables. Every change of them comes with a migration in `catalog/migrations/versions`.

Portable between SQLite and PostgreSQL: text, numbers, booleans, JSON and times, nothing else. Times are aware and UTC.
Names of products in runs, inputs and edges are not foreign keys: a reference to something unknown is kept as it is,
so that lineage can report it.
"""

from __future__ import annotations

from mesh_catalog.catalog.tables.alert_tables import alert_deliveries, alerts, incidents
from mesh_catalog.catalog.tables.asset_tables import (
    contract_columns,
    contracts,
    dashboards,
    domains,
    models,
    owners,
    products,
)
from mesh_catalog.catalog.tables.audit_tables import audit_events, data_requests
from mesh_catalog.catalog.tables.base import UtcDateTime, metadata
from mesh_catalog.catalog.tables.dictionary_tables import kpi_definitions, kpis, term_links, terms
from mesh_catalog.catalog.tables.loop_tables import approvals, retrain_requests, reviews
from mesh_catalog.catalog.tables.model_tables import (
    alias_moves,
    decisions,
    model_versions,
    retrainings,
    verdict_measures,
    verdicts,
)
from mesh_catalog.catalog.tables.openlineage_tables import (
    openlineage_aliases,
    openlineage_columns,
    openlineage_datasets,
    openlineage_facets,
    openlineage_flows,
    openlineage_jobs,
    openlineage_runs,
)
from mesh_catalog.catalog.tables.rollout_tables import rollout_runs, rollout_steps, rollouts
from mesh_catalog.catalog.tables.run_tables import (
    checks,
    column_edges,
    edges,
    leases,
    run_files,
    run_inputs,
    runs,
    versions,
)
from mesh_catalog.catalog.tables.search_tables import (
    search_assets,
    search_parts,
    search_postings,
    search_typos,
    search_words,
)

__all__ = [
    "UtcDateTime",
    "alert_deliveries",
    "alerts",
    "alias_moves",
    "approvals",
    "audit_events",
    "checks",
    "column_edges",
    "contract_columns",
    "contracts",
    "dashboards",
    "data_requests",
    "decisions",
    "domains",
    "edges",
    "incidents",
    "kpi_definitions",
    "kpis",
    "leases",
    "metadata",
    "model_versions",
    "models",
    "openlineage_aliases",
    "openlineage_columns",
    "openlineage_datasets",
    "openlineage_facets",
    "openlineage_flows",
    "openlineage_jobs",
    "openlineage_runs",
    "owners",
    "products",
    "retrain_requests",
    "retrainings",
    "reviews",
    "rollout_runs",
    "rollout_steps",
    "rollouts",
    "run_files",
    "run_inputs",
    "runs",
    "search_assets",
    "search_parts",
    "search_postings",
    "search_typos",
    "search_words",
    "term_links",
    "terms",
    "verdict_measures",
    "verdicts",
    "versions",
]

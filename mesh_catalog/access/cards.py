"""All that the catalog says of a product, a domain or a KPI on one card: what `mesh show`, the pages and REST tell."""

from __future__ import annotations

from typing import Any

from mesh_catalog.access.popularity import read_popularity
from mesh_catalog.catalog.domains import read_domain, read_domain_assets
from mesh_catalog.catalog.glossary import terms_of
from mesh_catalog.catalog.inventory import (
    read_columns,
    read_life_cycle,
    read_product,
    read_rules,
    read_service_levels,
)
from mesh_catalog.catalog.kpis import list_kpis, read_definitions, read_kpi
from mesh_catalog.catalog.ports import read_ports
from mesh_catalog.catalog.runs import read_checks, read_runs, read_versions
from mesh_catalog.catalog.store import Catalog
from mesh_catalog.catalog.tags import inherited_tags

__all__ = ["domain_card", "kpi_card", "product_card"]


def product_card(catalog: Catalog, name: str, *, versions: int = 5) -> dict[str, Any]:
    """A product: its contract, people, columns, ports, use, newest versions, and the checks of its last publish.

    Args:
        versions: So many of the newest ones.

    Raises:
        NotFoundError: There is no such product.
    """
    product = read_product(catalog, name)
    terms = terms_of(catalog, name)
    rules = read_rules(catalog, name)
    inherited = inherited_tags(catalog, name)
    runs = read_runs(catalog, name, limit=1, kind="publish")
    columns = [
        {
            **column.__dict__,
            "type": column.spark_type,
            "personal": column.personal,
            "inherited": inherited.get(column.name),
            "rules": [rule.text or rule.id for rule in rules if rule.column == column.name],
            "terms": terms.get(column.name.lower(), terms.get(column.name, ())),
        }
        for column in read_columns(catalog, name)
    ]
    return {
        "product": product,
        "life_cycle": read_life_cycle(catalog, name),
        "service_levels": read_service_levels(catalog, name),
        "popularity": read_popularity(catalog, [name])[name],
        "ports": read_ports(catalog, name),
        "terms": terms.get("", ()),
        "columns": columns,
        "rules": [rule.text or rule.id for rule in rules if rule.column is None],
        "versions": read_versions(catalog, name)[: -versions - 1 : -1],
        "last_run": runs[0] if runs else None,
        "checks": read_checks(catalog, runs[0].id) if runs else [],
    }


def domain_card(catalog: Catalog, name: str) -> dict[str, Any]:
    """A domain: its people, and all that it offers, with how much each product is read.

    Raises:
        NotFoundError: There is no such domain.
    """
    assets = read_domain_assets(catalog, name)
    reads = read_popularity(catalog, [one.name for one in assets if one.kind == "product"])
    told = [{**one.__dict__, "popularity": reads.get(one.name)} for one in assets]
    return {"domain": read_domain(catalog, name), "assets": told}


def kpi_card(catalog: Catalog, name: str) -> dict[str, Any]:
    """A KPI: its entry, its definition of today, and what it drives.

    Raises:
        NotFoundError: There is no such KPI.
    """
    kpi = read_kpi(catalog, name)
    definitions = read_definitions(catalog, name)
    return {
        "kpi": kpi,
        "definition": definitions[-1],
        "definitions": len(definitions),
        "drives": [one.name for one in list_kpis(catalog) if name in one.drivers],
        "terms": terms_of(catalog, name).get("", ()),
    }

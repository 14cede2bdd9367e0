"""What `mesh show` says of a domain, a KPI and a term."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from mesh_catalog.cli.output import print_facts, print_table

if TYPE_CHECKING:
    from mesh_catalog.catalog.store import Catalog

__all__ = ["print_domain", "print_kpi", "print_term", "tell_domain", "tell_kpi", "tell_term"]


def tell_domain(catalog: Catalog, name: str) -> dict[str, Any]:
    from mesh_catalog.access.cards import domain_card

    return domain_card(catalog, name)


def print_domain(told: Mapping[str, Any]) -> None:
    domain = told["domain"]
    click.echo(f"{domain.name}   {domain.description or 'no description'}")
    print_facts(
        [
            ("owner", domain.owner or "nobody: name one in domain.yaml"),
            ("on call", domain.on_call),
            ("members", ", ".join(domain.members)),
            ("retired", f"{domain.retired_at:%Y-%m-%d}" if domain.retired_at else None),
        ]
    )
    if told["assets"]:
        click.echo()
        print_table([_asset_row(one) for one in told["assets"]], ("name", "kind", "owner", "used", "description"))
        click.echo(f"next: mesh show {told['assets'][0]['name']}", err=True)


def _asset_row(asset: Mapping[str, Any]) -> tuple[str, ...]:
    kind = asset["kind"] if asset["status"] in (None, "active") else f"{asset['kind']}, {asset['status']}"
    popularity = "" if asset["popularity"] is None else str(asset["popularity"])
    return asset["name"], kind, asset["owner"] or "-", popularity, asset["description"] or ""


def tell_kpi(catalog: Catalog, name: str) -> dict[str, Any]:
    from mesh_catalog.access.cards import kpi_card

    return kpi_card(catalog, name)


def print_kpi(told: Mapping[str, Any]) -> None:
    kpi, definition = told["kpi"], told["definition"]
    click.echo(f"{kpi.name}   {kpi.title or kpi.description or 'no description'}")
    print_facts(
        [
            ("owner", kpi.owner or "nobody: name one in kpis.yaml"),
            ("on call", kpi.on_call),
            ("meaning", kpi.description if kpi.title else None),
            ("source", definition.source),
            ("unit", definition.unit),
            (
                "grain",
                ", ".join([f"by {definition.grain}" if definition.time else "one value", *definition.dimensions]),
            ),
            ("time", definition.time),
            ("target", str(kpi.target) if kpi.target else None),
            ("cadence", kpi.cadence),
            ("reason", kpi.reason),
            ("same as", kpi.same_as),
            ("drivers", ", ".join(kpi.drivers)),
            ("drives", ", ".join(told["drives"])),
            ("terms", ", ".join(told["terms"])),
            ("tags", ", ".join(kpi.tags)),
            ("retired", f"{kpi.retired_at:%Y-%m-%d}" if kpi.retired_at else None),
        ]
    )
    click.echo()
    rows = [
        (number, str(one.valid_from or "since ever"), one.formula, " and ".join(one.filters) or "-", one.reason or "")
        for number, one in enumerate(definition.formulas, start=1)
    ]
    print_table(rows, ("version", "valid from", "formula", "filters", "reason"))
    if told["definitions"] > 1:
        click.echo(f"defined {told['definitions']} times, last at {definition.registered_at:%Y-%m-%d %H:%M} UTC")
    click.echo(f"next: mesh kpi {kpi.name}", err=True)


def tell_term(catalog: Catalog, name: str) -> dict[str, Any]:
    from mesh_catalog.catalog.glossary import read_term

    return {"term": read_term(catalog, name)}


def print_term(told: Mapping[str, Any]) -> None:
    term = told["term"]
    click.echo(f"{term.name}   {term.definition}")
    print_facts(
        [
            ("owner", term.owner or "nobody: name one in glossary.yaml"),
            ("domain", term.domain or "the whole organisation"),
            *((label, text) for label, text in term.labels.items()),
            ("synonyms", ", ".join(term.synonyms)),
            ("links", ", ".join(term.links)),
            ("retired", f"{term.retired_at:%Y-%m-%d}" if term.retired_at else None),
        ]
    )
    if term.links:
        click.echo(f"next: mesh show {'.'.join(term.links[0].split('.')[:2])}", err=True)

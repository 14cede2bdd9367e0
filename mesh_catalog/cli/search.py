"""mesh search: find products, models, dashboards, KPIs, terms, and datasets outside the mesh."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from mesh_catalog.access.popularity import Popularity

__all__ = ["command"]


@click.command("search")
@click.argument("words", nargs=-1, metavar="[WORD]...")
@click.option("--domain", multiple=True, help="Only of this domain; may be given several times, as those below.")
@click.option("--owner", multiple=True, help="Only of this owner.")
@click.option("--tag", multiple=True, help="Only with this tag.")
@click.option("--kind", multiple=True, help="Only of this kind: product, model, dashboard, kpi, term, dataset.")
@click.option("--status", multiple=True, help="Only in this status: draft, active, deprecated…")
@click.option("--classification", multiple=True, help="Only with a column that is classified so: personal…")
@click.option("--counts", is_flag=True, help="Also how many there are of each domain, owner, tag…")
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="At most so many.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(words: tuple[str, ...], counts: bool, limit: int, as_json: bool, **facets: tuple[str, ...]) -> None:
    """Find products, models, dashboards, KPIs and terms by names, columns, descriptions, tags, owners and domains;
    datasets outside the mesh too, of which OpenLineage events told.

    A typo or two is forgiven, in Korean too.

    \b
    Example:
      mesh search card payments --domain payments
    """
    from mesh_catalog.access.mesh import open_mesh
    from mesh_catalog.access.popularity import read_popularity
    from mesh_catalog.catalog.inventory import read_ending
    from mesh_catalog.catalog.search import find
    from mesh_catalog.cli.output import emit_json, print_table
    from mesh_catalog.errors import without_controls

    text = " ".join(words)
    if not text.strip() and not any(facets.values()):
        raise click.UsageError("Give a word, or one of --domain, --owner, --tag, --kind, --status, --classification.")
    with open_mesh(with_workspace=False) as mesh:
        found = find(mesh.catalog, text, limit=limit, where=facets, counts=counts)
        hits = found.hits
        reads = read_popularity(mesh.catalog, [hit.name for hit in hits if hit.kind == "product"])
        ending = read_ending(mesh.catalog, list(reads))
    if as_json:
        told = [{**hit.__dict__, "popularity": reads.get(hit.name), "status": ending.get(hit.name)} for hit in hits]
        emit_json({**found.__dict__, "hits": told} if counts else told)
        return
    if not hits:
        what = f"nothing matches '{text[:80]}'" if text else "there is no such asset"
        click.echo(f"{what}. What was never published is not in the catalog yet.", err=True)
        return
    rows = [
        (
            hit.name,
            f"{hit.kind}, {ending[hit.name]}" if hit.name in ending else hit.kind,
            hit.owner or "-",
            _used(reads.get(hit.name)),
            ", ".join(hit.matched),
            _cut(hit.description),
        )
        for hit in hits
    ]
    print_table(rows, ("name", "kind", "owner", "readers", "found in", "description"))
    if counts:
        counted = [
            (facet, value, f"{count:,}") for facet, values in found.facets.items() for value, count in values.items()
        ]
        print_table(counted, ("facet", "value", "assets"))
        if not found.whole:
            click.echo("more match than were counted: these are counts of the best ones", err=True)
    verb = "lineage" if hits[0].kind == "dataset" else "show"
    click.echo(f"next: mesh {verb} {without_controls(shlex.quote(hits[0].name))}", err=True)


def _used(popularity: Popularity | None) -> int | None:
    return popularity.readers if popularity is not None else None


def _cut(text: str | None, limit: int = 60) -> str:
    line = " ".join((text or "").split())
    return line if len(line) <= limit else line[: limit - 1] + "…"

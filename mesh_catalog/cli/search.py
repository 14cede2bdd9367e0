"""mesh search: find products, models, dashboards, KPIs and terms."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from mesh_catalog.access.popularity import Popularity

__all__ = ["command"]


@click.command("search")
@click.argument("words", nargs=-1, required=True, metavar="WORD...")
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="At most so many.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(words: tuple[str, ...], limit: int, as_json: bool) -> None:
    """Find products, models, dashboards, KPIs and terms by names, columns, descriptions, tags, owners and domains.

    A typo or two is forgiven.

    \b
    Example:
      mesh search card payments
    """
    from mesh_catalog.access.mesh import open_mesh
    from mesh_catalog.access.popularity import read_popularity
    from mesh_catalog.catalog.inventory import read_ending
    from mesh_catalog.catalog.search import search
    from mesh_catalog.cli.output import emit_json, print_table

    text = " ".join(words)
    with open_mesh(with_workspace=False) as mesh:
        hits = search(mesh.catalog, text, limit=limit)
        reads = read_popularity(mesh.catalog, [hit.name for hit in hits if hit.kind == "product"])
        ending = read_ending(mesh.catalog, list(reads))
    if as_json:
        emit_json([{**hit.__dict__, "popularity": reads.get(hit.name), "status": ending.get(hit.name)} for hit in hits])
        return
    if not hits:
        click.echo(f"nothing matches '{text[:80]}'. What was never published is not in the catalog yet.", err=True)
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
    click.echo(f"next: mesh show {hits[0].name}", err=True)


def _used(popularity: Popularity | None) -> int | None:
    return popularity.readers if popularity is not None else None


def _cut(text: str | None, limit: int = 60) -> str:
    line = " ".join((text or "").split())
    return line if len(line) <= limit else line[: limit - 1] + "…"

"""mesh search: find products, models and dashboards."""

from __future__ import annotations

import click

__all__ = ["command"]


@click.command("search")
@click.argument("words", nargs=-1, required=True, metavar="WORD...")
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="At most so many.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(words: tuple[str, ...], limit: int, as_json: bool) -> None:
    """Find products, models and dashboards by names, columns, descriptions, tags, owners and domains.

    A typo or two is forgiven.

    \b
    Example:
      mesh search card payments
    """
    from mesh_catalog.access.mesh import open_mesh
    from mesh_catalog.catalog.search import search
    from mesh_catalog.cli.output import emit_json, print_table

    text = " ".join(words)
    with open_mesh(with_workspace=False) as mesh:
        hits = search(mesh.catalog, text, limit=limit)
    if as_json:
        emit_json(hits)
        return
    if not hits:
        click.echo(f"nothing matches '{text[:80]}'. What was never published is not in the catalog yet.", err=True)
        return
    rows = [(hit.name, hit.kind, hit.owner or "-", ", ".join(hit.matched), _cut(hit.description)) for hit in hits]
    print_table(rows, ("name", "kind", "owner", "found in", "description"))
    click.echo(f"next: mesh show {hits[0].name}", err=True)


def _cut(text: str | None, limit: int = 60) -> str:
    line = " ".join((text or "").split())
    return line if len(line) <= limit else line[: limit - 1] + "…"

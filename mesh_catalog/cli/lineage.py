"""mesh lineage: what a product, a model or a column came from and led to, drawn; and events of other producers in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from mesh_catalog.access.mesh import Mesh
    from mesh_catalog.catalog.gaps import Gap
    from mesh_catalog.catalog.impact import ColumnImpact
    from mesh_catalog.catalog.lineage import ColumnLink, Direction, LineageGraph, Link, Node
    from mesh_catalog.catalog.version_lineage import VersionGraph

__all__ = ["command"]

_SEEN = {"declared": "declared", "openlineage": "seen by OpenLineage", "both": "declared and seen by OpenLineage"}
_WAYS: tuple[Direction, ...] = ("upstream", "downstream")


class _Drawing(click.Group):
    """A group whose first verb is left out: `mesh lineage NAME` is `mesh lineage show NAME`, its help show's help."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, args if args and args[0] in self.commands else ["show", *args])


@click.group("lineage", cls=_Drawing)
def command() -> None:
    """Draw lineage, or take OpenLineage events in.

    \b
    Example:
      mesh lineage payments.daily --upstream --columns
      mesh lineage ingest events.ndjson
    """


@command.command("show")
@click.argument("name")
@click.option("--upstream", "directions", flag_value="upstream", help="Only what it came from.")
@click.option("--downstream", "directions", flag_value="downstream", help="Only what was made from it.")
@click.option("--columns", is_flag=True, help="Also which column came from which.")
@click.option("--depth", type=click.IntRange(1, 10_000), help="How many links to follow; all of them by default.")
@click.option("--version", type=click.IntRange(0), help="Of a product: which versions made this one, and came of it.")
@click.option("--allow-incomplete", is_flag=True, help="Show what is known, and what is missing, and exit 0.")
@click.option("--format", "shape", type=click.Choice(["tree", "mermaid", "dot", "html"]), default="tree")
@click.option("--open", "opened", is_flag=True, help="Write the picture as HTML and open it in the browser.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def show(
    name: str,
    directions: str | None,
    columns: bool,
    depth: int | None,
    version: int | None,
    allow_incomplete: bool,
    shape: str,
    opened: bool,
    as_json: bool,
) -> None:
    """Draw the lineage of a product, model, dashboard, KPI or column, or a dataset or job outside (namespace#name).

    Both ways where neither is chosen; whole, or an error that says what is missing. mesh lineage ingest FILE takes in
    OpenLineage events of other producers.

    \b
    Example:
      mesh lineage payments.daily --upstream --columns
      mesh lineage payments.transactions.tx_amount --downstream
      mesh lineage payments.daily --version 7
    """
    from mesh_catalog.access.mesh import open_mesh
    from mesh_catalog.catalog.impact import column_impact, split_column
    from mesh_catalog.catalog.lineage import lineage
    from mesh_catalog.catalog.version_lineage import version_lineage

    ways = [way for way in _WAYS if directions in (None, way)]
    with open_mesh(with_workspace=False) as mesh:
        if version is not None:
            _print_versions([version_lineage(mesh.catalog, name, version, direction=way) for way in ways], as_json)
            return
        column = split_column(mesh.catalog, name)
        if column is not None:
            found = [
                column_impact(mesh.catalog, *column, direction=way, allow_incomplete=allow_incomplete) for way in ways
            ]
            _print_impacts(found, as_json)
            return
        graphs = [
            lineage(
                mesh.catalog,
                name,
                direction=way,
                columns=columns,
                depth=depth,
                allow_incomplete=allow_incomplete,
            )
            for way in ways
        ]
        if opened:
            _open_page(mesh, name, graphs)
        elif as_json:
            _emit_graphs(graphs)
        else:
            _draw(graphs, shape)


@command.command("ingest")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@click.option("--dry-run", is_flag=True, help="Read and check the events, and keep none.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def ingest_file(file: str, dry_run: bool, as_json: bool) -> None:
    """Take in OpenLineage events from FILE or - : one JSON a line, an array, or one event. All of them, or none.

    Events that are known already change nothing, in whatever order they come.

    \b
    Example:
      mesh lineage ingest events.ndjson
    """
    from mesh_catalog.access.mesh import open_mesh
    from mesh_catalog.access.outside import resolver
    from mesh_catalog.catalog.openlineage.files import read_event_file
    from mesh_catalog.catalog.openlineage.ingest import Ingested, ingest
    from mesh_catalog.cli.output import emit_json, progress

    with open_mesh(with_workspace=False) as mesh, read_event_file(file) as events:
        count = sum(1 for _ in events())
        done = Ingested(events=count, own=0)
        if not dry_run:
            with progress(f"takes in {_counted(count)}"):
                done = ingest(mesh.catalog, events(), resolve=resolver(mesh))
    if as_json:
        emit_json({"events": done.events, "own": done.own, "kept": not dry_run})
        return
    told = f", {done.own:,} of the mesh's own runs, which it knows" if done.own else ""
    right = "is right" if done.events == 1 else "are right"
    click.echo(f"{_counted(done.events)} {right if dry_run else 'taken in'}{told}")
    if not dry_run:
        click.echo("next: mesh lineage NAMESPACE#NAME", err=True)


def _counted(events: int) -> str:
    return "1 event" if events == 1 else f"{events:,} events"


def _emit_graphs(graphs: Sequence[LineageGraph]) -> None:
    from mesh_catalog.cli.output import emit_json

    emit_json({graph.direction: {"graph": graph, "differences": graph.differences} for graph in graphs})


def _draw(graphs: Sequence[LineageGraph], shape: str) -> None:
    from mesh_catalog.cli.pictures import dot_text, html_page, mermaid_text

    if shape == "tree":
        for graph in graphs:
            _print_graph(graph)
        return
    shapes = {"mermaid": mermaid_text, "dot": dot_text, "html": html_page}
    click.echo(shapes[shape](graphs))


def _open_page(mesh: Mesh, name: str, graphs: Sequence[LineageGraph]) -> None:
    import re

    from mesh_catalog.cli.pictures import html_page
    from mesh_catalog.documents import write_whole

    path = mesh.settings.reports / "lineage" / f"{re.sub(r'[^A-Za-z0-9._-]', '_', name)[:120]}.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, html_page(graphs))
    click.echo(str(path))
    click.launch(str(path))


def _print_graph(graph: LineageGraph) -> None:
    from mesh_catalog.catalog.lineage import links_by_node
    from mesh_catalog.cli.output import print_table

    root = graph.node(graph.root)
    click.echo(f"{_told(root)}   {'came from' if graph.direction == 'upstream' else 'led to'}")
    if not graph.links:
        click.echo("└── nothing")
    for line in _branches(graph, graph.root, links_by_node(graph), "", set()):
        click.echo(line)
    if graph.columns:
        print_table([_column_row(link) for link in graph.columns], ("column", "came from", "how", "who says so"))
    for link in graph.differences:
        click.echo(f"difference: {link.source[1]} → {link.target[1]} is {_SEEN[link.seen]} only", err=True)
    if graph.beyond:
        click.echo(f"{len(graph.beyond)} of these lead further than the depth that was asked for", err=True)
    _print_unknown(graph.unknown)


def _print_unknown(unknown: Sequence[Gap]) -> None:
    for gap in unknown:
        click.echo(f"missing: {gap.text}", err=True)


def _print_impacts(found: Sequence[ColumnImpact], as_json: bool) -> None:
    from mesh_catalog.cli.output import emit_json, print_table

    if as_json:
        emit_json({impact.direction: {"impact": impact, "owners": impact.owners} for impact in found})
        return
    for impact in found:
        verb = "came from" if impact.direction == "upstream" else "leads to"
        click.echo(f"{impact.table}.{impact.column}   {verb}")
        if not (impact.columns or impact.readers or impact.models):
            click.echo("└── nothing")
        if impact.columns:
            columns = [(f"{one.table}.{one.column}", ", ".join(one.kinds), one.owner) for one in impact.columns]
            print_table(columns, ("column", "how", "owner"))
        reached = {one.table for one in impact.columns}
        readers = [(node.label, node.kind, node.owner) for node in impact.readers if node.name not in reached]
        if readers:
            print_table(readers, ("reader" if impact.direction == "downstream" else "source", "kind", "owner"))
        if impact.models:
            models = [
                (
                    use.model,
                    ", ".join(f"v{one}" for one in use.versions) or "none yet",
                    ", ".join(use.features),
                    use.owner,
                )
                for use in impact.models
            ]
            print_table(models, ("model", "versions", "by", "owner"))
        if impact.owners:
            click.echo(f"owners: {', '.join(impact.owners)}")
        _print_unknown(impact.unknown)


def _print_versions(graphs: Sequence[VersionGraph], as_json: bool) -> None:
    from mesh_catalog.cli.output import emit_json, print_table

    if as_json:
        emit_json({graph.direction: graph for graph in graphs})
        return
    for graph in graphs:
        product, version = graph.root
        click.echo(f"{product} v{version}   {'was made of' if graph.direction == 'upstream' else 'went into'}")
        near: dict[tuple[str, int], list[str]] = {}
        for link in graph.links:
            end, other = (link.source, link.target) if graph.direction == "upstream" else (link.target, link.source)
            near.setdefault(end, []).append(f"{other[0]} v{other[1]}")
        rows = [
            (
                f"{node.product} v{node.version}",
                node.kind,
                node.made_at,
                ", ".join(near.get((node.product, node.version), ())),
                f"v{node.holds_from}" if node.holds_from not in (None, node.version) else "",
                len(node.sources) or None,
            )
            for node in graph.nodes
        ]
        heads = ("version", "kind", "made", "for" if graph.direction == "upstream" else "of", "holds since", "files")
        print_table(rows, heads)


def _column_row(link: ColumnLink) -> tuple[str, ...]:
    return (
        f"{link.to_product}.{link.to_column}",
        f"{link.from_product}.{link.from_column}",
        ", ".join(link.kinds),
        _SEEN[link.seen],
    )


def _branches(
    graph: LineageGraph,
    key: tuple[str, str],
    links: Mapping[tuple[str, str], tuple[Link, ...]],
    indent: str,
    drawn: set[tuple[str, str]],
) -> Iterator[str]:
    drawn.add(key)
    here = links.get(key, ())
    for index, link in enumerate(here):
        last = index == len(here) - 1
        end = link.source if graph.direction == "upstream" else link.target
        again = end in drawn and end in links
        more = "  (leads further)" if end in graph.beyond else ""
        told = _told(graph.node(end), link)
        yield f"{indent}{'└── ' if last else '├── '}{told}{'  (above)' if again else ''}{more}"
        if not again:
            yield from _branches(graph, end, links, indent + ("    " if last else "│   "), drawn)


def _told(node: Node, link: Link | None = None) -> str:
    words = [node.label]
    if node.kind == "product" and node.version is not None:
        words.append(f"v{node.version}")
    if node.kind in ("model", "dashboard", "kpi", "dataset", "job"):
        words.append(node.kind)
    if node.retired:
        words.append("dropped" if node.kind == "dataset" else "retired")
    if link is not None and link.planned:
        words.append("not run yet")
    if node.owner and link is not None and node.kind != "model_version":
        words.append(f"owner {node.owner}")
    return "  ".join(words)

"""Everything downstream of a node by one query, with what the answer says of each: fast where it is thousands.

The same nodes as of `links.walk`, without the links between them.
"""

from __future__ import annotations

from sqlalchemy import Connection, FromClause, Select, String, cast, func, literal, null, select, true

from mesh_catalog.catalog.nodes import Node, NodeKey, read_nodes
from mesh_catalog.catalog.tables import edges, products, versions
from mesh_catalog.catalog.versions import NewestVersions

__all__ = ["nodes_after"]

_After = Select[str, str, int | None, str | None, str | None, bool, int | None, int | None]


def nodes_after(connection: Connection, root: NodeKey) -> dict[NodeKey, Node | None]:
    """Every node after the root, itself left out; None for those that the catalog does not know."""
    found: dict[NodeKey, Node | None] = {}
    rows = connection.execute(_everything_after(root, connection.dialect.name)).all()
    for kind, name, told, domain, owner, retired, version, kept_from in rows:
        if told is not None and (kind != "product" or kept_from is None or told < kept_from):
            continue
        found[kind, name] = None
        if domain is not None:
            found[kind, name] = Node(
                kind="product",
                name=name,
                label=name,
                domain=domain,
                owner=owner,
                version=version,
                retired=bool(retired),
            )
    found.pop(root, None)
    others = [key for key in found if key[0] != "product"]
    return found | read_nodes(connection, others, NewestVersions())


def _everything_after(root: NodeKey, dialect: str) -> _After:
    """Kind, name and the version of the edge that led there; of a product domain, owner and its newest version.

    Of edges that hold no more too, the last of a way: whether one holds is asked once a node, not once an edge.
    """
    e, p, v = edges.c, products.c, versions.c
    start = [cast(literal(value), String).label(name) for name, value in zip(("kind", "name"), root, strict=True)]
    ends = select(*start, cast(null(), e.last_version.type).label("version")).cte("ends", recursive=True)
    kept_from = select(v.kept_from).where(v.product == ends.c.name).order_by(v.version.desc()).limit(1)
    holds = ends.c.version.is_(None) | ((ends.c.kind == "product") & (ends.c.version >= kept_from.scalar_subquery()))
    from_here = (e.from_kind == ends.c.kind) & (e.from_name == ends.c.name)
    ends = ends.union(select(e.to_kind, e.to_name, e.last_version).join(ends, from_here).where(holds))
    product: FromClause = products
    newest: FromClause = versions
    if dialect == "postgresql":  # which reckons with few nodes, and would read all products for them
        reached: FromClause = ends
        mine = (p.name == reached.c.name) & (reached.c.kind == "product")
        product = select(p.domain, p.owner, p.retired_at).where(mine).limit(1).lateral()
        of = select(v.version, v.kept_from).where(v.product == reached.c.name).order_by(v.version.desc())
        newest = of.limit(1).lateral()
        source = reached.outerjoin(product, true()).outerjoin(newest, true())
    else:  # in the order of names the looks go from one page to the next; -1, or SQLite forgets the order
        reached = select(ends).order_by(ends.c.name).limit(-1).subquery()
        mine = (p.name == reached.c.name) & (reached.c.kind == "product")
        highest = select(func.max(v.version)).where(v.product == p.name).correlate(products).scalar_subquery()
        source = reached.outerjoin(product, mine).outerjoin(newest, (v.product == p.name) & (v.version == highest))
    told = product.c.domain, product.c.owner, product.c.retired_at.is_not(None)
    return select(*reached.c, *told, newest.c.version, newest.c.kept_from).select_from(source)

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mesh_catalog.catalog.lineage import Direction, LineageGraph, Link, Node
from mesh_catalog.web.lineage_layout import BOX_HEIGHT, BOX_WIDTH, Layout, lay_out
from mesh_catalog.web.lineage_picture import draw

NUMBERS = st.integers(0, 7)
PAIRS = st.lists(st.tuples(NUMBERS, NUMBERS), max_size=24)


def graphs_of(pairs: list[tuple[int, int]]) -> list[LineageGraph]:
    """Both ways from node 0, as `lineage` would walk; loops and links over several levels included."""
    found = []
    for upstream in (True, False):
        seen, level, links = {0}, [0], []
        while level:
            near = [(a, b) for a, b in dict.fromkeys(pairs) if (b if upstream else a) in level]
            links += near
            level = [one for one in dict.fromkeys((a if upstream else b) for a, b in near) if one not in seen]
            seen.update(level)
        nodes = tuple(Node(kind="dataset", name=str(one), label=f"<d{one}>") for one in sorted(seen))
        made = tuple(
            Link(source=("dataset", str(a)), target=("dataset", str(b)), seen="declared", planned=False)
            for a, b in dict.fromkeys(links)
        )
        direction: Direction = "upstream" if upstream else "downstream"
        found.append(LineageGraph(root=("dataset", "0"), direction=direction, nodes=nodes, links=made))
    return found


def crossings(layout: Layout) -> list[tuple[int, int]]:
    """Points of boxes that lie over another, and of lanes that lie under a box."""
    places = [(box.x, box.y) for box in layout.boxes]
    hit = [
        (x, y)
        for index, (x, y) in enumerate(places)
        for left, top in places[:index]
        if abs(x - left) < BOX_WIDTH and abs(y - top) < BOX_HEIGHT
    ]
    for line in layout.lines:
        for enters, leaves in zip(line.points[1:-1:2], line.points[2::2], strict=True):
            assert enters[1] == leaves[1] and leaves[0] - enters[0] == BOX_WIDTH
            hit += [enters for x, y in places if x == enters[0] and y <= enters[1] <= y + BOX_HEIGHT]
    return hit


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(pairs=PAIRS, most=st.one_of(st.none(), st.integers(1, 3)))
def test_nothing_lies_over_anything_and_nothing_is_lost(pairs: list[tuple[int, int]], most: int | None) -> None:
    graphs = graphs_of(pairs)
    layout = lay_out(graphs, most=most)
    assert crossings(layout) == []
    drawn = [box.node.name for box in layout.boxes if box.node is not None]
    assert "0" in drawn and len(drawn) == len(set(drawn))
    known = {node.name for graph in graphs for node in graph.nodes}
    assert len(drawn) + sum(box.more for box in layout.boxes) == len(known)
    assert most is not None or set(drawn) == known
    for box in layout.boxes:
        assert 0 <= box.x <= layout.width - BOX_WIDTH and 0 <= box.y <= layout.height - BOX_HEIGHT
    picture = draw(graphs, most=most)
    assert picture.drawn == len(drawn) and "<d" not in picture.svg and "&lt;d0&gt;" in picture.svg

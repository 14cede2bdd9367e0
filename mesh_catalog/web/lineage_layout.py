"""Where the nodes of a lineage graph stand in a picture, and how its links run between them.

Nodes stand in levels from left to right, by their longest way from the root. A link over several levels has a lane in
those between, so that it is never behind a box. Pure: places in pixels, no SVG.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from mesh_catalog.catalog.lineage import LineageGraph
    from mesh_catalog.catalog.nodes import Node, NodeKey

__all__ = ["BOX_HEIGHT", "BOX_WIDTH", "Box", "Layout", "Line", "lay_out", "merged_graphs"]

BOX_WIDTH: Final = 216
BOX_HEIGHT: Final = 46
_LANE_HEIGHT, _GAP_X, _GAP_Y, _EDGE = 6, 64, 14, 6
_PASSES: Final = 200


@dataclass(frozen=True, kw_only=True)
class Box:
    """A node, or where it is None how many were left out at this place; x and y are its upper left corner."""

    x: int
    y: int
    node: Node | None
    more: int


@dataclass(frozen=True, kw_only=True)
class Line:
    """A link: the points at which it leaves a box or lane and enters the next one, in turns."""

    points: tuple[tuple[int, int], ...]
    planned: bool


@dataclass(frozen=True, kw_only=True)
class Layout:
    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]
    width: int
    height: int


@dataclass(frozen=True)
class _More:
    """Stands for the nodes of a level that are not drawn."""

    level: int
    count: int


@dataclass(frozen=True)
class _Lane:
    """Through a level, for the links of one box to those that stand further."""

    start: _End
    level: int


_End: TypeAlias = "NodeKey | _More"
_Key: TypeAlias = "_End | _Lane"


def merged_graphs(graphs: Iterable[LineageGraph]) -> tuple[dict[NodeKey, Node], list[tuple[NodeKey, NodeKey]]]:
    """Nodes and links of graphs with the same root, each once."""
    nodes: dict[NodeKey, Node] = {}
    links: dict[tuple[NodeKey, NodeKey], None] = {}
    for graph in graphs:
        nodes |= {node.key: node for node in graph.nodes}
        links |= {(link.source, link.target): None for link in graph.links}
    return nodes, list(links)


def lay_out(graphs: Sequence[LineageGraph], *, most: int | None = None) -> Layout:
    """Graphs of one root, side by side: what it came from on its left, what was made from it on its right.

    Args:
        most: So many nodes stand above each other; the others share one place.
    """
    nodes, links = merged_graphs(graphs)
    levels = _levels(graphs)
    columns = _columns(levels, links, graphs[0].root, most)
    drawn = {key for column in columns.values() for key in column}
    box_of: dict[NodeKey, _End] = {key: key if key in drawn else columns[level][-1] for key, level in levels.items()}
    level_of = {box: levels[key] for key, box in box_of.items()}
    planned = {(link.source, link.target) for graph in graphs for link in graph.links if link.planned}
    ends: dict[tuple[_End, _End], bool] = {}
    for source, target in links:
        pair = box_of[source], box_of[target]
        if pair[0] != pair[1]:
            ends[pair] = ends.get(pair, True) and (source, target) in planned
    routes = {(start, end): _route(start, end, level_of) for start, end in ends}
    full = _with_lanes(columns, routes)
    places, width, height = _placed(full)
    boxes = []
    for key in (key for column in full.values() for key in column):
        x, y = places[key]
        if isinstance(key, _More):
            boxes.append(Box(x=x, y=y, node=None, more=key.count))
        elif not isinstance(key, _Lane):
            boxes.append(Box(x=x, y=y, node=nodes[key], more=0))
    lines = (Line(points=_points(routes[pair], places), planned=idle) for pair, idle in ends.items())
    return Layout(boxes=tuple(boxes), lines=tuple(lines), width=width, height=height)


def _levels(graphs: Sequence[LineageGraph]) -> dict[NodeKey, int]:
    """How far right of the leftmost each node stands, by its longest way from the root; a loop ends somewhere."""
    levels: dict[NodeKey, int] = {}
    for graph in graphs:
        steps = {node.key: 0 for node in graph.nodes}
        upstream = graph.direction == "upstream"
        ends = [(one.target, one.source) if upstream else (one.source, one.target) for one in graph.links]
        ends = [(near, far) for near, far in ends if far not in (near, graph.root)]
        for _ in range(min(len(steps), _PASSES)):
            moved = False
            for near, far in ends:
                if steps[far] < steps[near] + 1 <= len(steps):
                    steps[far], moved = steps[near] + 1, True
            if not moved:
                break
        for key, step in steps.items():
            levels.setdefault(key, -step if upstream else step)
    used = {level: place for place, level in enumerate(sorted(set(levels.values())))}  # a loop may leave gaps
    return {key: used[level] for key, level in levels.items()}


def _columns(
    levels: Mapping[NodeKey, int], links: Sequence[tuple[NodeKey, NodeKey]], root: NodeKey, most: int | None
) -> dict[int, list[_End]]:
    """Of each level what stands there from top to bottom; last what is left out."""
    of: dict[int, list[NodeKey]] = defaultdict(list)
    for key, level in levels.items():
        of[level].append(key)
    neighbours: dict[NodeKey, list[NodeKey]] = defaultdict(list)
    for source, target in links:
        neighbours[source].append(target)
        neighbours[target].append(source)
    height: dict[NodeKey, float] = {}
    columns: dict[int, list[_End]] = {}
    for level in sorted(of, key=lambda one: abs(one - levels[root])):  # from the root on, near to their neighbours
        kept = of[level][:most]
        pulls = {}
        for key in kept:
            near = [height[one] for one in neighbours[key] if one in height]
            pulls[key] = sum(near) / len(near) if near else 0.5
        ordered = sorted(kept, key=pulls.__getitem__)
        height |= {key: (index + 0.5) / len(ordered) for index, key in enumerate(ordered)}
        columns[level] = [*ordered]
        if len(of[level]) > len(kept):
            columns[level].append(_More(level, len(of[level]) - len(kept)))
    return {level: columns[level] for level in sorted(columns)}


def _route(start: _End, end: _End, level_of: Mapping[_End, int]) -> list[_Key]:
    """From box to box, through the lanes between; backwards and within a level there are none."""
    return [start, *(_Lane(start, level) for level in range(level_of[start] + 1, level_of[end])), end]


def _with_lanes(
    columns: Mapping[int, Sequence[_End]], routes: Mapping[tuple[_End, _End], Sequence[_Key]]
) -> dict[int, list[_Key]]:
    """The columns with each lane where the straight way between the ends of its links goes through them."""
    height: dict[_Key, float] = {
        key: (index + 0.5) / len(column) for column in columns.values() for index, key in enumerate(column)
    }
    wanted: dict[_Lane, list[float]] = defaultdict(list)
    for (start, end), route in routes.items():
        for step, key in enumerate(route):
            if isinstance(key, _Lane):
                wanted[key].append(height[start] + (height[end] - height[start]) * step / (len(route) - 1))
    height |= {lane: sum(found) / len(found) for lane, found in wanted.items()}
    lanes = {level: [lane for lane in wanted if lane.level == level] for level in columns}
    return {level: sorted([*column, *lanes[level]], key=height.__getitem__) for level, column in columns.items()}


def _placed(columns: Mapping[int, Sequence[_Key]]) -> tuple[dict[_Key, tuple[int, int]], int, int]:
    """Upper left corners, each level around the middle; and the picture's width and height."""
    tall = {level: sum(_height(key) + _GAP_Y for key in column) - _GAP_Y for level, column in columns.items()}
    places: dict[_Key, tuple[int, int]] = {}
    for level, column in columns.items():
        y = _EDGE + (max(tall.values()) - tall[level]) // 2
        for key in column:
            places[key] = (_EDGE + level * (BOX_WIDTH + _GAP_X), y)
            y += _height(key) + _GAP_Y
    return places, len(columns) * (BOX_WIDTH + _GAP_X) - _GAP_X + 2 * _EDGE, max(tall.values()) + 2 * _EDGE


def _height(key: _Key) -> int:
    return _LANE_HEIGHT if isinstance(key, _Lane) else BOX_HEIGHT


def _points(route: Sequence[_Key], places: Mapping[_Key, tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    found = []
    for near, far in pairwise(route):
        found.append((places[near][0] + BOX_WIDTH, places[near][1] + _height(near) // 2))
        found.append((places[far][0], places[far][1] + _height(far) // 2))
    return tuple(found)

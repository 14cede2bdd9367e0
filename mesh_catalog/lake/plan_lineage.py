"""Which input columns each column of a frame is made of, read from Spark's analysed plan before anything is run.

A value flows where it is computed from another: copies, renames, casts, functions, conditions of CASE, aggregates. It
does not flow through filters, join conditions, groupings, orders, counts and null tests. Fails closed: what the plan
does not show (code in Python over whole rows, rows made from an RDD, an operator that is not known here) counts as made
of everything that the frame has read.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = ["HASH", "OPAQUE", "UNKNOWN", "ColumnSources", "Flow", "MarkedInputs", "column_sources", "mark_inputs"]

HASH: Final = "hash"
OPAQUE: Final = "opaque"
"""Code that Spark cannot look into: it may hash, or sum up."""
UNKNOWN: Final = ("", "")
"""The origin of what cannot be told."""

Tree = Sequence[Mapping[str, Any]]


def _kinds(text: str) -> frozenset[str]:
    return frozenset(text.split())


_PASSING: Final = _kinds(
    "SubqueryAlias View Filter Sort Repartition RepartitionByExpression RebalancePartitions GlobalLimit LocalLimit"
    " Limit LimitAll Offset Tail Distinct Deduplicate DeduplicateWithinWatermark Sample ResolvedHint EventTimeWatermark"
    " CollectMetrics SubqueryColumnAliases Subquery CTERelationDef"
)
_HASHES: Final = _kinds("Sha1 Sha2 Md5 XxHash64 Murmur3Hash HiveHash CollationAwareXxHash64")
_OPAQUE: Final = _kinds("PythonUDF PythonUDAF ScalaUDF PythonUDTF")
_SILENT: Final = _kinds("Count CountIf HyperLogLogPlusPlus IsNull IsNotNull Exists NamedLambdaVariable")
"""What tells of a value no more than that it is there."""
_SUMS: Final = _kinds(
    "Sum TrySum Average TryAverage StddevPop StddevSamp VariancePop VarianceSamp Skewness Kurtosis Corr CovPopulation"
    " CovSample"
)
"""Aggregates that show no single row's value, as min, max and first do."""


@dataclass(frozen=True)
class Flow:
    """One way from an input's column: through which hashes, aggregations (`aggregate:<n>`) and code it went."""

    origin: tuple[str, str]
    """Product and column; UNKNOWN."""
    steps: frozenset[str] = frozenset()

    def through(self, step: str) -> Flow:
        return Flow(self.origin, self.steps | {step})


@dataclass(frozen=True)
class ColumnSources:
    """What one column of a frame is made of."""

    flows: frozenset[Flow] = frozenset()
    counts: frozenset[str] = frozenset()
    """Aggregations (`aggregate:<n>`) whose groups' rows it counts."""

    def __or__(self, other: ColumnSources) -> ColumnSources:
        return ColumnSources(self.flows | other.flows)

    def through(self, step: str) -> ColumnSources:
        return ColumnSources(frozenset(flow.through(step) for flow in self.flows))


_NOTHING: Final = ColumnSources()
_ANYTHING: Final = ColumnSources(frozenset({Flow(UNKNOWN)}))


@dataclass(frozen=True, kw_only=True)
class MarkedInputs:
    """Frames of inputs that a plan made of them shows again."""

    frames: Mapping[str, DataFrame]
    """By the input's name."""
    marks: Mapping[str, str]
    """Mark in the plan → the input's name; made anew each time, so that no transform can know it."""


def mark_inputs(frames: Mapping[str, DataFrame]) -> MarkedInputs:
    """The frames, so that a plan made of them shows which is which."""
    marks = {name: f"mesh_{uuid4().hex}" for name in frames}
    return MarkedInputs(
        frames={name: frame.alias(marks[name]) for name, frame in frames.items()},
        marks={mark: name for name, mark in marks.items()},
    )


def column_sources(frame: DataFrame, inputs: MarkedInputs, *, literal_rows: bool) -> dict[str, ColumnSources]:
    """What each column of a frame is made of, by its name in lower case; every one is told, if as UNKNOWN.

    Args:
        frame: Made of the frames of `inputs`.
        literal_rows: Whether rows that stand in the plan itself are text of the transform (SQL's VALUES). Those of a
            Python transform may have been collected from an input.

    Cost: one call of the JVM; no job runs.
    """
    query: Any = frame._jdf
    tree: Tree = json.loads(query.queryExecution().analyzed().toJSON())
    reader = _PlanReader(marks=inputs.marks, literal_rows=literal_rows)
    try:
        outputs = reader.plan(tree)
    except (_UnknownPlanError, KeyError, IndexError, TypeError, ValueError, RecursionError):
        return {name.lower(): _ANYTHING for name in frame.columns}
    found: dict[str, ColumnSources] = {}
    for name, key in outputs:
        value, lower = reader.known.get(key, _ANYTHING), name.lower()
        found[lower] = found[lower] | value if lower in found else value
    return {name.lower(): found.get(name.lower(), _ANYTHING) for name in frame.columns}


class _UnknownPlanError(Exception):
    """An operator whose columns cannot be told apart."""


def _kind(node: Mapping[str, Any]) -> str:
    return str(node["class"]).rpartition(".")[2].rstrip("$")


def _key(node: Mapping[str, Any]) -> str:
    return str(node["exprId"]["id"])


Output = list[tuple[str, str]]
"""Name and expression id of each column."""


@dataclass
class _PlanReader:
    """Reads trees as Spark's `toJSON` writes them: nodes in pre-order, each with its number of children."""

    marks: Mapping[str, str]
    literal_rows: bool
    known: dict[str, ColumnSources] = field(default_factory=dict)
    """By expression id."""
    _parts: dict[str, Output] = field(default_factory=dict)
    """Output of each WITH part, by its id."""
    _aggregations: int = 0

    # Plans ---------------------------------------------------------------------------------------------------------

    def plan(self, tree: Tree) -> Output:
        output, _ = self._plan_at(tree, 0)
        return output

    def _plan_at(self, tree: Tree, at: int) -> tuple[Output, int]:
        node = tree[at]
        children: list[Output] = []
        following = at + 1
        for _ in range(int(node["num-children"])):
            output, following = self._plan_at(tree, following)
            children.append(output)
        return self._node(node, children), following

    def _node(self, node: Mapping[str, Any], children: list[Output]) -> Output:
        kind = _kind(node)
        if kind == "SubqueryAlias" and (product := self.marks.get(str(node["identifier"]["name"]))):
            return self._input(product, children[0])
        if kind in _PASSING:
            if kind == "CTERelationDef":
                self._parts[str(node["id"])] = children[0]
            return children[0]
        special: Mapping[str, Callable[[Mapping[str, Any], list[Output]], Output]] = {
            "Project": self._project,
            "Aggregate": self._aggregate,
            "Window": self._window,
            "Expand": self._expand,
            "Generate": self._generate,
            "Join": self._join,
            "LateralJoin": self._lateral,
            "Union": self._union,
            "Intersect": self._union,
            "Except": lambda _node, found: found[0],
            "WithCTE": lambda _node, found: found[-1],
            "CTERelationRef": self._part,
            "OneRowRelation": lambda _node, _found: [],
        }
        return special[kind](node, children) if kind in special else self._other(node, kind, children)

    def _input(self, product: str, columns: Output) -> Output:
        for name, key in columns:
            self.known[key] = ColumnSources(frozenset({Flow((product, name))}))
        return columns

    def _project(self, node: Mapping[str, Any], _children: list[Output]) -> Output:
        return [self._named(tree, None) for tree in node["projectList"]]

    def _aggregate(self, node: Mapping[str, Any], _children: list[Output]) -> Output:
        self._aggregations += 1
        group = f"aggregate:{self._aggregations}"
        return [self._named(tree, group) for tree in node["aggregateExpressions"]]

    def _window(self, node: Mapping[str, Any], children: list[Output]) -> Output:
        return [*children[0], *(self._named(tree, None) for tree in node["windowExpressions"])]

    def _expand(self, node: Mapping[str, Any], _children: list[Output]) -> Output:
        rows = [[self._expression(tree, None) for tree in row] for row in node["projections"]]
        output = _attributes(node["output"])
        for position, (_name, key) in enumerate(output):
            self.known[key] = _union_of(row[position] for row in rows)
        return output

    def _generate(self, node: Mapping[str, Any], children: list[Output]) -> Output:
        made = self._expression(node["generator"], None)
        output = _attributes(node["generatorOutput"])
        self.known |= {key: made for _name, key in output}
        return [*children[0], *output]

    def _join(self, node: Mapping[str, Any], children: list[Output]) -> Output:
        kind = json.dumps(node["joinType"])
        return children[0] if "LeftSemi" in kind or "LeftAnti" in kind else [*children[0], *children[1]]

    def _lateral(self, node: Mapping[str, Any], children: list[Output]) -> Output:
        return [*children[0], *self.plan(node["right"][0]["plan"])]

    def _union(self, _node: Mapping[str, Any], children: list[Output]) -> Output:
        """Columns by position, under the first one's names and ids."""
        for position, (_name, key) in enumerate(children[0]):
            values = [self._value(child[position][1]) for child in children]
            self.known[key] = values[0] if len(set(values)) == 1 else _union_of(values)
        return children[0]

    def _part(self, node: Mapping[str, Any], _children: list[Output]) -> Output:
        output = _attributes(node["output"])
        made = self._parts.get(str(node["cteId"]))
        if made is None or len(made) != len(output):  # a recursive part reads itself
            self.known |= {key: _ANYTHING for _name, key in output}
        else:
            self.known |= {key: self._value(old) for (_name, key), (_old, old) in zip(output, made, strict=True)}
        return output

    def _other(self, node: Mapping[str, Any], kind: str, children: list[Output]) -> Output:
        """A leaf, or code over whole rows."""
        if "output" not in node:
            raise _UnknownPlanError(kind)
        output = _attributes(node["output"])
        if children:
            made = _union_of(self._value(key) for child in children for _name, key in child).through(OPAQUE)
        elif kind == "Range" or (kind == "LocalRelation" and self.literal_rows):
            made = _NOTHING
        else:
            made = _ANYTHING
        self.known |= {key: made for _name, key in output}
        return output

    # Expressions ---------------------------------------------------------------------------------------------------

    def _value(self, key: str) -> ColumnSources:
        return self.known.get(key, _ANYTHING)

    def _named(self, tree: Tree, group: str | None) -> tuple[str, str]:
        """Name and id of a column that a list of expressions makes."""
        head = tree[0]
        kind, key = _kind(head), _key(head)
        if kind == "Alias":
            self.known[key] = self._at(tree, 1, group)[0]
        elif kind != "AttributeReference":
            raise _UnknownPlanError(kind)
        return str(head["name"]), key

    def _expression(self, tree: Tree, group: str | None) -> ColumnSources:
        return self._at(tree, 0, group)[0]

    def _at(self, tree: Tree, at: int, group: str | None) -> tuple[ColumnSources, int]:
        """What the expression at a place is made of, and where the next one begins."""
        node = tree[at]
        kind = _kind(node)
        children: list[ColumnSources] = []
        following = at + 1
        inner = None if kind == "WindowExpression" else group
        for _ in range(int(node["num-children"])):
            made, following = self._at(tree, following, inner)
            children.append(made)
        return self._made(node, kind, children, group), following

    def _made(
        self, node: Mapping[str, Any], kind: str, children: list[ColumnSources], group: str | None
    ) -> ColumnSources:
        if kind == "AttributeReference":
            return self._value(_key(node))
        if kind == "OuterReference":
            return self._expression(node["e"], None)
        if kind in _SILENT:
            return ColumnSources(counts=frozenset({group}) if group and kind == "Count" else frozenset())
        if "plan" in node:
            outputs = self.plan(node["plan"])
            return _union_of([*(self._value(key) for _name, key in outputs), *children])
        if kind in ("WindowExpression", "AggregateExpression", "Alias", "Cast"):
            return children[0]  # the rest says which rows, not which value
        made = _union_of(children)
        if kind in _HASHES:
            return made.through(HASH)
        if kind in _OPAQUE:
            return made.through(OPAQUE)
        return made.through(group) if group and kind in _SUMS else made


def _attributes(trees: Sequence[Tree]) -> Output:
    return [(str(tree[0]["name"]), _key(tree[0])) for tree in trees]


def _union_of(values: Iterator[ColumnSources] | Sequence[ColumnSources]) -> ColumnSources:
    return ColumnSources(frozenset(flow for value in values for flow in value.flows))

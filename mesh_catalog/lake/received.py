"""Personal data that a product receives: every column that is made of it is declared, or says why it ends there.

Decided on Spark's analysed plan, after the transform has been called and before a row is computed; so nothing is
written where it is refused. What the plan cannot tell counts as personal as soon as an input holds personal data.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mesh_catalog.catalog.inventory import read_columns, read_version_columns
from mesh_catalog.catalog.tags import ColumnTag, read_tags
from mesh_catalog.contracts.contract import PERSONAL_CLASSIFICATIONS
from mesh_catalog.errors import PolicyRefusedError
from mesh_catalog.lake.plan_lineage import HASH, OPAQUE, UNKNOWN, ColumnSources, Flow, MarkedInputs, column_sources
from mesh_catalog.workspace import SOURCE

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from mesh_catalog.access.mesh import Mesh
    from mesh_catalog.contracts.contract import Contract
    from mesh_catalog.specs import ProductSpec

__all__ = ["PersonalInputs", "personal_inputs", "require_declared"]

_RANK: Final = {name: rank for rank, name in enumerate(("", *PERSONAL_CLASSIFICATIONS))}


_ADVICE: Final = (
    "Nothing was written. In contract.yaml write the classification of each, or leave the column out of the transform;"
    " where it is not personal any more, customProperty deidentified says by what and why."
)


@dataclass(frozen=True, kw_only=True)
class PersonalInputs:
    """The personal columns of a product's inputs."""

    tags: Mapping[tuple[str, str], ColumnTag]
    """By input and column."""

    def __bool__(self) -> bool:
        return bool(self.tags)


def personal_inputs(mesh: Mesh, versions: Mapping[str, int]) -> PersonalInputs:
    """The personal columns of products: declared now, when the version was published, or received along lineage.

    Args:
        versions: Product → version that is read; one that is about to be made counts as its newest.
    """
    found: dict[tuple[str, str], ColumnTag] = {}
    for product, version in versions.items():
        if product == SOURCE:
            continue
        for name, tag in read_tags(mesh.catalog, product).items():
            found[product, name] = tag
        for columns in (read_version_columns(mesh.catalog, product, version), read_columns(mesh.catalog, product)):
            for column in columns:
                if column.personal and (product, column.name) not in found:
                    classification = str(column.classification).rstrip("?")
                    path = (f"{product}.{column.name}",)
                    found[product, column.name] = ColumnTag(classification=classification, path=path)
    return PersonalInputs(tags=found)


def require_declared(product: ProductSpec, frame: DataFrame, inputs: PersonalInputs, marked: MarkedInputs) -> None:
    """Refuse a product whose columns are made of personal data that its contract does not declare.

    Args:
        frame: The transform's result, made of the marked frames.

    Raises:
        PolicyRefusedError: Names each column, the path to its origin, and what to write.
    """
    python = product.build is not None and product.build.suffix == ".py"
    sources = column_sources(frame, marked, literal_rows=not python)
    contract = product.contract
    lines = []
    for column in contract.built_columns:
        made = sources.get(column.name.lower(), ColumnSources())
        declared = _RANK[(column.classification or "").rstrip("?")] if column.personal else 0
        line = _finding(contract, column.name, declared, made, sources, inputs)
        if line is not None:
            lines.append(f"  {column.name}   {line}")
    if lines:
        head = f"{contract.id}   refused: it receives personal data that its contract does not declare"
        raise PolicyRefusedError("\n".join([head, *lines, _ADVICE]))


def _finding(
    contract: Contract,
    name: str,
    declared: int,
    made: ColumnSources,
    sources: Mapping[str, ColumnSources],
    inputs: PersonalInputs,
) -> str | None:
    """What is wrong with one column; None where nothing is."""
    flows = [(flow, tag) for flow in made.flows for tag in _tags(flow, inputs)]
    if not flows:
        return None
    worst = max(_RANK[tag.classification] for _flow, tag in flows)
    if declared >= worst:
        return None
    if declared == 0 and name in contract.rights.deidentified:
        return _not_deidentified(contract, name, [flow for flow, _tag in flows], sources)
    flow, tag = min(
        ((flow, tag) for flow, tag in flows if _RANK[tag.classification] == worst),
        key=lambda one: (one[0].origin == UNKNOWN, one[1].path),
    )
    if flow.origin == UNKNOWN:
        return (
            f"cannot be told apart: it may hold {tag.path[-1]} ({tag.classification}), which the transform reads."
            f" Write classification: {tag.classification}, or deidentified with a reason"
        )
    path = " ← ".join((f"{contract.id}.{name}", *tag.path))
    return f"is made of {tag.path[-1]} ({tag.classification}): {path}. Write classification: {tag.classification}"


def _tags(flow: Flow, inputs: PersonalInputs) -> list[ColumnTag]:
    if flow.origin == UNKNOWN:
        return list(inputs.tags.values())
    product, column = flow.origin
    return [tag for (other, name), tag in inputs.tags.items() if other == product and name.lower() == column.lower()]


def _not_deidentified(
    contract: Contract, name: str, flows: list[Flow], sources: Mapping[str, ColumnSources]
) -> str | None:
    """Why a column is not what its `deidentified` says, as far as the plan can tell."""
    said = contract.rights.deidentified[name]
    seen = [flow for flow in flows if flow.origin != UNKNOWN and OPAQUE not in flow.steps]
    if said.by == "hash":
        plain = next((flow for flow in seen if HASH not in flow.steps), None)
        if plain is not None:
            return (
                f"deidentified says hash, but {'.'.join(plain.origin)} comes into it without one (sha2, md5, xxhash64)"
            )
    if said.by == "aggregate":
        counter = str(said.counted_by)
        counted = sources.get(counter.lower(), ColumnSources())
        plain = next((flow for flow in seen if not flow.steps & counted.counts), None)
        if plain is not None:
            return (
                f"deidentified says aggregate, but {'.'.join(plain.origin)} comes into it otherwise than by sum, avg or"
                f" the like of the groups whose rows {counter} counts"
            )
    return None

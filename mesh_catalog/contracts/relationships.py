"""ODCS `relationships`: foreign keys to other products, or to the table itself, as rules.

`to` is `domain.product.column`, or `product.column` for a product of the same domain. References by id
(`schema/…/properties/…`) name things that only another document knows: they are declared, and not run. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mesh_catalog.contracts.contract import Column, Reference, Rule, Severity
from mesh_catalog.documents import Document, Place
from mesh_catalog.errors import listed, nearest

__all__ = ["relationship_rules"]


def relationship_rules(
    document: Document, entry: Mapping[str, Any], column: Column | None, columns: Sequence[Column], *, place: Place,
    severity: Severity,
) -> Iterator[Rule]:  # fmt: skip
    """The rules of the `relationships` of a column or, where None, of the table; a severity of `severity`.

    Raises:
        DocumentError: A column is not there, both sides differ in length, or a key has two products.
    """
    to = _list(entry["to"])
    here: Place = (*place, "to")
    names = (column.name,) if column else _own_columns(document, _list(entry["from"]), columns, (*place, "from"))
    if len(names) != len(to):
        raise document.error(
            f"the relationship has {len(names)} columns here and {len(to)} there. Name as many on both sides.", *here
        )
    name = "_".join(names)
    if any("/" in target for target in to):
        yield Rule(
            id=f"{name}.reference",
            kind="not_run",
            column=names[0] if len(names) == 1 else None,
            argument="a reference by id is declared, but not run. Write to: domain.product.column",
            severity=severity,
            text=f"{listed(names)} exists in {listed(to)}",
        )
        return
    argument = _reference(document, names, to, here)
    yield Rule(
        id=f"{name}.reference",
        kind="reference",
        column=names[0] if len(names) == 1 else None,
        argument=argument,
        severity=severity,
        text=f"{', '.join(names)} exists in {argument.product} ({', '.join(argument.keys)})",
    )


def _list(value: Any) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else [str(value)]


def _own_columns(document: Document, names: Sequence[str], columns: Sequence[Column], place: Place) -> tuple[str, ...]:
    known = [column.name for column in columns]
    found = tuple(name.rpartition(".")[2].rpartition("/")[2] for name in names)
    for name in found:
        if name not in known:
            raise document.error(f"there is no column '{name[:40]}'.{nearest(name, known)}", *place)
    return found


def _reference(document: Document, names: tuple[str, ...], to: Sequence[str], place: Place) -> Reference:
    own = str(document.data["id"])
    products, keys = set(), []
    for target in to:
        table, _, key = target.rpartition(".")
        products.add(table if "." in table else f"{own.partition('.')[0]}.{table}")
        keys.append(key)
    if len(products) > 1:
        raise document.error(f"one key leads to one product, not to {listed(sorted(products))}.", *place)
    (product,) = products
    if product.count(".") != 1:
        raise document.error(
            f"'{to[0][:80]}' names no column of a product. Write domain.product.column, or product.column of this"
            " domain.",
            *place,
        )
    if product == own and tuple(keys) == names:
        raise document.error("the column refers to itself. Name the column that it must exist in.", *place)
    return Reference(columns=names, product=product, keys=tuple(keys))

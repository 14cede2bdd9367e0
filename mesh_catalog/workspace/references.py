"""Whether what models and rules refer to is there, in contracts that can carry it: targets, features, keys, times."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from mesh_catalog.contracts.contract import Reference, Rule
from mesh_catalog.contracts.types import is_numeric, is_temporal
from mesh_catalog.documents import Document, Place, read_document
from mesh_catalog.errors import nearest
from mesh_catalog.specs import FeatureRef, ModelKind, ModelSpec, ProductSpec

__all__ = ["check_consent", "check_model", "check_rules"]

_TARGET_BASES: Mapping[ModelKind, tuple[str, ...]] = {
    "binary": ("boolean", "tinyint", "smallint", "int", "bigint"),
    "regression": ("tinyint", "smallint", "int", "bigint", "float", "double", "decimal"),
}
_TARGET_WORDS: Mapping[ModelKind, str] = {
    "binary": "a binary one must be a boolean, or 0 and 1: make a column of 0 and 1 for each class",
    "regression": "that of a regression must be a number",
}


def check_model(model: ModelSpec, products: Mapping[str, ProductSpec], broken: Collection[str]) -> None:
    """Check what a model refers to.

    Args:
        model: The model.
        products: Every product that could be read.
        broken: Names that exist but could not be read; nothing is said of them here.

    Raises:
        DocumentError: A product or a column is not there, or cannot be what the model takes it for.
    """
    document = read_document(model.path)
    if any(name in broken for name in model.input_products):
        return
    target = _product(document, model.target_product, products, ("target",))
    column = target.contract.column(model.target)
    if column is None:
        raise _no_column(document, target, model.target, ("target",))
    if column.spark_type.split("(")[0] not in _TARGET_BASES[model.kind]:
        raise document.error(
            f"the target '{model.target}' is {column.spark_type}; {_TARGET_WORDS[model.kind]}.",
            "target",
        )
    time = target.contract.column(model.event_time)
    if time is None or not is_temporal(time.spark_type):
        raise _no_time(document, target, model.event_time)
    for key in model.entity:
        if target.contract.column(key) is None:
            raise _no_column(document, target, key, ("entity",))
    for index, feature in enumerate(model.features):
        _check_feature(document, model, feature, products, ("features", index))


def _check_feature(
    document: Document, model: ModelSpec, feature: FeatureRef, products: Mapping[str, ProductSpec], place: Place
) -> None:
    product = _product(document, feature.product, products, place)
    if feature.column is not None and product.contract.column(feature.column) is None:
        raise _no_column(document, product, feature.column, place)
    if product.name == model.target_product:
        if feature.column == model.target:
            raise document.error(f"the feature '{feature.column}' is the target itself. Remove it.", *place)
        return
    if not model.entity:
        raise document.error(
            f"'entity' is missing: the columns that join {product.name} to the target's rows. Add it.", *place
        )
    for key in model.entity:
        if product.contract.column(key) is None:
            raise document.error(f"{product.name} has no column '{key}', which entity names, to be joined by.", *place)
    if product.contract.event_time is None:
        raise document.error(
            f"{product.name} does not say when its rows happened: set customProperty eventTime in its contract,"
            " so that no row of the future is joined.",
            *place,
        )


def _product(document: Document, name: str, products: Mapping[str, ProductSpec], place: Place) -> ProductSpec:
    found = products.get(name)
    if found is None:
        raise document.error(f"there is no product '{name}'.{nearest(name, products)}", *place)
    return found


def _no_column(document: Document, product: ProductSpec, name: str, place: Place) -> Exception:
    known = [column.name for column in product.contract.columns]
    return document.error(f"{product.name} has no column '{name[:80]}'.{nearest(name, known)}", *place)


def _no_time(document: Document, product: ProductSpec, name: str) -> Exception:
    fit = [column.name for column in product.contract.columns if is_temporal(column.spark_type)]
    return document.error(
        f"event_time '{name[:80]}' is no date or timestamp column of {product.name}.{nearest(name, fit)}", "event_time"
    )


def check_rules(product: ProductSpec, products: Mapping[str, ProductSpec], unread: Collection[str]) -> None:
    """Check that the products which a contract's rules read are there, with the columns that references name.

    Args:
        products: Every product that could be read.
        unread: Names of which nothing is said here: broken ones, and datasets that models write.

    Raises:
        DocumentError: A product or a column is not there, or a key is of another kind than what must be in it.
    """
    path = product.contract.path
    for rule in product.contract.rules if path is not None and product.contract.other_products else ():
        names = getattr(rule.argument, "reads", ()) if rule.kind == "sql" else ()
        if isinstance(rule.argument, Reference):
            names = (rule.argument.product,)
        for name in names:
            if name in unread:
                continue
            document = read_document(path)  # type: ignore[arg-type]
            other = _product(document, name, products, _place(document, rule))
            if isinstance(rule.argument, Reference):
                _check_keys(document, product, other, rule.argument, _place(document, rule))


def check_consent(product: ProductSpec, products: Mapping[str, ProductSpec], unread: Collection[str]) -> None:
    """Check that the product in which consent stands is there, with the key and a column that can tell it.

    Raises:
        DocumentError: It is not.
    """
    consent, path = product.contract.rights.consent, product.contract.path
    if consent is None or consent.product is None or consent.product in unread or path is None:
        return
    document = read_document(path)
    place: Place = ("customProperties",)
    if consent.product == product.name:
        raise document.error("consent: the product is this one. Name the column alone: consent: column.", *place)
    other = _product(document, consent.product, products, place)
    for here, there in consent.keys:
        own, found = product.contract.column(here), other.contract.column(there)
        if found is None:
            raise _no_column(document, other, there, place)
        if own is not None and _family(own.spark_type) != _family(found.spark_type):
            raise document.error(
                f"consent: '{here}' is {own.spark_type}, but {other.name}.{there} is {found.spark_type}.", *place
            )
    column = other.contract.column(consent.column)
    if column is None:
        raise _no_column(document, other, consent.column, place)
    if column.spark_type != "boolean" and not is_temporal(column.spark_type):
        raise document.error(
            f"consent: {other.name}.{column.name} is {column.spark_type}. It must be a boolean (true: agrees), or the"
            " time of withdrawal.",
            *place,
        )


def _check_keys(
    document: Document, product: ProductSpec, other: ProductSpec, reference: Reference, place: Place
) -> None:
    for name, key in zip(reference.columns, reference.keys, strict=True):
        own, found = product.contract.column(name), other.contract.column(key)
        if found is None:
            raise _no_column(document, other, key, place)
        if own is not None and _family(own.spark_type) != _family(found.spark_type):
            raise document.error(
                f"'{name}' is {own.spark_type}, but {other.name}.{key}, which it refers to, is {found.spark_type}."
                " Make them agree.",
                *place,
            )


def _family(spark_type: str) -> str:
    if is_numeric(spark_type):
        return "number"
    return "time" if is_temporal(spark_type) else spark_type


def _place(document: Document, rule: Rule) -> Place:
    """Where the rule's column stands, or the table's rules."""
    table = document.data["schema"][0]
    for index, entry in enumerate(table["properties"]):
        if entry["name"] == rule.column and (entry.get("relationships") or entry.get("quality")):
            return ("schema", 0, "properties", index)
    return ("schema", 0, "relationships" if rule.kind == "reference" else "quality")

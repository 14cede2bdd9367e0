"""Whether a model's target, features, keys and times are there, in contracts that can carry them."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from mesh_catalog.contracts.types import is_temporal
from mesh_catalog.documents import Document, Place, read_document
from mesh_catalog.errors import nearest
from mesh_catalog.specs import FeatureRef, ModelSpec, ProductSpec

__all__ = ["check_model"]

_TARGET_BASES = ("boolean", "tinyint", "smallint", "int", "bigint", "string")


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
    if column.spark_type not in _TARGET_BASES:
        raise document.error(
            f"the target '{model.target}' is {column.spark_type}; a binary one must be boolean, integer or string.",
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
        raise document.error(f"'entity' is missing: the columns that join {product.name} to the target's rows. Add it.")
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

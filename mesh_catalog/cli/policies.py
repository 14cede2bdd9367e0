"""What `mesh check` says of the organisation's policies, and of rights and personal data in what is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mesh_catalog.access.rights import Refusal
    from mesh_catalog.errors import DocumentError
    from mesh_catalog.specs import ModelSpec, ProductSpec
    from mesh_catalog.workspace import Workspace
    from mesh_catalog.workspace.policies import PolicyFinding

__all__ = ["check_policies", "check_rights", "check_tags"]


def check_policies(workspace: Workspace) -> tuple[list[PolicyFinding], list[DocumentError], list[str]]:
    """Every finding; those that stop a publish as problems; the others, and exceptions that have ended, as notes."""
    from datetime import UTC, datetime

    from mesh_catalog.errors import DocumentError
    from mesh_catalog.workspace.policies import find_breaches, stale_exemptions

    today = datetime.now(UTC).date()
    findings = find_breaches(workspace, today=today)
    problems = [DocumentError(one.sentence, path=one.path, line=one.line) for one in findings if one.stops]
    notes = []
    for one in findings:
        if not one.stops:
            place = f"{one.path.relative_to(workspace.root)}:{one.line or 1}"
            until = f" (excepted until {one.excepted_until})" if one.excepted_until else ""
            notes.append(f"{place}: {one.sentence}{until}")
    return findings, problems, [*notes, *stale_exemptions(workspace, today=today)]


def check_rights(workspace: Workspace) -> list[DocumentError]:
    """Products and models whose inputs may not be used for them, as far as the workspace's own documents tell.

    At the line that names the first input of the path.
    """
    from mesh_catalog.access.rights import find_model_refusals, find_product_refusals

    found: list[DocumentError] = []
    for product in workspace.products.values():
        found += [_product_error(product, one) for one in find_product_refusals(workspace, product)]
    for model in workspace.models.values():
        found += [_model_error(model, one) for one in find_model_refusals(workspace, model, "train")]
    return sorted(found, key=lambda error: (error.path, error.line or 0))


def check_tags(workspace: Workspace) -> list[DocumentError]:
    """Columns that are made of personal data which their contracts do not declare, as far as build.sql tells."""
    from mesh_catalog.documents import read_document
    from mesh_catalog.lake.told_tags import undeclared_columns

    found = []
    for one in undeclared_columns(workspace):
        names = [column.name for column in one.product.contract.columns]
        place = ("schema", 0, "properties", names.index(one.column))
        document = read_document(one.product.folder / "contract.yaml")
        found.append(document.error(f"{one.product.name}: {one.sentence}", *place))
    return found


def _product_error(product: ProductSpec, refusal: Refusal) -> DocumentError:
    from mesh_catalog.errors import DocumentError
    from mesh_catalog.workspace.transforms import reads_with_lines

    line = reads_with_lines(product).get(refusal.path[1])
    return DocumentError(f"{product.name}: {refusal.sentence}", path=product.build or product.folder, line=line)


def _model_error(model: ModelSpec, refusal: Refusal) -> DocumentError:
    from mesh_catalog.documents import read_document

    place: tuple[str | int, ...] = ("target",)
    for index, feature in enumerate(model.features):
        if feature.product == refusal.path[1] and refusal.path[1] != model.target_product:
            place = ("features", index)
    return read_document(model.path).error(f"{model.name}: {refusal.sentence}", *place)

"""Whether what a model.yaml asks for can be done, told by file and line before anything is trained."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from mesh_catalog.documents import raise_all, read_document
from mesh_catalog.errors import DocumentError, InputError
from mesh_catalog.models.algorithms import check_parameters
from mesh_catalog.workspace.policy_references import check_kpi_words, check_model_policy

if TYPE_CHECKING:
    from mesh_catalog.specs import ModelSpec
    from mesh_catalog.workspace import Workspace

__all__ = ["parameter_errors", "require_sound_policy"]


def parameter_errors(model: ModelSpec) -> Iterator[DocumentError]:
    """Parameters of the algorithm, and ends of the ranges that are searched, which the trainer does not know."""
    bounds = [{name: pair[end] for name, pair in model.tune.parameters.items()} for end in (0, 1)]
    for place, parameters in (("algorithm", model.parameters), *(("tune", one) for one in bounds)):
        try:
            check_parameters(model.algorithm, parameters)
        except InputError as error:
            yield read_document(model.path).error(str(error), place)
            return


def require_sound_policy(workspace: Workspace, model: ModelSpec) -> None:
    """Refuse what `mesh check` finds wrong with the words of a model.yaml.

    Raises:
        DocumentError: The first such word by line, the others beside it.
    """
    found = [
        *check_model_policy(model, workspace.products),
        *check_kpi_words(model, workspace.kpis),
        *parameter_errors(model),
    ]
    raise_all(sorted(found, key=lambda error: error.line or 0))

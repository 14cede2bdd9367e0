"""Opening and closing incidents: what there was when it was opened, and whether what closes it is new and would have
caught it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mesh_catalog.alerts.known_tests import require_test, test_digest, workspace_tests
from mesh_catalog.catalog.alerts import AlertRecord
from mesh_catalog.catalog.incidents import (
    IncidentRecord,
    Surroundings,
    close_incident,
    read_incident,
    read_rules_of,
    read_surroundings,
)
from mesh_catalog.catalog.lineage import lineage
from mesh_catalog.catalog.store import utc_now
from mesh_catalog.errors import InputError, MeshError, NotFoundError, RefusedError, listed, nearest

if TYPE_CHECKING:
    from mesh_catalog.access.mesh import Mesh
    from mesh_catalog.contracts.contract import Contract, Rule

__all__ = ["close_with_check", "close_with_test", "look_around"]


def look_around(mesh: Mesh, alert: AlertRecord) -> Surroundings:
    """Contracts, versions and tests as they are now, of the alert's subject and of all that it comes from."""
    names = [alert.subject]
    try:
        graph = lineage(mesh.catalog, alert.subject, direction="upstream", allow_incomplete=True)
    except MeshError:  # its subject is not in the catalog any more: what it was cannot be looked up
        pass
    else:
        names = [node.name for node in graph.nodes if node.kind == "product"]
    with mesh.catalog.read() as connection:
        digests, versions = read_surroundings(connection, names)
    return Surroundings(contracts=digests, versions=versions, tests=workspace_tests(mesh.workspace.root))


def close_with_check(mesh: Mesh, incident_id: str, check: str, *, version: int | None = None) -> IncidentRecord:
    """Close an incident with a rule that its contract did not have, and that would have caught it.

    Args:
        check: `payments.transactions:tx_amount.maximum`.
        version: The version on which the rule must fail; the newest when the incident was opened where None.

    Raises:
        NotFoundError: No such incident, product or rule.
        RefusedError: It is closed; the rule was there before; it holds on the version; the product has no part in it.
    """
    from mesh_catalog.alerts.proof import run_rule

    incident = _unclosed(mesh, incident_id)
    product, _, rule_id = check.partition(":")
    if not rule_id:
        raise InputError(f"'{check[:80]}' is no check. Write PRODUCT:RULE, as mesh show PRODUCT lists the rules.")
    contract = mesh.workspace.product(product).contract
    if product not in incident.contracts:
        raise RefusedError(
            f"{product}: has no part in incident {incident.id}. Take a rule of {listed(sorted(incident.contracts))}."
        )
    rule = _rule(contract, rule_id)
    _require_new(mesh, incident, product, rule)
    chosen = version if version is not None else incident.versions.get(product)
    found = run_rule(mesh, contract, rule, chosen) if chosen is not None else None
    if found is None or found.broken is None:
        why = f"{product} had no version then" if found is None else found.reason
        proof, proven = f"not run on the rows of then: {why}", None
    elif found.broken == 0:
        raise RefusedError(
            f"{product}:{rule.id} holds on v{chosen}, so it would not have caught it. Write a rule that fails there, "
            "or name the version that was wrong: --version."
        )
    else:
        proof, proven = f"{found.broken:,} rows of v{chosen} break it", chosen
    return close_incident(
        mesh.catalog,
        incident.id,
        by=mesh.principal,
        closed_with=f"check {product}:{rule.id}",
        proof=proof,
        proven_version=proven,
        now=utc_now(),
    )


def close_with_test(mesh: Mesh, incident_id: str, node_id: str) -> IncidentRecord:
    """Close an incident with a test of the workspace that was not there before.

    Raises:
        NotFoundError: No such incident, file or test.
        InputError: The test is not in the workspace.
        RefusedError: It is closed, or the test was there before.
    """
    incident = _unclosed(mesh, incident_id)
    test = require_test(mesh.workspace.root, node_id)
    if test_digest(test) in incident.tests:
        raise RefusedError(f"{test}: was there when incident {incident.id} was opened, and did not prevent it.")
    return close_incident(
        mesh.catalog,
        incident.id,
        by=mesh.principal,
        closed_with=f"test {test}",
        proof="the test is new; whether it would have caught it is its author's word",
        proven_version=None,
        now=utc_now(),
    )


def _unclosed(mesh: Mesh, incident_id: str) -> IncidentRecord:
    incident = read_incident(mesh.catalog, incident_id)
    if incident.closed_at is not None:
        raise RefusedError(f"incident {incident.id}: was closed by {incident.closed_by} with {incident.closed_with}.")
    return incident


def _rule(contract: Contract, rule_id: str) -> Rule:
    found = next((rule for rule in contract.rules if rule.id == rule_id), None)
    if found is None:
        hint = nearest(rule_id, [rule.id for rule in contract.rules])
        raise NotFoundError(f"{contract.id}: its contract has no rule '{rule_id[:80]}'.{hint}")
    return found


def _require_new(mesh: Mesh, incident: IncidentRecord, product: str, rule: Rule) -> None:
    """A rule of the same name that means something else now is new: it was made stricter."""
    for known in read_rules_of(mesh.catalog, product, incident.contracts[product]):
        same = (known["kind"], known["column"], known["text"]) == (rule.kind, rule.column, rule.text)
        stricter = known["severity"] == "warning" and rule.severity != "warning"
        if same and not stricter:
            raise RefusedError(
                f"{product}:{rule.id} was in the contract when incident {incident.id} was opened, and did not prevent "
                "it. Add one that would have."
            )

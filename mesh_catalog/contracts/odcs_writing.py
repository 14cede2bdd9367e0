"""A contract that the framework made from values, as a document of the standard."""

from __future__ import annotations

from typing import Any

from mesh_catalog.contracts.contract import Column, Contract
from mesh_catalog.contracts.odcs_document import API_VERSION
from mesh_catalog.contracts.rules import implied_rules
from mesh_catalog.contracts.writing import writing_properties
from mesh_catalog.errors import listed

__all__ = ["contract_document"]


def contract_document(contract: Contract) -> dict[str, Any]:
    """The ODCS document of a contract that the framework made from values.

    It holds what columns imply; `read_contract` of it gives the same columns and rules.

    Raises:
        ValueError: The contract has rules of other kinds; those are written in a contract.yaml by hand.
    """
    extra = [rule.id for rule in contract.rules if rule not in implied_rules(contract.columns)]
    if extra:
        raise ValueError(f"{contract.id}: no place in the document for the rules {listed(extra)}")
    domain, _, table = contract.id.rpartition(".")
    document: dict[str, Any] = {
        "apiVersion": API_VERSION,
        "kind": "DataContract",
        "id": contract.id,
        "version": contract.version,
        "status": contract.status,
        "team": {"name": domain or table},
        "schema": [
            {
                "name": table,
                "physicalType": "table",
                **({"description": contract.description} if contract.description else {}),
                "properties": [_column_document(column) for column in contract.columns],
            }
        ],
    }
    if contract.tags:
        document["tags"] = list(contract.tags)
    if contract.service_levels:
        document["slaProperties"] = [dict(level) for level in contract.service_levels]
    document["customProperties"] = writing_properties(contract)
    if contract.event_time:
        document["customProperties"].append({"property": "eventTime", "value": contract.event_time})
    if not contract.profiled:
        document["customProperties"].append({"property": "profile", "value": False})
    if contract.cluster_by:
        document["customProperties"].append({"property": "clusterBy", "value": list(contract.cluster_by)})
    return document


def _column_document(column: Column) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": column.name,
        "logicalType": column.logical_type,
        "physicalType": column.spark_type,
        "required": column.required or None,
        "unique": column.unique or None,
        "primaryKey": column.primary_key_position is not None or None,
        "primaryKeyPosition": column.primary_key_position,
        "partitioned": column.partition_position is not None or None,
        "partitionKeyPosition": column.partition_position,
        "classification": column.classification,
        "description": column.description,
        "tags": list(column.tags) or None,
    }
    if column.suggested:
        found["customProperties"] = [{"property": "suggested", "value": list(column.suggested)}]
    return {key: value for key, value in found.items() if value is not None}

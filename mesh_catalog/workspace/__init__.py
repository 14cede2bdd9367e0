"""The workspace: finds domains/, turns folders into typed specs, and is the only place that reads a domain's files.

What a domain writes is untrusted: closed sets of keys, names of a small grammar, and no path that leaves the workspace.
Imports no Spark; sqlglot only where a build.sql is looked into.
"""

from __future__ import annotations

from mesh_catalog.workspace.loading import check_workspace, load_workspace, survey_workspace
from mesh_catalog.workspace.order import publish_order
from mesh_catalog.workspace.transforms import SOURCE, product_reads
from mesh_catalog.workspace.workspace import Workspace

__all__ = [
    "SOURCE",
    "Workspace",
    "check_workspace",
    "load_workspace",
    "product_reads",
    "publish_order",
    "survey_workspace",
]

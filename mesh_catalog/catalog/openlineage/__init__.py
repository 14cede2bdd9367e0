"""Lineage that other producers tell of, by OpenLineage events: read, kept, and drawn into the mesh's own graph."""

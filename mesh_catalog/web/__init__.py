"""The catalog over HTTP: OpenLineage events in, products and lineage out."""

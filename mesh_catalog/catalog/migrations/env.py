"""Alembic's entry: runs inside the caller's connection and transaction; there is no other way to migrate."""

from __future__ import annotations

from alembic import context

from mesh_catalog.catalog.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite alters a table by copying it
)
with context.begin_transaction():
    context.run_migrations()

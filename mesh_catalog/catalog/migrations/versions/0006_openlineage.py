"""What other producers told by OpenLineage, and when an edge was seen last."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)


def _text(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.String(), nullable=False) for name in names]


def upgrade() -> None:
    for table in ("edges", "column_edges"):
        op.add_column(table, sa.Column("last_at", _TIME, nullable=True))
    op.create_table(
        "openlineage_jobs",
        *_text("name"),
        sa.Column("declared_at", _TIME, nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_openlineage_jobs")),
    )
    op.create_table(
        "openlineage_runs",
        *_text("run_id", "job"),
        sa.Column("state", sa.Integer(), nullable=False),
        sa.Column("streaming", sa.Boolean(), nullable=False),
        sa.Column("ran", sa.Boolean(), nullable=False),
        sa.Column("started_at", _TIME, nullable=False),
        sa.Column("told_at", _TIME, nullable=False),
        sa.Column("parent_run", sa.String(), nullable=True),
        sa.Column("parent_job", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("run_id", "job", name=op.f("pk_openlineage_runs")),
    )
    op.create_index(op.f("ix_openlineage_runs_job_started_at"), "openlineage_runs", ["job", "started_at"])
    op.create_index(op.f("ix_openlineage_runs_state"), "openlineage_runs", ["state"])
    keys = ("run_id", "job", "from_kind", "from_name", "to_kind", "to_name")
    op.create_table(
        "openlineage_flows",
        *_text(*keys),
        sa.Column("version", sa.String(), nullable=True),
        sa.Column("rows", sa.BigInteger(), nullable=True),
        sa.Column("change", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint(*keys, name=op.f("pk_openlineage_flows")),
    )
    for end in ("from", "to"):
        name = op.f(f"ix_openlineage_flows_{end}_kind_{end}_name")
        op.create_index(name, "openlineage_flows", [f"{end}_kind", f"{end}_name"])
    columns = ("run_id", "job", "from_name", "from_column", "to_name", "to_column", "kind")
    op.create_table(
        "openlineage_columns", *_text(*columns), sa.PrimaryKeyConstraint(*columns, name=op.f("pk_openlineage_columns"))
    )
    op.create_table(
        "openlineage_datasets",
        *_text("name"),
        sa.Column("product", sa.String(), nullable=True),
        *_text("canonical"),
        sa.Column("told", sa.Boolean(), nullable=False),
        sa.Column("renamed", sa.Boolean(), nullable=False),
        sa.Column("emptied_at", _TIME, nullable=True),
        sa.Column("declared_at", _TIME, nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_openlineage_datasets")),
    )
    op.create_index(op.f("ix_openlineage_datasets_canonical"), "openlineage_datasets", ["canonical"])
    op.create_table(
        "openlineage_aliases",
        *_text("name", "alias"),
        sa.PrimaryKeyConstraint("name", "alias", name=op.f("pk_openlineage_aliases")),
    )
    op.create_index(op.f("ix_openlineage_aliases_alias"), "openlineage_aliases", ["alias"])
    op.create_table(
        "openlineage_facets",
        *_text("kind", "name", "facet"),
        sa.Column("at", _TIME, nullable=False),
        *_text("value"),
        sa.PrimaryKeyConstraint("kind", "name", "facet", name=op.f("pk_openlineage_facets")),
    )


def downgrade() -> None:
    for name in ("facets", "aliases", "datasets", "columns", "flows", "runs", "jobs"):
        op.drop_table(f"openlineage_{name}")
    for table in ("edges", "column_edges"):
        with op.batch_alter_table(table) as changed:
            changed.drop_column("last_at")

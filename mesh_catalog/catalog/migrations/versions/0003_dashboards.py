"""Dashboards: what outside the mesh reads its products."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "dashboards",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("domain", sa.String(), nullable=False),
        sa.Column("owner", sa.String(), nullable=True),
        sa.Column("title", sa.String(), nullable=True),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("url", sa.String(), nullable=True),
        sa.Column("description", sa.String(), nullable=True),
        sa.Column("reads", sa.JSON(), nullable=False),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("registered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["domain"], ["domains.name"], name=op.f("fk_dashboards_domain")),
        sa.ForeignKeyConstraint(["owner"], ["owners.name"], name=op.f("fk_dashboards_owner")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_dashboards")),
    )
    op.create_index(op.f("ix_dashboards_domain"), "dashboards", ["domain"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_dashboards_domain"), table_name="dashboards")
    op.drop_table("dashboards")

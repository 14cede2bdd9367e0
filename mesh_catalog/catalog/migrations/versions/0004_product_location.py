"""Where an adopted table lies."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("products", sa.Column("location", sa.String(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("products") as table:
        table.drop_column("location")

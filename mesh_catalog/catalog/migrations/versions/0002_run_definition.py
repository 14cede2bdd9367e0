"""What a run was made by: the digest of its transform and its source."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("runs", sa.Column("definition_digest", sa.String(), nullable=True))


def downgrade() -> None:
    op.drop_column("runs", "definition_digest")

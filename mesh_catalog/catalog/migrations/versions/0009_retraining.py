"""The loop hears people: requests, approvals, reviews; and knows what MLflow has been told."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)
_OPEN = sa.text("closed_at IS NULL")


def upgrade() -> None:
    op.create_table(
        "retrain_requests",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("principal", sa.String(), nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("answered_by", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["model"], ["models.name"], name=op.f("fk_retrain_requests_model")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_retrain_requests")),
    )
    op.create_index(op.f("ix_retrain_requests_model_at"), "retrain_requests", ["model", "at"], unique=False)
    op.create_table(
        "approvals",
        sa.Column("retraining_id", sa.String(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("approved", sa.Boolean(), nullable=False),
        sa.Column("principal", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.ForeignKeyConstraint(["model"], ["models.name"], name=op.f("fk_approvals_model")),
        sa.ForeignKeyConstraint(["retraining_id"], ["retrainings.id"], name=op.f("fk_approvals_retraining_id")),
        sa.PrimaryKeyConstraint("retraining_id", name=op.f("pk_approvals")),
    )
    op.create_index(op.f("ix_approvals_model_at"), "approvals", ["model", "at"], unique=False)
    op.create_table(
        "reviews",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("evidence", sa.JSON(), nullable=False),
        sa.Column("opened_at", _TIME, nullable=False),
        sa.Column("closed_at", _TIME, nullable=True),
        sa.Column("closed_by", sa.String(), nullable=True),
        sa.Column("resolution", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["model"], ["models.name"], name=op.f("fk_reviews_model")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reviews")),
    )
    op.create_index(op.f("ix_reviews_model_opened_at"), "reviews", ["model", "opened_at"], unique=False)
    op.create_index("uq_reviews_open", "reviews", ["model"], unique=True, sqlite_where=_OPEN, postgresql_where=_OPEN)
    for name in ("alias_moves", "decisions"):
        op.add_column(name, sa.Column("mirrored_at", _TIME, nullable=True))
        table = sa.table(name, sa.column("mirrored_at"), sa.column("at"))
        op.execute(table.update().values(mirrored_at=table.c.at))


def downgrade() -> None:
    for name in ("decisions", "alias_moves"):
        with op.batch_alter_table(name) as changed:
            changed.drop_column("mirrored_at")
    for name in ("reviews", "approvals", "retrain_requests"):
        op.drop_table(name)

"""KPIs, the glossary, members of domains, requests for data."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("domains", sa.Column("members", sa.JSON(), nullable=True))
    op.create_table(
        "kpis",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("domain", sa.String(), nullable=False),
        sa.Column("owner", sa.String(), nullable=True),
        sa.Column("title", sa.String(), nullable=True),
        sa.Column("description", sa.String(), nullable=True),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("unit", sa.String(), nullable=True),
        sa.Column("grain", sa.String(), nullable=False),
        sa.Column("cadence", sa.String(), nullable=True),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("same_as", sa.String(), nullable=True),
        sa.Column("target", sa.JSON(), nullable=True),
        sa.Column("drivers", sa.JSON(), nullable=False),
        sa.Column("tags", sa.JSON(), nullable=False),
        sa.Column("columns", sa.JSON(), nullable=False),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("registered_at", _TIME, nullable=False),
        sa.Column("retired_at", _TIME, nullable=True),
        sa.ForeignKeyConstraint(["domain"], ["domains.name"], name=op.f("fk_kpis_domain")),
        sa.ForeignKeyConstraint(["owner"], ["owners.name"], name=op.f("fk_kpis_owner")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_kpis")),
    )
    op.create_index(op.f("ix_kpis_domain"), "kpis", ["domain"], unique=False)
    op.create_table(
        "kpi_definitions",
        sa.Column("position", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("kpi", sa.String(), nullable=False),
        sa.Column("registered_at", _TIME, nullable=False),
        sa.Column("definition", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["kpi"], ["kpis.name"], name=op.f("fk_kpi_definitions_kpi")),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_kpi_definitions")),
    )
    op.create_index(op.f("ix_kpi_definitions_kpi_position"), "kpi_definitions", ["kpi", "position"], unique=False)
    op.create_table(
        "terms",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("domain", sa.String(), nullable=True),
        sa.Column("owner", sa.String(), nullable=True),
        sa.Column("definition", sa.String(), nullable=False),
        sa.Column("labels", sa.JSON(), nullable=False),
        sa.Column("synonyms", sa.JSON(), nullable=False),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("registered_at", _TIME, nullable=False),
        sa.Column("retired_at", _TIME, nullable=True),
        sa.ForeignKeyConstraint(["domain"], ["domains.name"], name=op.f("fk_terms_domain")),
        sa.ForeignKeyConstraint(["owner"], ["owners.name"], name=op.f("fk_terms_owner")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_terms")),
    )
    op.create_index(op.f("ix_terms_domain"), "terms", ["domain"], unique=False)
    op.create_table(
        "term_links",
        sa.Column("term", sa.String(), nullable=False),
        sa.Column("asset", sa.String(), nullable=False),
        sa.Column("column", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["term"], ["terms.name"], name=op.f("fk_term_links_term")),
        sa.PrimaryKeyConstraint("term", "asset", "column", name=op.f("pk_term_links")),
    )
    op.create_index(op.f("ix_term_links_asset"), "term_links", ["asset"], unique=False)
    op.create_table(
        "data_requests",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("product", sa.String(), nullable=False),
        sa.Column("principal", sa.String(), nullable=False),
        sa.Column("purpose", sa.String(), nullable=False),
        sa.Column("owner", sa.String(), nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("asked_at", _TIME, nullable=False),
        sa.Column("asked_by", sa.String(), nullable=False),
        sa.Column("decided_at", _TIME, nullable=True),
        sa.Column("decided_by", sa.String(), nullable=True),
        sa.Column("reason", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_data_requests")),
    )
    op.create_index(op.f("ix_data_requests_product_asked_at"), "data_requests", ["product", "asked_at"], unique=False)
    op.create_index(op.f("ix_audit_events_product_at"), "audit_events", ["product", "at"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_audit_events_product_at"), table_name="audit_events")
    for table in ("data_requests", "term_links", "terms", "kpi_definitions", "kpis"):
        op.drop_table(table)
    with op.batch_alter_table("domains") as changed:
        changed.drop_column("members")

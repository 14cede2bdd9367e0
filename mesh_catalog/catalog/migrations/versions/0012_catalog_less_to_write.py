"""Less to write and to read: edges and columns lie in their keys' order, and contracts have one index less."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_EDGE_KEYS = ("from_kind", "from_name", "to_kind", "to_name", "origin")


def upgrade() -> None:
    op.drop_index("ix_contracts_product_version", table_name="contracts")
    _rebuild(with_rowid=False, included=" INCLUDE (last_version)")


def downgrade() -> None:
    _rebuild(with_rowid=True, included="")
    op.create_index(op.f("ix_contracts_product_version"), "contracts", ["product", "version"], unique=False)


def _rebuild(*, with_rowid: bool, included: str) -> None:
    if op.get_bind().dialect.name == "postgresql":
        primary = f"PRIMARY KEY ({', '.join(_EDGE_KEYS)}){included}"
        op.execute(f"ALTER TABLE edges DROP CONSTRAINT pk_edges, ADD CONSTRAINT pk_edges {primary}")
        return
    for name in ("edges", "contract_columns"):
        op.rename_table(name, f"{name}_before")
    op.create_table(
        "edges",
        *(sa.Column(name, sa.String(), nullable=False) for name in _EDGE_KEYS),
        sa.Column("last_version", sa.BigInteger(), nullable=True),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint(*_EDGE_KEYS, name=op.f("pk_edges")),
        sqlite_with_rowid=with_rowid,
    )
    op.create_table(
        "contract_columns",
        sa.Column("product", sa.String(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("logical_type", sa.String(), nullable=False),
        sa.Column("spark_type", sa.String(), nullable=False),
        sa.Column("required", sa.Boolean(), nullable=False),
        sa.Column("is_unique", sa.Boolean(), nullable=False),
        sa.Column("primary_key_position", sa.Integer(), nullable=True),
        sa.Column("classification", sa.String(), nullable=True),
        sa.Column("description", sa.String(), nullable=True),
        sa.Column("tags", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["product", "digest"],
            ["contracts.product", "contracts.digest"],
            name=op.f("fk_contract_columns_product_digest"),
        ),
        sa.PrimaryKeyConstraint("product", "digest", "name", name=op.f("pk_contract_columns")),
        sqlite_with_rowid=with_rowid,
    )
    for name in ("edges", "contract_columns"):
        op.execute(f"INSERT INTO {name} SELECT * FROM {name}_before ORDER BY 1, 2, 3")  # noqa: S608 - our own tables
        op.drop_table(f"{name}_before")
    op.create_index(op.f("ix_edges_to_kind_to_name"), "edges", ["to_kind", "to_name"], unique=False)

"""Search by an inverted index that stays fast at a million assets; who opened the catalog fills it anew."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    counted = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    word = sa.String().with_variant(sa.String(collation="C"), "postgresql")
    op.drop_index("ix_search_terms_kind_asset", table_name="search_terms")
    op.drop_table("search_terms")
    op.create_table(
        "search_words",
        sa.Column("id", counted, nullable=False),
        sa.Column("word", word, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_search_words")),
        sa.UniqueConstraint("word", name=op.f("uq_search_words_word")),
    )
    op.create_table(
        "search_parts",
        sa.Column("part", word, nullable=False),
        sa.Column("word_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("part", "word_id", name=op.f("pk_search_parts")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "search_typos",
        sa.Column("key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("word_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("key", "word_id", name=op.f("pk_search_typos")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "search_assets",
        sa.Column("id", counted, nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("entries", sa.JSON(), nullable=False),
        sa.Column("facets", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_search_assets")),
        sa.UniqueConstraint("name", "kind", name=op.f("uq_search_assets_name_kind")),
    )
    op.create_table(
        "search_postings",
        sa.Column("word_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("impact", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("asset_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("word_id", "impact", "asset_id", name=op.f("pk_search_postings")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        op.f("ix_search_postings_asset_id_word_id_impact"), "search_postings", ["asset_id", "word_id", "impact"]
    )
    adopted = sa.text("location IS NOT NULL")
    op.create_index("ix_products_adopted", "products", ["name"], sqlite_where=adopted, postgresql_where=adopted)


def downgrade() -> None:
    op.drop_index("ix_products_adopted", table_name="products")
    for table in ("search_postings", "search_assets", "search_typos", "search_parts", "search_words"):
        op.drop_table(table)
    op.create_table(
        "search_terms",
        *(sa.Column(name, sa.String(), nullable=False) for name in ("term", "kind", "asset", "field", "label")),
        sa.PrimaryKeyConstraint("term", "kind", "asset", "field", "label", name=op.f("pk_search_terms")),
    )
    op.create_index(op.f("ix_search_terms_kind_asset"), "search_terms", ["kind", "asset"])

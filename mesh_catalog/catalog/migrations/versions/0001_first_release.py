"""The catalog of the first release."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    counted = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "audit_events",
        sa.Column("position", counted, nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("principal", sa.String(), nullable=False),
        sa.Column("purpose", sa.String(), nullable=False),
        sa.Column("product", sa.String(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=True),
        sa.Column("columns", sa.JSON(), nullable=True),
        sa.Column("masked", sa.JSON(), nullable=False),
        sa.Column("allowed", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_audit_events")),
        sa.UniqueConstraint("id", name=op.f("uq_audit_events_id")),
    )
    op.create_index(op.f("ix_audit_events_product_position"), "audit_events", ["product", "position"], unique=False)
    op.create_table(
        "column_edges",
        sa.Column("from_product", sa.String(), nullable=False),
        sa.Column("from_column", sa.String(), nullable=False),
        sa.Column("to_product", sa.String(), nullable=False),
        sa.Column("to_column", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("origin", sa.String(), nullable=False),
        sa.Column("last_version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "from_product", "from_column", "to_product", "to_column", "kind", "origin", name=op.f("pk_column_edges")
        ),
    )
    op.create_index(op.f("ix_column_edges_to_product"), "column_edges", ["to_product"], unique=False)
    op.create_table(
        "edges",
        sa.Column("from_kind", sa.String(), nullable=False),
        sa.Column("from_name", sa.String(), nullable=False),
        sa.Column("to_kind", sa.String(), nullable=False),
        sa.Column("to_name", sa.String(), nullable=False),
        sa.Column("origin", sa.String(), nullable=False),
        sa.Column("last_version", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("from_kind", "from_name", "to_kind", "to_name", "origin", name=op.f("pk_edges")),
    )
    op.create_index(op.f("ix_edges_to_kind_to_name"), "edges", ["to_kind", "to_name"], unique=False)
    op.create_table(
        "leases",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("holder", sa.String(), nullable=False),
        sa.Column("acquired_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_leases")),
    )
    op.create_table(
        "owners",
        sa.Column("name", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_owners")),
    )
    op.create_table(
        "runs",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("product", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("principal", sa.String(), nullable=False),
        sa.Column("contract_version", sa.String(), nullable=True),
        sa.Column("contract_digest", sa.String(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.String(), nullable=True),
        sa.Column("message", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_runs")),
    )
    op.create_index(op.f("ix_runs_product_started_at"), "runs", ["product", "started_at"], unique=False)
    op.create_table(
        "search_terms",
        sa.Column("term", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("asset", sa.String(), nullable=False),
        sa.Column("field", sa.String(), nullable=False),
        sa.Column("label", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("term", "kind", "asset", "field", "label", name=op.f("pk_search_terms")),
    )
    op.create_index(op.f("ix_search_terms_kind_asset"), "search_terms", ["kind", "asset"], unique=False)
    op.create_table(
        "checks",
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("rule", sa.String(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("column", sa.String(), nullable=True),
        sa.Column("severity", sa.String(), nullable=False),
        sa.Column("verdict", sa.String(), nullable=False),
        sa.Column("broken_count", sa.BigInteger(), nullable=True),
        sa.Column("rows", sa.BigInteger(), nullable=True),
        sa.Column("example_keys", sa.JSON(), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_checks_run_id")),
        sa.PrimaryKeyConstraint("run_id", "position", name=op.f("pk_checks")),
    )
    op.create_table(
        "domains",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("owner", sa.String(), nullable=True),
        sa.Column("on_call", sa.String(), nullable=True),
        sa.Column("description", sa.String(), nullable=True),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["owner"], ["owners.name"], name=op.f("fk_domains_owner")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_domains")),
    )
    op.create_table(
        "run_files",
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("path", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_run_files_run_id")),
        sa.PrimaryKeyConstraint("run_id", "path", name=op.f("pk_run_files")),
    )
    op.create_table(
        "run_inputs",
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("product", sa.String(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_run_inputs_run_id")),
        sa.PrimaryKeyConstraint("run_id", "product", name=op.f("pk_run_inputs")),
    )
    op.create_table(
        "models",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("domain", sa.String(), nullable=False),
        sa.Column("owner", sa.String(), nullable=True),
        sa.Column("goal", sa.String(), nullable=False),
        sa.Column("decides", sa.String(), nullable=True),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("target", sa.String(), nullable=False),
        sa.Column("algorithm", sa.String(), nullable=False),
        sa.Column("metric", sa.String(), nullable=False),
        sa.Column("inputs", sa.JSON(), nullable=False),
        sa.Column("features", sa.JSON(), nullable=False),
        sa.Column("training_name", sa.String(), nullable=False),
        sa.Column("predictions_name", sa.String(), nullable=False),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("registered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["domain"], ["domains.name"], name=op.f("fk_models_domain")),
        sa.ForeignKeyConstraint(["owner"], ["owners.name"], name=op.f("fk_models_owner")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_models")),
    )
    op.create_index(op.f("ix_models_domain"), "models", ["domain"], unique=False)
    op.create_index(op.f("ix_models_predictions_name"), "models", ["predictions_name"], unique=False)
    op.create_table(
        "products",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("domain", sa.String(), nullable=False),
        sa.Column("owner", sa.String(), nullable=True),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("description", sa.String(), nullable=True),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("tags", sa.JSON(), nullable=False),
        sa.Column("write_mode", sa.String(), nullable=False),
        sa.Column("event_time", sa.String(), nullable=True),
        sa.Column("source", sa.String(), nullable=True),
        sa.Column("contract_version", sa.String(), nullable=False),
        sa.Column("contract_digest", sa.String(), nullable=False),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("registered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["domain"], ["domains.name"], name=op.f("fk_products_domain")),
        sa.ForeignKeyConstraint(["owner"], ["owners.name"], name=op.f("fk_products_owner")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_products")),
    )
    op.create_index(op.f("ix_products_domain"), "products", ["domain"], unique=False)
    op.create_table(
        "alias_moves",
        sa.Column("id", counted, nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("alias", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=True),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["model"], ["models.name"], name=op.f("fk_alias_moves_model")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alias_moves")),
    )
    op.create_index(op.f("ix_alias_moves_model_alias_id"), "alias_moves", ["model", "alias", "id"], unique=False)
    op.create_table(
        "contracts",
        sa.Column("product", sa.String(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("rules", sa.JSON(), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("registered_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["product"], ["products.name"], name=op.f("fk_contracts_product")),
        sa.PrimaryKeyConstraint("product", "digest", name=op.f("pk_contracts")),
    )
    op.create_index(op.f("ix_contracts_product_version"), "contracts", ["product", "version"], unique=False)
    op.create_table(
        "decisions",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("reasons", sa.JSON(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("principal", sa.String(), nullable=False),
        sa.Column("from_version", sa.Integer(), nullable=True),
        sa.Column("to_version", sa.Integer(), nullable=True),
        sa.Column("evidence", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["model"], ["models.name"], name=op.f("fk_decisions_model")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_decisions")),
    )
    op.create_index(op.f("ix_decisions_model_at"), "decisions", ["model", "at"], unique=False)
    op.create_table(
        "model_versions",
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("mlflow_run_id", sa.String(), nullable=False),
        sa.Column("training_version", sa.BigInteger(), nullable=True),
        sa.Column("inputs", sa.JSON(), nullable=False),
        sa.Column("contract_versions", sa.JSON(), nullable=False),
        sa.Column("metrics", sa.JSON(), nullable=False),
        sa.Column("algorithm", sa.String(), nullable=False),
        sa.Column("code_commit", sa.String(), nullable=True),
        sa.Column("retraining_id", sa.String(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["model"], ["models.name"], name=op.f("fk_model_versions_model")),
        sa.PrimaryKeyConstraint("model", "version", name=op.f("pk_model_versions")),
    )
    op.create_table(
        "retrainings",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("step", sa.String(), nullable=False),
        sa.Column("state", sa.JSON(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=True),
        sa.Column("reasons", sa.JSON(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["model"], ["models.name"], name=op.f("fk_retrainings_model")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_retrainings")),
    )
    op.create_index(op.f("ix_retrainings_model_started_at"), "retrainings", ["model", "started_at"], unique=False)
    op.create_index(
        "uq_retrainings_open",
        "retrainings",
        ["model"],
        unique=True,
        sqlite_where=sa.text("outcome IS NULL"),
        postgresql_where=sa.text("outcome IS NULL"),
    )
    op.create_table(
        "verdicts",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("window_from", sa.DateTime(timezone=True), nullable=True),
        sa.Column("window_to", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reference", sa.String(), nullable=False),
        sa.Column("current", sa.String(), nullable=False),
        sa.Column("drifted", sa.Boolean(), nullable=False),
        sa.Column("share", sa.Double(), nullable=False),
        sa.Column("limit", sa.Double(), nullable=False),
        sa.Column("columns", sa.JSON(), nullable=False),
        sa.Column("report_html", sa.String(), nullable=True),
        sa.Column("report_json", sa.String(), nullable=True),
        sa.Column("reference_digest", sa.String(), nullable=True),
        sa.Column("current_digest", sa.String(), nullable=True),
        sa.Column("code_version", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["model"], ["models.name"], name=op.f("fk_verdicts_model")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_verdicts")),
    )
    op.create_index(op.f("ix_verdicts_model_created_at"), "verdicts", ["model", "created_at"], unique=False)
    op.create_table(
        "versions",
        sa.Column("product", sa.String(), nullable=False),
        sa.Column("version", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("contract_version", sa.String(), nullable=False),
        sa.Column("contract_digest", sa.String(), nullable=True),
        sa.Column("mode", sa.String(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("total_rows", sa.BigInteger(), nullable=True),
        sa.Column("quarantined_count", sa.BigInteger(), nullable=False),
        sa.Column("event_from", sa.DateTime(timezone=True), nullable=True),
        sa.Column("event_to", sa.DateTime(timezone=True), nullable=True),
        sa.Column("profile_digest", sa.String(), nullable=True),
        sa.Column("profile_path", sa.String(), nullable=True),
        sa.Column("committed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kept_from", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["product"], ["products.name"], name=op.f("fk_versions_product")),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_versions_run_id")),
        sa.PrimaryKeyConstraint("product", "version", name=op.f("pk_versions")),
    )
    op.create_index(op.f("ix_versions_run_id"), "versions", ["run_id"], unique=False)
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
    )


def downgrade() -> None:
    op.drop_table("contract_columns")
    op.drop_table("versions")
    op.drop_table("verdicts")
    op.drop_table("retrainings")
    op.drop_table("model_versions")
    op.drop_table("decisions")
    op.drop_table("contracts")
    op.drop_table("alias_moves")
    op.drop_table("products")
    op.drop_table("models")
    op.drop_table("run_inputs")
    op.drop_table("run_files")
    op.drop_table("domains")
    op.drop_table("checks")
    op.drop_table("search_terms")
    op.drop_table("runs")
    op.drop_table("owners")
    op.drop_table("leases")
    op.drop_table("edges")
    op.drop_table("column_edges")
    op.drop_table("audit_events")

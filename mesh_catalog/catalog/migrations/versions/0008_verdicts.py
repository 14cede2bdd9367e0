"""Verdicts of every monitor on models and products, with their measures as rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)
_DRIFT = ("data_drift", "model", "")


def upgrade() -> None:
    found = _rows("verdicts")
    op.drop_index(op.f("ix_verdicts_model_created_at"), table_name="verdicts")
    op.drop_table("verdicts")
    verdicts = op.create_table(
        "verdicts",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("subject_kind", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("slice", sa.String(), nullable=False),
        sa.Column("window_from", _TIME, nullable=True),
        sa.Column("window_to", _TIME, nullable=True),
        sa.Column("reference", sa.String(), nullable=False),
        sa.Column("current", sa.String(), nullable=False),
        sa.Column("model_version", sa.Integer(), nullable=True),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("share", sa.Double(), nullable=True),
        sa.Column("limit", sa.Double(), nullable=True),
        sa.Column("report_html", sa.String(), nullable=True),
        sa.Column("report_json", sa.String(), nullable=True),
        sa.Column("reference_digest", sa.String(), nullable=True),
        sa.Column("current_digest", sa.String(), nullable=True),
        sa.Column("code_version", sa.String(), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_verdicts")),
    )
    index = ["subject", "kind", "window_to"]
    op.create_index(op.f("ix_verdicts_subject_kind_window_to"), "verdicts", index, unique=False)
    measures = op.create_table(
        "verdict_measures",
        sa.Column("verdict_id", sa.String(), nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("column", sa.String(), nullable=True),
        sa.Column("method", sa.String(), nullable=False),
        sa.Column("score", sa.Double(), nullable=True),
        sa.Column("threshold", sa.Double(), nullable=True),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("low", sa.Double(), nullable=True),
        sa.Column("high", sa.Double(), nullable=True),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["verdict_id"], ["verdicts.id"], name=op.f("fk_verdict_measures_verdict_id")),
        sa.PrimaryKeyConstraint("verdict_id", "position", name=op.f("pk_verdict_measures")),
    )
    if found:
        op.bulk_insert(verdicts, [_verdict(row) for row in found])
        op.bulk_insert(measures, [measure for row in found for measure in _measures(row)])


def _rows(name: str) -> list[dict[str, Any]]:
    table = sa.Table(name, sa.MetaData(), autoload_with=op.get_bind(), resolve_fks=False)
    return [dict(row) for row in op.get_bind().execute(sa.select(table)).mappings()]


def _verdict(row: Mapping[str, Any]) -> dict[str, Any]:
    kept = ("id", "kind", "window_from", "window_to", "reference", "current", "share", "limit", "report_html",
            "report_json", "reference_digest", "current_digest", "code_version", "created_at")  # fmt: skip
    drifted = sum(one["outcome"] == "fail" for one in _measures(row))
    return {
        **{name: row[name] for name in kept},
        "subject": row["model"],
        "subject_kind": "model",
        "slice": "",
        "model_version": None,
        "outcome": "fail" if row["drifted"] else "warn" if drifted else "pass",
        "reason": f"{drifted} columns drifted (share {row['share']:.2f}, limit {row['limit']:.2f})",
    }


def _measures(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "verdict_id": row["id"],
            "position": position,
            "column": column.get("column"),
            "method": column.get("method") or "",
            "score": column.get("score"),
            "threshold": column.get("threshold"),
            "outcome": "not_run" if column.get("reason") else "fail" if column.get("drifted") else "pass",
            "low": None,
            "high": None,
            "reason": column.get("reason"),
            "details": {"type": column.get("type", "unknown")},
        }
        for position, column in enumerate(row["columns"])
    ]


def downgrade() -> None:
    """Only drift of models has a place in the older table."""
    found = [row for row in _rows("verdicts") if (row["kind"], row["subject_kind"], row["slice"]) == _DRIFT]
    measures = _rows("verdict_measures")
    op.drop_table("verdict_measures")
    op.drop_index(op.f("ix_verdicts_subject_kind_window_to"), table_name="verdicts")
    op.drop_table("verdicts")
    table = op.create_table(
        "verdicts",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("window_from", _TIME, nullable=True),
        sa.Column("window_to", _TIME, nullable=True),
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
        sa.Column("created_at", _TIME, nullable=False),
        sa.ForeignKeyConstraint(["model"], ["models.name"], name=op.f("fk_verdicts_model")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_verdicts")),
    )
    op.create_index(op.f("ix_verdicts_model_created_at"), "verdicts", ["model", "created_at"], unique=False)
    names = [column.name for column in table.columns]
    rows = []
    for row in found:
        own = sorted((one for one in measures if one["verdict_id"] == row["id"]), key=lambda one: one["position"])
        row |= {"model": row["subject"], "drifted": row["outcome"] == "fail", "columns": [_column(one) for one in own]}
        row |= {"share": row["share"] or 0.0, "limit": row["limit"] or 0.0}
        rows.append({name: row[name] for name in names})
    op.bulk_insert(table, rows)


def _column(measure: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: measure[name] for name in ("column", "score", "threshold", "reason")}
    drifted, kind = measure["outcome"] == "fail", measure["details"].get("type", "unknown")
    return {**kept, "method": measure["method"] or None, "drifted": drifted, "type": kind}

"""What exists, who owns it, what comes from what, what was decided. SQL by SQLAlchemy Core; no Spark, no pandas."""

"""The schema's history, run by Alembic when a catalog is opened whose schema is behind."""

from __future__ import annotations

__all__ = ["HEAD"]

HEAD = "0012"
"""The newest revision in `versions/`; said here so that opening a catalog need not import Alembic."""

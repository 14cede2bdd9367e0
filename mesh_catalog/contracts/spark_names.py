"""Names as Spark SQL takes them, whatever they hold."""

from __future__ import annotations

__all__ = ["spark_name"]


def spark_name(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"

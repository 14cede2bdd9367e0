"""Finding what is stored and computed twice: near-equal tables, KPIs and dashboards. No row is read, no JVM started."""

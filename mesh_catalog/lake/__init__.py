"""Spark and Delta: sessions, sources, transforms, the publish gate, reads, profiles."""

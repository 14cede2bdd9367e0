"""Serving: a champion's scores, as a data product."""

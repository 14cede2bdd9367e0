"""Telling people: alerts and their messages, escalation, incidents, who is affected, and metrics for Prometheus."""

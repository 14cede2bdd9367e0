"""Who may see it and who saw it: the one door to data, and its audit trail. No Spark."""

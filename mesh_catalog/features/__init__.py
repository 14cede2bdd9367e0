"""Features: what was known about an entity at a time."""

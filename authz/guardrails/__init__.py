"""A statement in SQL is allowed, or why not: pure."""

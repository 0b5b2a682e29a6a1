"""Audit records (pure) and their sinks."""

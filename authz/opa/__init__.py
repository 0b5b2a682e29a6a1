"""Answers for Trino's OPA plugin, about people who reach a Trino by other ways than Envoy."""

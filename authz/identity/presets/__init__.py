"""Issuers are data: one table for each provider."""

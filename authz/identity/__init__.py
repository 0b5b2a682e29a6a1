"""Credentials become a Principal, or a `Denied` is raised."""

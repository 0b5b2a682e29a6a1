"""Processes that answer checks, and the one that starts, watches, asks and ends them."""

"""Scopegate: who is asking becomes what they may see."""

__version__ = "0.1.0"

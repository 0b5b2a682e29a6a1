"""The warehouses' side of a scope: the files that make a warehouse obey what Scopegate tells it."""

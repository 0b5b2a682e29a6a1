"""What a principal may see: typed dimensions, row filters, column masks, and their algebra. No SQL, no warehouses."""

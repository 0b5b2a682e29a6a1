"""Which columns may need a label: proposals from names, types and counts of values. Pure, and never applied."""

"""A decision becomes rewrites of the request. The only place that quotes; no decision is made here."""

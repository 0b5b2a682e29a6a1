"""PolicySet to Envoy configuration. Nothing is run here."""

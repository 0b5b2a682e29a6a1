"""The demo's issuer, warehouse and cast. Never imported by the rest."""

"""How each kind of warehouse takes a scope: one module a kind."""

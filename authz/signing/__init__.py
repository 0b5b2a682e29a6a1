"""What Scopegate signs with its own keys, so that a warehouse can tell who wrote it."""

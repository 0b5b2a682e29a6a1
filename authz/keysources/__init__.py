"""Key sets and trust bundles: fetched and reloaded in the background, never called from a check."""

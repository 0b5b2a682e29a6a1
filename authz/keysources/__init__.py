"""Where key sets and trust bundles come from: fetched and read in the background, never inside a check."""

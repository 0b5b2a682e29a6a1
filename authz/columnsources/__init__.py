"""Where tables, columns and samples of their values come from: files, or a live warehouse."""

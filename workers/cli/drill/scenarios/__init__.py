"""One recorded attack per file; the folder is the list."""

"""One command per file; the folder is the list."""

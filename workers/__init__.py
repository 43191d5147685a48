"""What is run: one agent per file, the command line, and the embedded servers."""

"""One question to the API server in each file."""

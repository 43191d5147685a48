"""What is suspicious about a request to the API server, as its audit log tells it."""

"""What feeds send, one module a feed: lenient structs of only the fields used, normalised at this border."""

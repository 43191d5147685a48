"""One change and its verification per file; the inverse is the plan, backwards."""

"""What is said: every message that crosses a process boundary, and the pure functions over it."""

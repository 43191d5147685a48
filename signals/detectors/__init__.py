"""What is suspicious, by the agent that watches for it: one suspicion per file."""

"""What is decided, in order: deterministic and replayable, without I/O, clock or configuration."""

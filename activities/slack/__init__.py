"""Slack: what its messages say, how they get there, and who may press their buttons."""

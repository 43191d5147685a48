"""Histories that were recorded once and must replay for ever, and what makes new ones."""

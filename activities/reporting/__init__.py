"""The report of an incident as one HTML file: no script, nothing from outside, nothing that can be steered."""

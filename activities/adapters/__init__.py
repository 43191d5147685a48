"""The outside world, met: one file per server. Only `workers` imports from here."""

"""What a stranger may measure: `make bench`. Ratios to a ceiling of the same run, stamps from the audit log."""

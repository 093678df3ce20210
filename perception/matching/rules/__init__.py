"""The built-in matching rules, one per file."""

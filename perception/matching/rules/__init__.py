"""The built-in matching rules, one a file."""

"""The built-in relay rules, one a file."""

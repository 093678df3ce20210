"""The built-in access schemes, one per file."""

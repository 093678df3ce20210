"""The built-in access schemes, one a file."""

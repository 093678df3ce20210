"""Pictures of one finished run."""

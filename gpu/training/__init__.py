"""The training loop that all token models use."""

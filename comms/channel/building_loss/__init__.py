"""Models of the loss behind buildings."""

"""Metrics of perception: average precision of boxes, and awareness of hidden road users."""

"""Metrics of perception: average precision of boxes, awareness of hidden road users."""

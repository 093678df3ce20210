"""What perception is worth: average precision over boxes, awareness of hidden road users."""

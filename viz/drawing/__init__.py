"""What all pictures share: style, labels, keys of legends, outlines, perspective."""

"""Drawing code that all pictures share: style, labels, legends, outlines and perspective."""

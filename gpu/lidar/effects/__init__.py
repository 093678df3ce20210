"""What real lidars do to the ideal ranges of a cast scan: functions on arrays, each off unless a caller applies it."""

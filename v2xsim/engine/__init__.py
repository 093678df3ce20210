"""The discrete-event engine: it owns time, identity, chance and files. Only it knows SimPy."""

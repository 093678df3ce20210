"""The cooperation of stations: they announce themselves, egos ask helpers, helpers answer, relays forward, egos fuse."""

"""The radio as functions on arrays: links (`channel`), physical layer (`phy`), access, messages and relays.

No function depends on a clock, a scenario or a run. Besides numpy, numba and jaxtyping, no external package is
imported.
"""

__all__ = ["access", "channel", "draws", "messages", "pairs", "phy", "relay"]
